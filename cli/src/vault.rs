//! Ansible's vault format, versions 1.1 and 1.2: text encrypted with a password, in files and behind `!vault`.
//!
//! The envelope is a header line `$ANSIBLE_VAULT;VERSION;AES256[;ID]`, then lines of hexadecimal that hold, again
//! in hexadecimal and one a line, salt, HMAC-SHA256 and ciphertext. Keys come from PBKDF2-HMAC-SHA256; the cipher
//! is AES-256 in counter mode over PKCS#7 padded text.

use crate::error::Diagnostic;
use crate::exit::Exit;
use crate::source::Span;
use aes::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// Part of the format.
const ROUNDS: u32 = 10_000;
const HEADER: &str = "$ANSIBLE_VAULT";
/// Long hexadecimal text is cut into lines of this length.
const LINE_LENGTH: usize = 80;
const BLOCK: usize = 16;

/// A text that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// Hides a text.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for those who must have it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Vault passwords, each with its ID.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keyring {
    keys: Vec<(String, Secret)>,
    /// A password opens only what names its ID (`vault_id_match`).
    matches_ids: bool,
}

/// Why something could not be decrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("it is encrypted and no vault password was given")]
    NoPassword,
    #[error("none of the given vault passwords opens it (tried {})", list(.0))]
    WrongPassword(Vec<String>),
    #[error("its vault header is not understood: `{0}`")]
    Header(String),
    #[error("its vault text is damaged")]
    Damaged,
    #[error("its vault text is damaged: Vault format unhexlify error: {0}")]
    NotHex(&'static str),
    #[error("it is not text in UTF-8")]
    NotText,
}

impl Problem {
    /// As a mistake at a place; `what` is what could not be read.
    pub(crate) fn at(&self, what: &str, span: &Span) -> Diagnostic {
        let hint = match self {
            Self::NoPassword => Some("give one with `--vault-password-file FILE` or `--ask-vault-pass`"),
            Self::WrongPassword(_) => Some("check the vault password and its ID"),
            Self::Header(_) => Some("expected `$ANSIBLE_VAULT;1.1;AES256` or `$ANSIBLE_VAULT;1.2;AES256;ID`"),
            Self::Damaged | Self::NotHex(_) | Self::NotText => None,
        };
        let mistake = Diagnostic::error(format!("could not decrypt {what}")).at(span, "").cause(self);
        let mistake = mistake.maybe_hint(hint.map(str::to_owned)).exits_with(Exit::Unexpected);
        match self.sentence() {
            Some(sentence) => mistake.known_as(sentence),
            None => mistake,
        }
    }

    /// What Ansible says, which scripts look for.
    pub(crate) fn sentence(&self) -> Option<&'static str> {
        match self {
            Self::NoPassword => Some("Attempting to decrypt but no vault secrets found."),
            Self::WrongPassword(_) => {
                Some("Decryption failed (no vault secrets were found that could decrypt).")
            }
            _ => None,
        }
    }
}

fn list(ids: &[String]) -> String {
    ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
}

/// Whether a text is an encrypted one.
pub(crate) fn is_vault(text: &str) -> bool {
    text.trim_start().starts_with(HEADER)
}

impl Keyring {
    /// Adds a password; `default` is the ID of those that were given without one.
    pub(crate) fn add(&mut self, id: impl Into<String>, password: Secret) {
        self.keys.push((id.into(), password));
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether a password opens only what names its ID.
    pub(crate) fn matching_ids(mut self, matches: bool) -> Self {
        self.matches_ids = matches;
        self
    }

    /// The IDs, in the order in which they were given.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|(id, _)| id.as_str())
    }

    /// The password that opens a text.
    pub(crate) fn opener(&self, text: &str) -> Option<&Secret> {
        let envelope = Envelope::read(text).ok()?;
        self.keys.iter().map(|(_, password)| password).find(|password| envelope.open(password).is_some())
    }

    /// The password with that ID, or the first one.
    pub(crate) fn password(&self, id: Option<&str>) -> Option<&Secret> {
        let wanted = |(known, _): &&(String, Secret)| id.is_none_or(|id| id == known);
        self.keys.iter().find(wanted).map(|(_, password)| password)
    }

    /// What an encrypted text says.
    ///
    /// # Errors
    ///
    /// Where no password fits, and where the text is no vault text or not encrypted text.
    pub(crate) fn decrypt(&self, text: &str) -> Result<Secret, Problem> {
        let bytes = self.decrypt_bytes(text)?;
        String::from_utf8(bytes).map(Secret).map_err(|_| Problem::NotText)
    }

