//! Frames over stdin and stdout. One thread reads, so that the worker notices at once when the controller goes
//! away; steps and contents go to the session by two queues.

use muster_api::frame::{FRAME_SIZE_MAX, FromWorker, KIND_CONTENT, KIND_JSON, ToWorker};
use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

/// What the controller sent as an answer to `NeedContent`.
pub(super) enum ContentAnswer {
    /// The bytes.
    Content { sha256: [u8; 32], bytes: Vec<u8> },
    /// There are none, and why.
    None { why: String },
}

/// What the reading thread hands on.
pub(super) struct Inbox {
    pub(super) messages: Receiver<ToWorker>,
    pub(super) contents: Receiver<ContentAnswer>,
}

/// Reads frames in a thread of its own; `on_end` is called when the controller is gone.
pub(super) fn listen(on_end: impl FnOnce() + Send + 'static) -> Inbox {
    let (messages_in, messages) = channel();
    let (contents_in, contents) = channel();
    std::thread::spawn(move || {
        if let Err(error) = deliver(&mut io::stdin().lock(), &messages_in, &contents_in) {
            eprintln!("musterd worker: cannot read from the controller: {error}");
        }
        on_end();
    });
    Inbox { messages, contents }
}

fn deliver(
    from: &mut impl Read,
    messages: &Sender<ToWorker>,
    contents: &Sender<ContentAnswer>,
) -> io::Result<()> {
    while let Some((kind, payload)) = read_frame(from)? {
        // A queue without receiver means that the session has ended: nothing more to deliver.
        let delivered = match kind {
            KIND_CONTENT => contents.send(split_content(payload)?).is_ok(),
            KIND_JSON => match serde_json::from_slice(&payload)? {
                ToWorker::NoContent { why, .. } => contents.send(ContentAnswer::None { why }).is_ok(),
                message => {
                    let is_last = message == ToWorker::Goodbye;
                    messages.send(message).is_ok() && !is_last
                }
            },
            other => return Err(invalid(format!("unknown kind of frame `{other}`"))),
        };
        if !delivered {
            // After a goodbye the pipe stays open until the worker exits: that is not the controller going away.
            return Ok(());
        }
    }
    Ok(())
}

fn split_content(mut payload: Vec<u8>) -> io::Result<ContentAnswer> {
    let Some(head) = payload.first_chunk::<32>().copied() else {
        return Err(invalid(format!("a content frame of {} bytes has no hash", payload.len())));
    };
    payload.drain(..32);
    Ok(ContentAnswer::Content { sha256: head, bytes: payload })
}

/// The next frame as kind and payload, or `None` at the end of the stream.
pub(super) fn read_frame(from: &mut impl Read) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut head = [0; 4];
    if !read_whole(from, &mut head)? {
        return Ok(None);
    }
    let size = u32::from_be_bytes(head);
    if size == 0 || size > FRAME_SIZE_MAX {
        return Err(invalid(format!("a frame of {size} bytes; 1 to {FRAME_SIZE_MAX} are allowed")));
    }
    let mut kind = [0; 1];
    from.read_exact(&mut kind)?;
    let mut payload = Vec::new();
    let wanted = u64::from(size) - 1;
    // `take` instead of a buffer of that size: the peer gets memory only for what it really sends.
    if from.take(wanted).read_to_end(&mut payload)? as u64 != wanted {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some((kind[0], payload)))
}

/// Fills the buffer; false where the stream ends before its first byte.
fn read_whole(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    loop {
        match from.read(&mut buffer[..1]) {
            Ok(0) => return Ok(false),
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    from.read_exact(&mut buffer[1..])?;
    Ok(true)
}

/// Writes one frame.
pub(super) fn write_frame(to: &mut impl Write, kind: u8, payload: &[u8]) -> io::Result<()> {
    let size = u32::try_from(payload.len() + 1).ok().filter(|size| *size <= FRAME_SIZE_MAX);
    let size = size.ok_or_else(|| invalid(format!("an answer of {} bytes is too large", payload.len())))?;
    to.write_all(&size.to_be_bytes())?;
    to.write_all(&[kind])?;
    to.write_all(payload)?;
    to.flush()
}

/// Says something to the controller; one message at a time, whichever thread says it.
pub(super) fn say(message: &FromWorker) -> io::Result<()> {
    static MOUTH: Mutex<()> = Mutex::new(());
    let payload = serde_json::to_vec(message)?;
    let _turn = MOUTH.lock().unwrap_or_else(PoisonError::into_inner);
    write_frame(&mut io::stdout().lock(), KIND_JSON, &payload)
}

fn invalid(sentence: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_comes_back_as_it_was_written() {
        let mut wire = Vec::new();
        write_frame(&mut wire, KIND_JSON, b"{}").expect("fits");
        assert_eq!(wire, b"\0\0\0\x03\x01{}");
        let mut from = wire.as_slice();
        assert_eq!(read_frame(&mut from).expect("whole"), Some((KIND_JSON, b"{}".to_vec())));
        assert_eq!(read_frame(&mut from).expect("ends"), None);
    }

    #[test]
    fn cut_or_oversized_frame_is_an_error() {
        read_frame(&mut b"\0\0\0\x05\x01{".as_slice()).expect_err("cut");
        read_frame(&mut b"\0\0".as_slice()).expect_err("cut head");
        read_frame(&mut b"\xff\xff\xff\xff\x01".as_slice()).expect_err("too large");
        read_frame(&mut b"\0\0\0\0".as_slice()).expect_err("no kind");
    }

    #[test]
    fn contents_and_messages_go_to_their_queues() {
        let mut wire = Vec::new();
        write_frame(&mut wire, KIND_JSON, br#"{"type":"goodbye"}"#).expect("fits");
        let mut content = vec![7; 32];
        content.extend(b"text");
        let mut first = Vec::new();
        write_frame(&mut first, KIND_CONTENT, &content).expect("fits");
        first.extend(wire);
        let (messages_in, messages) = channel();
        let (contents_in, contents) = channel();
        deliver(&mut first.as_slice(), &messages_in, &contents_in).expect("ends well");
        assert_eq!(messages.try_recv(), Ok(ToWorker::Goodbye));
        assert!(matches!(contents.try_recv(), Ok(ContentAnswer::Content { bytes, .. }) if bytes == b"text"));
    }
}
