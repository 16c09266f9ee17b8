//! Spoils bytes: the engine of the fuzzer. From valid examples it makes what is almost valid, which gets further into a parser
//! than noise does.

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
    b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
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
/// How long an input may get.
const LENGTH_MAX: usize = 64 * 1024;

/// Makes new inputs from examples.
#[derive(Debug)]
pub struct Mutator {
    random: Random,
    corpus: Vec<Vec<u8>>,
}

impl Mutator {
    /// An engine over these examples; without any it begins with nothing.
    pub fn new(seed: u64, mut corpus: Vec<Vec<u8>>) -> Self {
        if corpus.is_empty() {
            corpus.push(Vec::new());
        }
        Self { random: Random::new(seed), corpus }
    }

    /// One more input.
    pub fn spoil(&mut self) -> Vec<u8> {
        let mut bytes = self.example();
        for _ in 0..=self.random.below(6) {
            self.change(&mut bytes);
        }
        bytes.truncate(LENGTH_MAX);
        bytes
    }

    /// One of the examples as it is.
    pub fn example(&mut self) -> Vec<u8> {
        self.random.pick(&self.corpus).cloned().unwrap_or_default()
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.random.index(bytes.len() + 1);
        let length = self.random.index(16.min(bytes.len() - at) + 1);
        match self.random.below(9) {
            0 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << self.random.below(8);
                }
            }
            1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = self.random.bytes(1)[0];
                }
            }
            2 => drop(bytes.drain(at..at + length)),
            3 => bytes.truncate(at),
            4 => {
                let piece = self.random.pick(PIECES).copied().unwrap_or_default();
                bytes.splice(at..at, piece.iter().copied());
            }
            5 => {
                let again = bytes[at..at + length].to_vec();
                let times = 1 + self.random.index(40);
                bytes.splice(at..at, again.repeat(times));
            }
            6 => {
                let other = self.example();
                let from = self.random.index(other.len() + 1);
                let to = from + self.random.index(other.len() - from + 1);
                bytes.splice(at..at + length, other[from..to].iter().copied());
            }
            7 => self.change_number(bytes, at),
            _ => swap_lines(bytes, &mut self.random),
        }
    }

    fn change_number(&mut self, bytes: &mut Vec<u8>, at: usize) {
        let Some(from) = (at..bytes.len()).find(|index| bytes[*index].is_ascii_digit()) else { return };
        let to = (from..bytes.len()).find(|index| !bytes[*index].is_ascii_digit()).unwrap_or(bytes.len());
        let edge = self.random.pick(EDGES).copied().unwrap_or_default();
        bytes.splice(from..to, edge.iter().copied());
    }
}

/// Two lines change places: what belongs inside is outside then.
fn swap_lines(bytes: &mut Vec<u8>, random: &mut Random) {
    let mut lines: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let (one, other) = (random.index(lines.len()), random.index(lines.len()));
    lines.swap(one, other);
    *bytes = lines.join(&b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_spoils_in_the_same_way() {
        let made = |seed| {
            let mut mutator = Mutator::new(seed, vec![b"token: 1000\n".to_vec()]);
            (0..100).map(|_| mutator.spoil()).collect::<Vec<_>>()
        };
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
    }
}