    /// The same for any content. The password whose ID the text names is tried first, then all others.
    pub(crate) fn decrypt_bytes(&self, text: &str) -> Result<Vec<u8>, Problem> {
        let envelope = Envelope::read(text)?;
        if self.keys.is_empty() {
            return Err(Problem::NoPassword);
        }
        let wanted = envelope.id.as_deref().unwrap_or("default");
        let mut keys: Vec<&(String, Secret)> =
            self.keys.iter().filter(|(id, _)| !self.matches_ids || id == wanted).collect();
        keys.sort_by_key(|(id, _)| Some(id.as_str()) != envelope.id.as_deref());
        let opened = keys.iter().find_map(|(_, password)| envelope.open(password));
        opened.unwrap_or_else(|| Err(Problem::WrongPassword(keys.iter().map(|(id, _)| id.clone()).collect())))
    }
}

/// Encrypts a content; with an ID in format 1.2, otherwise in 1.1.
///
/// # Errors
///
/// Where the system has no random numbers.
pub(crate) fn encrypt(
    content: &[u8],
    password: &Secret,
    id: Option<&str>,
) -> Result<String, getrandom::Error> {
    let mut salt = [0; 32];
    getrandom::fill(&mut salt)?;
    Ok(seal(content, password, id, &salt))
}

/// The same with a salt that is given, so that the same content gives the same text.
pub(crate) fn encrypt_with_salt(content: &[u8], password: &Secret, id: Option<&str>, salt: &[u8]) -> String {
    seal(content, password, id, salt)
}

fn seal(content: &[u8], password: &Secret, id: Option<&str>, salt: &[u8]) -> String {
    let keys = Keys::derive(password, salt);
    let padding = BLOCK - content.len() % BLOCK;
    let mut body = content.to_vec();
    // The padding is 1 to 16 bytes, so its length fits one.
    body.extend(std::iter::repeat_n(padding as u8, padding));
    keys.apply_cipher(&mut body);
    let parts = [to_hex(salt), to_hex(&keys.authenticate(&body).finalize().into_bytes()), to_hex(&body)];
    let envelope = to_hex(parts.join("\n").as_bytes());
    let header = match id {
        Some(id) => format!("{HEADER};1.2;AES256;{id}"),
        None => format!("{HEADER};1.1;AES256"),
    };
    let mut text = header;
    for line in envelope.as_bytes().chunks(LINE_LENGTH) {
        text.push('\n');
        text.extend(line.iter().map(|byte| char::from(*byte)));
    }
    text + "\n"
}

struct Envelope {
    id: Option<String>,
    salt: Vec<u8>,
    mac: Vec<u8>,
    ciphertext: Vec<u8>,
}

impl Envelope {
    fn read(text: &str) -> Result<Self, Problem> {
        let mut lines = text.trim().lines().map(str::trim);
        let header = lines.next().unwrap_or_default();
        let fields: Vec<&str> = header.split(';').map(str::trim).collect();
        let id = match fields.as_slice() {
            [HEADER, "1.1", "AES256"] => None,
            [HEADER, "1.2", "AES256", id] => Some((*id).to_owned()),
            _ => return Err(Problem::Header(header.chars().take(60).collect())),
        };
        let parts = String::from_utf8(from_hex(&lines.collect::<String>())?).map_err(|_| Problem::Damaged)?;
        let decoded: Vec<Vec<u8>> = parts.split('\n').map(from_hex).collect::<Result<_, _>>()?;
        match <[Vec<u8>; 3]>::try_from(decoded).ok() {
            Some([salt, mac, ciphertext]) => Ok(Self { id, salt, mac, ciphertext }),
            None => Err(Problem::Damaged),
        }
    }

    /// None where the password does not fit.
    fn open(&self, password: &Secret) -> Option<Result<Vec<u8>, Problem>> {
        let keys = Keys::derive(password, &self.salt);
        keys.authenticate(&self.ciphertext).verify_slice(&self.mac).ok()?;
        let mut content = self.ciphertext.clone();
        keys.apply_cipher(&mut content);
        Some(without_padding(content).ok_or(Problem::Damaged))
    }
}

struct Keys {
    cipher: [u8; 32],
    mac: [u8; 32],
    counter: [u8; BLOCK],
}

impl Keys {
    fn derive(password: &Secret, salt: &[u8]) -> Self {
        let mut material = [0; 80];
        pbkdf2::pbkdf2_hmac::<Sha256>(password.expose().as_bytes(), salt, ROUNDS, &mut material);
        let mut keys = Self { cipher: [0; 32], mac: [0; 32], counter: [0; BLOCK] };
        keys.cipher.copy_from_slice(&material[..32]);
        keys.mac.copy_from_slice(&material[32..64]);
        keys.counter.copy_from_slice(&material[64..]);
        keys
    }

    fn apply_cipher(&self, content: &mut [u8]) {
        ctr::Ctr128BE::<aes::Aes256>::new(&self.cipher.into(), &self.counter.into()).apply_keystream(content);
    }

    fn authenticate(&self, ciphertext: &[u8]) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.mac);
        let mut mac = mac.expect("HMAC takes keys of any length");
        mac.update(ciphertext);
        mac
    }
}

