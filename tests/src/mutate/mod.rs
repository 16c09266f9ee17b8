//! Spoils input: the engine of the fuzzer. From valid examples it makes what is almost valid, which gets further into a parser
//! than noise does. Half of the changes know the shape of the example ([`blocks`], [`json`], [`xml`]): what they make has
//! the right brackets and the wrong content. The others ([`bytes`]) know nothing.

mod blocks;
mod bytes;
mod json;
mod xml;

use crate::random::Random;

/// How long an input may get.
const LENGTH_MAX: usize = 64 * 1024;

/// What an example is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Bytes of which nothing is known.
    Bytes,
    /// One JSON value.
    Json,
    /// Elements with attributes.
    Xml,
    /// Lines, of which those with a deeper indent belong to the one before, and blocks in braces.
    Blocks,
}

/// A valid input, or one that was made from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// What it is made of.
    pub shape: Shape,
    /// What its file is called after the last dot; a program tells formats apart by it.
    pub extension: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl Example {
    /// The content of a file of that extension.
    pub fn new(extension: &str, bytes: Vec<u8>) -> Self {
        let shape = match extension {
            "json" => Shape::Json,
            "xml" => Shape::Xml,
            "yml" | "yaml" | "conf" | "ini" | "toml" | "txt" => Shape::Blocks,
            _ => Shape::Bytes,
        };
        Self { shape, extension: extension.into(), bytes }
    }
}

/// Makes new inputs from examples.
#[derive(Debug)]
pub struct Mutator {
    random: Random,
    corpus: Vec<Example>,
}

impl Mutator {
    /// An engine over these examples; without any it begins with nothing.
    pub fn new(seed: u64, mut corpus: Vec<Example>) -> Self {
        if corpus.is_empty() {
            corpus.push(Example::new("", Vec::new()));
        }
        Self { random: Random::new(seed), corpus }
    }

    /// One more input.
    pub fn spoil(&mut self) -> Example {
        let mut spoilt = self.random.pick(&self.corpus).expect("there is at least one example").clone();
        for _ in 0..=self.random.below(6) {
            self.change(&mut spoilt);
        }
        spoilt.bytes.truncate(LENGTH_MAX);
        spoilt
    }

    fn change(&mut self, spoilt: &mut Example) {
        let like =
            |example: &&Example| example.shape == spoilt.shape && example.extension == spoilt.extension;
        let alike: Vec<&Example> = self.corpus.iter().filter(like).collect();
        let other = self.random.pick(&alike).map(|example| example.bytes.clone()).unwrap_or_default();
        let random = &mut self.random;
        let changed = match spoilt.shape {
            _ if random.chance(400) => None,
            Shape::Bytes => None,
            Shape::Json => json::change(&spoilt.bytes, &other, random),
            Shape::Xml => xml::change(&spoilt.bytes, &other, random),
            Shape::Blocks => blocks::change(&spoilt.bytes, &other, random),
        };
        match changed {
            Some(bytes) => spoilt.bytes = bytes,
            None => bytes::change(&mut spoilt.bytes, &other, random),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_spoils_in_the_same_way() {
        let made = |seed| {
            let mut mutator = Mutator::new(seed, vec![Example::new("conf", b"token: 1000\n".to_vec())]);
            (0..100).map(|_| mutator.spoil()).collect::<Vec<_>>()
        };
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
    }

    #[test]
    fn examples_of_one_format_are_not_mixed_with_those_of_another() {
        let corpus = vec![Example::new("xml", b"<a/>".to_vec()), Example::new("json", b"[7]".to_vec())];
        let mut mutator = Mutator::new(3, corpus);
        let made: Vec<Example> = (0..200).map(|_| mutator.spoil()).collect();
        assert!(made.iter().all(|made| (made.extension == "xml") == (made.shape == Shape::Xml)));
    }
}
