//! Chance: the system's, and Python's Mersenne Twister, so that `random(seed=inventory_hostname)` picks the minute
//! that Ansible picked. (M. Matsumoto, T. Nishimura: Mersenne Twister, ACM TOMACS 8(1), 1998: MT19937.)

use minijinja::Value;
use sha2::{Digest, Sha512};

const WORDS: usize = 624;

/// A source of numbers.
pub(super) trait Chance {
    /// The top `bits` (1 to 64) of the next random words.
    fn bits(&mut self, bits: u32) -> u64;

    /// A number below `limit`, which is at least 1; all are equally likely.
    fn below(&mut self, limit: u64) -> u64 {
        let bits = u64::BITS - limit.leading_zeros();
        loop {
            let number = self.bits(bits);
            if number < limit {
                return number;
            }
        }
    }
}

/// The operating system's source.
pub(super) struct System;

impl Chance for System {
    fn bits(&mut self, bits: u32) -> u64 {
        // Without a source of chance there is nothing to be done; 0 would be a lie that nobody sees.
        let word = getrandom::u64().expect("the kernel gives random bytes");
        word >> (u64::BITS - bits)
    }
}

/// The generator behind Python's `random.Random(seed)`.
pub(super) struct Twister {
    state: [u32; WORDS],
    next: usize,
}

impl Twister {
    /// Python's way from a seed to the generator's state: text is lengthened by its SHA-512.
    pub(super) fn seeded(seed: &Value) -> Self {
        let bytes = match seed.as_i64().filter(|_| seed.is_integer()) {
            Some(number) => number.unsigned_abs().to_be_bytes().to_vec(),
            None => {
                let text = crate::template::python::text(seed);
                [text.as_bytes(), &Sha512::digest(text.as_bytes())].concat()
            }
        };
        let mut words: Vec<u32> = bytes.rchunks(4).map(big_endian).collect();
        while words.len() > 1 && words.last() == Some(&0) {
            words.pop();
        }
        Self::from_words(&words)
    }

    fn from_words(key: &[u32]) -> Self {
        let mut state = first_state(19_650_218);
        let mut i = 1;
        for j in 0..WORDS.max(key.len()) {
            let word = key[j % key.len()].wrapping_add((j % key.len()) as u32);
            state[i] = (state[i] ^ mixed(state[i - 1]).wrapping_mul(1_664_525)).wrapping_add(word);
            i = advance(&mut state, i);
        }
        for _ in 1..WORDS {
            state[i] = (state[i] ^ mixed(state[i - 1]).wrapping_mul(1_566_083_941)).wrapping_sub(i as u32);
            i = advance(&mut state, i);
        }
        state[0] = 0x8000_0000;
        Self { state, next: WORDS }
    }

    fn word(&mut self) -> u32 {
        if self.next == WORDS {
            self.turn();
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    fn turn(&mut self) {
        for i in 0..WORDS {
            let joined = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % WORDS] & 0x7fff_ffff);
            let odd = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + 397) % WORDS] ^ (joined >> 1) ^ odd;
        }
        self.next = 0;
    }
}

impl Chance for Twister {
    fn bits(&mut self, bits: u32) -> u64 {
        if bits <= 32 {
            return u64::from(self.word() >> (32 - bits));
        }
        // As Python does: the low word first.
        let low = u64::from(self.word());
        low | (u64::from(self.word() >> (64 - bits)) << 32)
    }
}

fn first_state(seed: u32) -> [u32; WORDS] {
    let mut state = [seed; WORDS];
    for i in 1..WORDS {
        state[i] = 1_812_433_253u32.wrapping_mul(mixed(state[i - 1])).wrapping_add(i as u32);
    }
    state
}

fn mixed(word: u32) -> u32 {
    word ^ (word >> 30)
}

fn advance(state: &mut [u32; WORDS], i: usize) -> usize {
    if i + 1 < WORDS {
        return i + 1;
    }
    state[0] = state[WORDS - 1];
    1
}

fn big_endian(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |word, byte| (word << 8) | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_seed_gives_what_python_gives() {
        // random.Random('web1'): randrange(60) three times.
        let mut twister = Twister::seeded(&Value::from("web1"));
        assert_eq!([twister.below(60), twister.below(60), twister.below(60)], PYTHON);
    }

    const PYTHON: [u64; 3] = [52, 20, 16];
}
