//! Base64, hashes, password hashes and UUIDs.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use md5::Md5;
use minijinja::{Error, State, Value};
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::Table;
use crate::encoding::{bytes_of_text, text_of_bytes};
use crate::template::args::Args;
use crate::template::python;
use crate::vault::{Keyring, Secret};

mod crypt;

pub(super) const TABLE: Table = &[
    ("b64decode", b64decode),
    ("b64encode", b64encode),
    ("checksum", sha1),
    ("hash", hash),
    ("md5", md5),
    ("password_hash", password_hash),
    ("sha1", sha1),
    ("to_uuid", to_uuid),
    ("unvault", unvault),
    ("vault", vault),
];

/// How text and bytes belong together.
#[derive(Clone, Copy)]
enum Encoding {
    Utf8,
    Utf16 { is_little: bool, has_mark: bool },
    Latin1,
    Ascii,
}

impl Encoding {
    fn parse(name: &str) -> Option<Self> {
        Some(match name.to_lowercase().replace('_', "-").as_str() {
            "utf-8" | "utf8" => Self::Utf8,
            "utf-16" | "utf16" => Self::Utf16 { is_little: true, has_mark: true },
            "utf-16-le" | "utf-16le" => Self::Utf16 { is_little: true, has_mark: false },
            "utf-16-be" | "utf-16be" => Self::Utf16 { is_little: false, has_mark: false },
            "latin-1" | "latin1" | "iso-8859-1" => Self::Latin1,
            "ascii" | "us-ascii" => Self::Ascii,
            _ => return None,
        })
    }

    fn encode(self, text: &str) -> Option<Vec<u8>> {
        let word =
            |is_little: bool, word: u16| if is_little { word.to_le_bytes() } else { word.to_be_bytes() };
        Some(match self {
            Self::Utf8 => bytes_of_text(text),
            Self::Utf16 { is_little, has_mark } => {
                let mark = has_mark.then_some(0xfeff);
                mark.into_iter().chain(text.encode_utf16()).flat_map(|unit| word(is_little, unit)).collect()
            }
            Self::Latin1 => text.chars().map(|c| u8::try_from(c as u32).ok()).collect::<Option<_>>()?,
            Self::Ascii => text.is_ascii().then(|| text.as_bytes().to_vec())?,
        })
    }

    fn decode(self, bytes: &[u8]) -> Option<String> {
        match self {
            // Bytes that are no text can still be written into a file, or encoded again.
            Self::Utf8 => Some(text_of_bytes(bytes)),
            Self::Utf16 { is_little, .. } => {
                let word = |pair: &[u8]| match is_little {
                    true => u16::from_le_bytes([pair[0], pair[1]]),
                    false => u16::from_be_bytes([pair[0], pair[1]]),
                };
                let (pairs, rest) = bytes.as_chunks::<2>();
                let units: Vec<u16> = pairs.iter().map(|pair| word(pair)).collect();
                let text = String::from_utf16(&units).ok().filter(|_| rest.is_empty())?;
                Some(text.trim_start_matches('\u{feff}').to_owned())
            }
            Self::Latin1 => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
            Self::Ascii => bytes.is_ascii().then(|| String::from_utf8(bytes.to_vec()).ok())?,
        }
    }
}

fn encoding(args: &mut Args) -> Result<Encoding, Error> {
    let name = args.text("encoding")?.unwrap_or_else(|| "utf-8".into());
    Encoding::parse(&name).ok_or_else(|| {
        args.refuse(format!("`{name}` is not one of utf-8, utf-16, utf-16-le, utf-16-be, latin-1, ascii"))
    })
}

fn b64encode(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let value = args.operand()?;
    let encoding = encoding(args)?;
    let is_url_safe = args.flag("urlsafe", false);
    let bytes = match value.as_bytes() {
        Some(bytes) if value.as_str().is_none() => bytes.to_vec(),
        _ => encoding
            .encode(&python::text(&value))
            .ok_or_else(|| args.refuse("the text has characters that the encoding lacks"))?,
    };
    Ok(Value::from(match is_url_safe {
        true => BASE64_URL_SAFE.encode(bytes),
        false => BASE64_STANDARD.encode(bytes),
    }))
}

