//! Text in other encodings than UTF-8: those of one byte a character that files of older programs are in. And bytes that
//! are no text at all, which pass through templates unharmed.

/// The characters of windows-1252 from 0x80 to 0x9f; five bytes have none.
const WINDOWS_1252: [Option<char>; 32] = [
    Some('€'),
    None,
    Some('‚'),
    Some('ƒ'),
    Some('„'),
    Some('…'),
    Some('†'),
    Some('‡'),
    Some('ˆ'),
    Some('‰'),
    Some('Š'),
    Some('‹'),
    Some('Œ'),
    None,
    Some('Ž'),
    None,
    None,
    Some('‘'),
    Some('’'),
    Some('“'),
    Some('”'),
    Some('•'),
    Some('–'),
    Some('—'),
    Some('˜'),
    Some('™'),
    Some('š'),
    Some('›'),
    Some('œ'),
    None,
    Some('ž'),
    Some('Ÿ'),
];
/// Where ISO 8859-15 differs from ISO 8859-1.
const LATIN_9: [(u8, char); 8] =
    [(0xa4, '€'), (0xa6, 'Š'), (0xa8, 'š'), (0xb4, 'Ž'), (0xb8, 'ž'), (0xbc, 'Œ'), (0xbd, 'œ'), (0xbe, 'Ÿ')];

/// An encoding of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    Ascii,
    /// ISO 8859-1
    Latin1,
    /// ISO 8859-15
    Latin9,
    Windows1252,
}

impl Encoding {
    /// By one of the names that Python has for it; an empty name is UTF-8.
    ///
    /// # Errors
    ///
    /// A sentence: there is no such encoding here.
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        let plain = name.to_ascii_lowercase().replace(['_', ' '], "-");
        Ok(match plain.as_str() {
            "" | "utf-8" | "utf8" | "u8" => Self::Utf8,
            "ascii" | "us-ascii" | "646" => Self::Ascii,
            "latin-1" | "latin1" | "l1" | "iso-8859-1" | "iso8859-1" | "8859" | "cp819" => Self::Latin1,
            "latin-9" | "latin9" | "l9" | "iso-8859-15" | "iso8859-15" => Self::Latin9,
            "windows-1252" | "cp1252" | "1252" => Self::Windows1252,
            _ => {
                return Err(format!(
                    "the encoding `{name}` is not supported: there are utf-8, ascii, iso-8859-1, iso-8859-15, windows-1252"
                ));
            }
        })
    }

    /// The bytes of a text.
    ///
    /// # Errors
    ///
    /// A sentence: a character that the encoding does not have.
    pub(crate) fn encode(self, text: &str) -> Result<Vec<u8>, String> {
        if self == Self::Utf8 {
            return Ok(bytes_of_text(text));
        }
        let missing = |c: char| format!("the encoding {self:?} has no `{c}`");
        text.chars().map(|c| self.byte(c).ok_or_else(|| missing(c))).collect()
    }

    /// The text of bytes.
    ///
    /// # Errors
    ///
    /// A sentence: a byte that is none of the encoding's.
    pub(crate) fn decode(self, bytes: Vec<u8>) -> Result<String, String> {
        if self == Self::Utf8 {
            return String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned());
        }
        let wrong = |byte: u8| format!("the byte {byte:#04x} is none of the encoding {self:?}");
        bytes.into_iter().map(|byte| self.char(byte).ok_or_else(|| wrong(byte))).collect()
    }

    fn byte(self, c: char) -> Option<u8> {
        (0..=u8::MAX).find(|byte| self.char(*byte) == Some(c))
    }

    fn char(self, byte: u8) -> Option<char> {
        match (self, byte) {
            (_, 0..=0x7f) => Some(char::from(byte)),
            (Self::Utf8 | Self::Ascii, _) => None,
            (Self::Windows1252, 0x80..=0x9f) => WINDOWS_1252[usize::from(byte - 0x80)],
            (Self::Latin9, _) => {
                let own = LATIN_9.iter().find(|(known, _)| *known == byte).map(|(_, c)| *c);
                Some(own.unwrap_or(char::from(byte)))
            }
            (Self::Latin1 | Self::Windows1252, _) => Some(char::from(byte)),
        }
    }
}

/// A byte that is no part of any text stands in one as a character that nobody uses: the end of the last private plane.
/// Python has surrogates for that, which no Rust text can hold.
const ESCAPED: u32 = 0x0010_fe00;

/// The text of bytes; those that are no UTF-8 come back by `bytes_of_text`. So what `b64decode` gives can be written as a
/// file, whatever it is.
pub(crate) fn text_of_bytes(bytes: &[u8]) -> String {
    let escaped =
        |byte: &u8| char::from_u32(ESCAPED + u32::from(*byte)).unwrap_or(char::REPLACEMENT_CHARACTER);
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(escaped));
    }
    text
}

/// The bytes that a text stands for.
pub(crate) fn bytes_of_text(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match u32::from(c).checked_sub(ESCAPED).map(u8::try_from) {
            Some(Ok(byte @ 0x80..)) => bytes.push(byte),
            _ => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_come_through_one() {
        let bytes = b"\x7fELF\xff\xc3 \xc3\xa9\x80";
        let text = text_of_bytes(bytes);
        assert!(text.starts_with("\x7fELF") && text.contains(" é"), "{text}");
        assert_eq!(bytes_of_text(&text), bytes);
        assert_eq!(bytes_of_text("10 €, é"), "10 €, é".as_bytes());
    }

    #[test]
    fn text_goes_there_and_back_and_what_an_encoding_lacks_is_named() {
        for name in ["", "ISO8859-15", "cp1252"] {
            let encoding = Encoding::named(name).expect("known");
            let bytes = encoding.encode("10 €, é").expect("it has both");
            assert_eq!(encoding.decode(bytes), Ok("10 €, é".to_owned()));
        }
        assert_eq!(Encoding::Windows1252.encode("€é"), Ok(vec![0x80, 0xe9]));
        assert!(Encoding::Latin1.encode("€").expect_err("it has none").contains('€'));
        assert!(Encoding::named("klingon").is_err());
    }
}
