//! Frames on the control socket, as `muster_api::frame` defines them: `[length u32][kind u8][JSON]`.

use muster_api::frame::KIND_JSON;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, ErrorKind, Read, Write};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The largest message: a configuration of thousands of resources is far below it.
const MESSAGE_MAX: usize = 16 * 1024 * 1024;

/// Sends one message.
pub(super) fn send(stream: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    stream.write_all(&frame(message)?)
}

/// Receives one message; `None` where the other side has ended.
pub(super) fn receive<T: DeserializeOwned>(stream: &mut impl Read) -> io::Result<Option<T>> {
    let mut head = [0; 5];
    match stream.read_exact(&mut head) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    let mut payload = vec![0; payload_length(head)?];
    stream.read_exact(&mut payload)?;
    Ok(Some(serde_json::from_slice(&payload)?))
}

/// Sends one message.
pub(super) async fn send_async(
    stream: &mut (impl AsyncWrite + Unpin),
    message: &impl Serialize,
) -> io::Result<()> {
    stream.write_all(&frame(message)?).await
}

/// Receives one message; `None` where the other side has ended.
pub(super) async fn receive_async<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<Option<T>> {
    let mut head = [0; 5];
    match stream.read_exact(&mut head).await {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    };
    let mut payload = vec![0; payload_length(head)?];
    stream.read_exact(&mut payload).await?;
    Ok(Some(serde_json::from_slice(&payload)?))
}

fn frame(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut frame = vec![0, 0, 0, 0, KIND_JSON];
    serde_json::to_writer(&mut frame, message)?;
    let length = u32::try_from(frame.len() - 4).map_err(|_| io::Error::other("the message is too large"))?;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}

fn payload_length(head: [u8; 5]) -> io::Result<usize> {
    let [a, b, c, d, kind] = head;
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if kind != KIND_JSON || !(1..=MESSAGE_MAX).contains(&length) {
        return Err(io::Error::new(ErrorKind::InvalidData, "not a message of this protocol"));
    }
    Ok(length - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_api::control::Request;

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let mut stream = Vec::new();
        send(&mut stream, &Request::Status).expect("a vector takes everything");
        send(&mut stream, &Request::Leave).expect("a vector takes everything");
        let mut reader = stream.as_slice();
        assert_eq!(receive(&mut reader).expect("it is whole"), Some(Request::Status));
        assert_eq!(receive(&mut reader).expect("it is whole"), Some(Request::Leave));
        assert_eq!(receive::<Request>(&mut reader).expect("it ends"), None);
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_anything_is_allocated() {
        assert!(receive::<Request>(&mut [0xff, 0xff, 0xff, 0xff, 1].as_slice()).is_err());
        assert!(receive::<Request>(&mut [0, 0, 0, 0, 1].as_slice()).is_err());
        assert!(receive::<Request>(&mut b"GET / HTTP/1.1\r\n".as_slice()).is_err());
    }
}