fn without_padding(mut content: Vec<u8>) -> Option<Vec<u8>> {
    let padding = usize::from(*content.last()?);
    let end = content.len().checked_sub(padding).filter(|_| (1..=BLOCK).contains(&padding))?;
    content.truncate(end);
    Some(content)
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Result<Vec<u8>, Problem> {
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let not_hex = Problem::NotHex("Non-hexadecimal digit found");
    if !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(not_hex);
    }
    if !text.len().is_multiple_of(2) {
        return Err(Problem::NotHex("Odd-length string"));
    }
    let byte = |pair: &[u8]| Some((nibble(pair[0])? * 16 + nibble(pair[1])?) as u8);
    text.as_bytes().chunks(2).map(byte).collect::<Option<_>>().ok_or(not_hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with OpenSSL's `aes-256-ctr` and Python's `hashlib`, not with the code above.
    const FLOATING_IP: &str = "\
        $ANSIBLE_VAULT;1.1;AES256\n\
        30303031303230333034303530363037303830393061306230633064306530663130313131323133\n\
        3134313531363137313831393161316231633164316531660a636664623839623434616366333639\n\
        32643532373338653931306239366665656631306132383139326636323630383737393932636161\n\
        3939333431316162350a616466663761363961613635613733393166396435333762663939383234\n\
        36653664303663646261396662396631346364393435396130646238646437356661\n";
    const PROD: &str = "\
        $ANSIBLE_VAULT;1.2;AES256;prod\n\
        30303031303230333034303530363037303830393061306230633064306530663130313131323133\n\
        3134313531363137313831393161316231633164316531660a353935386533366363656639323037\n\
        36313161643939646664646435313333643235313034303666663038353436333333383536666132\n\
        3431663864623735390a306630343663303163313939303131666564306638616166363737666164\n\
        3634\n";

    fn keyring(keys: &[(&str, &str)]) -> Keyring {
        let mut keyring = Keyring::default();
        for (id, password) in keys {
            keyring.add(*id, Secret::new(*password));
        }
        keyring
    }

    #[test]
    fn text_that_another_program_encrypted_is_decrypted() {
        let secret = keyring(&[("default", "correct horse")]).decrypt(FLOATING_IP).unwrap();
        assert_eq!(secret.expose(), "floating_ip: 192.0.2.10\n");
    }

    #[test]
    fn every_password_is_tried_whatever_its_id() {
        let secret = keyring(&[("dev", "first"), ("test", "second")]).decrypt(PROD).unwrap();
        assert_eq!(secret.expose(), "x");
    }

    #[test]
    fn a_password_of_another_id_opens_nothing_where_ids_must_match() {
        let strict = keyring(&[("dev", "second")]).matching_ids(true);
        assert!(matches!(strict.decrypt(PROD), Err(Problem::WrongPassword(_))));
        let named = keyring(&[("prod", "second")]).matching_ids(true);
        assert_eq!(named.decrypt(PROD).unwrap().expose(), "x");
    }

    #[test]
    fn a_wrong_password_is_told_apart_from_a_missing_one() {
        let wrong = keyring(&[("dev", "first")]).decrypt(PROD).unwrap_err();
        assert_eq!(wrong.to_string(), "none of the given vault passwords opens it (tried `dev`)");
        let missing = Keyring::default().decrypt(PROD).unwrap_err();
        assert_eq!(missing, Problem::NoPassword);
    }

    #[test]
    fn a_damaged_text_is_damaged_and_not_a_wrong_password() {
        let keyring = keyring(&[("default", "second")]);
        let odd = &PROD[..PROD.len() - 2];
        assert_eq!(keyring.decrypt(odd).unwrap_err(), Problem::NotHex("Odd-length string"));
        let letters = PROD.replace("3634\n", "36zz\n");
        assert_eq!(keyring.decrypt(&letters).unwrap_err(), Problem::NotHex("Non-hexadecimal digit found"));
        let other = PROD.replace("1.2", "1.3");
        assert_eq!(
            keyring.decrypt(&other).unwrap_err(),
            Problem::Header("$ANSIBLE_VAULT;1.3;AES256;prod".into())
        );
    }

    #[test]
    fn what_was_encrypted_is_decrypted_at_every_length_around_a_block() {
        let password = Secret::new("p");
        for length in [0, 1, 15, 16, 17] {
            let content = vec![b'a'; length];
            let text = seal(&content, &password, Some("prod"), &[7; 32]);
            assert_eq!(keyring(&[("prod", "p")]).decrypt_bytes(&text).unwrap(), content);
        }
    }

    #[test]
    fn secrets_print_as_stars() {
        let keyring = keyring(&[("default", "correct horse")]);
        assert_eq!(format!("{keyring:?}"), r#"Keyring { keys: [("default", ***)], matches_ids: false }"#);
        assert_eq!(Secret::new("x").to_string(), "***");
    }
}
