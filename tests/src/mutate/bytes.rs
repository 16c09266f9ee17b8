//! Changes that know nothing of what the bytes mean.

use crate::random::Random;

/// Numbers at which parsers break.
const EDGES: &[&[u8]] = &[
    b"0",
    b"-1",
    b"255",
    b"256",
    b"65535",
    b"65536",
    b"4294967295",
    b"4294967296",
    b"9223372036854775807",
    b"18446744073709551615",
    b"18446744073709551616",
    b"-9223372036854775808",
    b"1e999",
    b"0x",
    b"NaN",
];
/// What no parser likes.
const PIECES: &[&[u8]] = &[
    b"\0",
    b"\xff\xff\xff\xff",
    // The largest numbers of 32 and of 64 bits, as postcard writes them, and one that never ends.
    b"\xff\xff\xff\xff\x0f",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b"\"",
    b"'",
    b"{",
    b"}",
    b"[",
    b"]",
    b"{{",
    b"}}",
    b"{%",
    b"<",
    b">",
    b"/>",
    b"&",
    b"&amp;",
    b"!vault",
    b"*a",
    b"&a",
    b"- ",
    b": ",
    b"#",
    b"\\",
    b"\xc3\x28",
    b"\xe2\x80\xae",
    b"\xf0\x9f\x92\xa9",
    b"[1:99999999]",
    b"%",
    b"$(",
    b"|",
];

/// One change; `other` gives pieces.
pub(super) fn change(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.index(bytes.len() + 1);
    let length = random.index(16.min(bytes.len() - at) + 1);
    match random.below(9) {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.bytes(1)[0];
            }
        }
        2 => drop(bytes.drain(at..at + length)),
        3 => bytes.truncate(at),
        4 => {
            let piece = random.pick(PIECES).copied().unwrap_or_default();
            bytes.splice(at..at, piece.iter().copied());
        }
        5 => {
            let again = bytes[at..at + length].to_vec();
            let times = 1 + random.index(40);
            bytes.splice(at..at, again.repeat(times));
        }
        6 => {
            let from = random.index(other.len() + 1);
            let to = from + random.index(other.len() - from + 1);
            bytes.splice(at..at + length, other[from..to].iter().copied());
        }
        7 => change_number(bytes, at, random),
        _ => swap_lines(bytes, random),
    }
}

/// A number at which parsers break.
pub(super) fn edge(random: &mut Random) -> &'static [u8] {
    random.pick(EDGES).copied().unwrap_or_default()
}

fn change_number(bytes: &mut Vec<u8>, at: usize, random: &mut Random) {
    let Some(from) = (at..bytes.len()).find(|index| bytes[*index].is_ascii_digit()) else { return };
    let to = (from..bytes.len()).find(|index| !bytes[*index].is_ascii_digit()).unwrap_or(bytes.len());
    bytes.splice(from..to, edge(random).iter().copied());
}

/// Two lines change places: what belongs inside is outside then.
fn swap_lines(bytes: &mut Vec<u8>, random: &mut Random) {
    let mut lines: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let (one, other) = (random.index(lines.len()), random.index(lines.len()));
    lines.swap(one, other);
    *bytes = lines.join(&b'\n');
}