fn b64decode(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let text = args.operand_text()?;
    let encoding = encoding(args)?;
    let is_url_safe = args.flag("urlsafe", false);
    let (alphabet, engine) = if is_url_safe { ("-_=", &BASE64_URL_SAFE) } else { ("+/=", &BASE64_STANDARD) };
    let packed: String =
        text.chars().filter(|c| c.is_ascii_alphanumeric() || alphabet.contains(*c)).collect();
    let bytes = engine.decode(packed).map_err(|err| args.refuse(format!("not base64: {err}")))?;
    encoding
        .decode(&bytes)
        .map(Value::from)
        .ok_or_else(|| args.refuse("the bytes are no text in this encoding; name another one: `encoding=`"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest(name: &str, text: &[u8]) -> Option<String> {
    Some(match name {
        "md5" => hex(&Md5::digest(text)),
        "sha1" => hex(&Sha1::digest(text)),
        "sha224" => hex(&Sha224::digest(text)),
        "sha256" => hex(&Sha256::digest(text)),
        "sha384" => hex(&Sha384::digest(text)),
        "sha512" => hex(&Sha512::digest(text)),
        _ => return None,
    })
}

fn hash(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let text = args.operand_text()?;
    let name = args.text("hashtype")?.unwrap_or_else(|| "sha1".into());
    digest(&name, &bytes_of_text(&text)).map(Value::from).ok_or_else(|| {
        args.refuse(format!(
            "unsupported hash type {name}: there are md5, sha1, sha224, sha256, sha384, sha512"
        ))
    })
}

fn md5(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    Ok(Value::from(digest("md5", &bytes_of_text(&args.operand_text()?))))
}

fn sha1(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    Ok(Value::from(digest("sha1", &bytes_of_text(&args.operand_text()?))))
}

/// The ID of what `vault` encrypts when none is given.
const VAULT_ID: &str = "filter_default";

/// A text as Ansible's vault has it.
fn vault(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let content = args.operand_text()?;
    let secret = Secret::new(args.need_text("secret")?);
    let salt = args.text("salt")?.filter(|salt| !salt.is_empty());
    let id = args.take("vault_id").or_else(|| args.named("vaultid")).map(|id| python::text(&id));
    let id = id.unwrap_or_else(|| VAULT_ID.into());
    // The result is text either way; there are no objects to wrap it in.
    args.take("wrap_object");
    let id = (id != "default").then_some(id.as_str());
    let sealed = match salt {
        Some(salt) => Ok(crate::vault::encrypt_with_salt(content.as_bytes(), &secret, id, salt.as_bytes())),
        None => crate::vault::encrypt(content.as_bytes(), &secret, id),
    };
    sealed.map(Value::from).map_err(|err| args.refuse(format!("the system gives no random bytes: {err}")))
}

/// What a vaulted text holds; other text is itself.
fn unvault(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let sealed = args.operand_text()?;
    let secret = Secret::new(args.need_text("secret")?);
    let id = args.take("vault_id").or_else(|| args.named("vaultid")).map(|id| python::text(&id));
    if !crate::vault::is_vault(&sealed) {
        return Ok(Value::from(sealed));
    }
    let mut keyring = Keyring::default();
    keyring.add(id.unwrap_or_else(|| VAULT_ID.into()), secret);
    let opened = keyring.decrypt(&sealed).map_err(|problem| args.refuse(problem))?;
    if let Some(scope) = crate::template::trace::scope() {
        scope.secrets().add(opened.expose());
    }
    Ok(Value::from(opened.expose()))
}

/// What Ansible uses when no namespace is given.
const NAMESPACE: &str = "361E6D51-FAEC-444A-9079-341386DA8E2E";

/// A UUID of version 5 (RFC 9562): the SHA-1 of a namespace and a name.
fn to_uuid(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let name = args.operand_text()?;
    let namespace = args.text("namespace")?.unwrap_or_else(|| NAMESPACE.into());
    let digits: Vec<u8> = namespace
        .chars()
        .filter(|c| !matches!(c, '-' | '{' | '}'))
        .map(|c| c.to_digit(16).map(|digit| digit as u8))
        .collect::<Option<_>>()
        .filter(|digits: &Vec<u8>| digits.len() == 32)
        .ok_or_else(|| {
            args.refuse(format!("Invalid value '{namespace}' for 'namespace': it is not a UUID"))
        })?;
    let mut sha = Sha1::new();
    sha.update(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<u8>>());
    sha.update(name.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&sha.finalize()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x50;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex(&bytes);
    let parts = [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]];
    Ok(Value::from(parts.join("-")))
}

fn password_hash(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let password = args.operand_text()?;
    let scheme = args.text("hashtype")?.unwrap_or_else(|| "sha512".into());
    let salt = args.text("salt")?;
    let salt_size = args.integer("salt_size").map_err(|_| args.refuse("salt_size must be an integer"))?;
    let salt = match (salt, salt_size) {
        (Some(salt), _) => Some(salt),
        (None, Some(size)) => Some(crypt::random_salt_of(size).map_err(|err| args.refuse(err))?),
        (None, None) => None,
    };
    let rounds = args.integer("rounds")?;
    let ident = args.text("ident")?;
    if ident.is_some() {
        return Err(args.refuse("`ident` belongs to blowfish, which is not supported"));
    }
    crypt::password_hash(&password, &scheme, salt.as_deref(), rounds)
        .map(Value::from)
        .map_err(|err| args.refuse(err))
}

/// A salt of the system's chance.
pub(crate) fn random_salt() -> Result<String, String> {
    crypt::random_salt()
}

/// A password as `/etc/shadow` has it.
pub(crate) fn crypt(
    password: &str,
    scheme: &str,
    salt: Option<&str>,
    rounds: Option<i64>,
) -> Result<String, String> {
    crypt::password_hash(password, scheme, salt, rounds)
}
