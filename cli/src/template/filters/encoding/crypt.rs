//! Password hashes of crypt(3): SHA-256 (`$5$`) and SHA-512 (`$6$`).
//!
//! Source: Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512", version 0.6 (public domain).

use sha2::digest::Output;
use sha2::{Digest, Sha256, Sha512};

/// The digits of crypt's base 64.
const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const IMPLICIT_ROUNDS: u32 = 5000;
const LONGEST_SALT: usize = 16;

/// Ansible's rounds when none are given: those of passlib, so that the result is the same.
const SHA256_ROUNDS: u32 = 535_000;
const SHA512_ROUNDS: u32 = 656_000;

/// Bytes of the digest in the order in which crypt writes them, three at a time.
const ORDER_256: [[usize; 3]; 10] = [
    [0, 10, 20],
    [21, 1, 11],
    [12, 22, 2],
    [3, 13, 23],
    [24, 4, 14],
    [15, 25, 5],
    [6, 16, 26],
    [27, 7, 17],
    [18, 28, 8],
    [9, 19, 29],
];
const ORDER_512: [[usize; 3]; 21] = [
    [0, 21, 42],
    [22, 43, 1],
    [44, 2, 23],
    [3, 24, 45],
    [25, 46, 4],
    [47, 5, 26],
    [6, 27, 48],
    [28, 49, 7],
    [50, 8, 29],
    [9, 30, 51],
    [31, 52, 10],
    [53, 11, 32],
    [12, 33, 54],
    [34, 55, 13],
    [56, 14, 35],
    [15, 36, 57],
    [37, 58, 16],
    [59, 17, 38],
    [18, 39, 60],
    [40, 61, 19],
    [62, 20, 41],
];

/// The line for `/etc/shadow`. Without a salt, a random one is taken.
pub(super) fn password_hash(
    password: &str,
    scheme: &str,
    salt: Option<&str>,
    rounds: Option<i64>,
) -> Result<String, String> {
    let (prefix, usual) = match scheme {
        "sha256" | "sha256_crypt" => ("$5$", SHA256_ROUNDS),
        "sha512" | "sha512_crypt" => ("$6$", SHA512_ROUNDS),
        other => {
            let why = "is not in the list of supported passlib algorithms";
            return Err(format!("{other} {why}; use sha512 or sha256"));
        }
    };
    let salt = match salt {
        Some(salt) => checked_salt(salt)?,
        None => random_salt()?,
    };
    let rounds = match rounds {
        None => usual,
        Some(rounds) => {
            u32::try_from(rounds).ok().filter(|rounds| (1000..1_000_000_000).contains(rounds)).ok_or_else(
                || format!("Could not hash the secret: `rounds` is between 1000 and 999999999, not {rounds}"),
            )?
        }
    };
    let digest = match prefix {
        "$5$" => {
            let bytes = crypt::<Sha256>(password.as_bytes(), salt.as_bytes(), rounds);
            written(&bytes, &ORDER_256, &[31, 30])
        }
        _ => written(&crypt::<Sha512>(password.as_bytes(), salt.as_bytes(), rounds), &ORDER_512, &[63]),
    };
    let rounds = if rounds == IMPLICIT_ROUNDS { String::new() } else { format!("rounds={rounds}$") };
    Ok(format!("{prefix}{rounds}{salt}${digest}"))
}

fn checked_salt(salt: &str) -> Result<String, String> {
    if let Some(wrong) = salt.bytes().find(|byte| !DIGITS.contains(byte)) {
        let wrong = char::from(wrong);
        return Err(format!("`{wrong}` cannot be in a salt, which has letters, digits, `.` and `/`"));
    }
    if salt.len() > LONGEST_SALT {
        return Err(format!("a salt has at most {LONGEST_SALT} characters"));
    }
    Ok(salt.to_owned())
}

/// A salt of that many characters.
pub(super) fn random_salt_of(size: i64) -> Result<String, String> {
    match usize::try_from(size) {
        Ok(size @ 1..=LONGEST_SALT) => random_salt().map(|salt| salt[..size].to_owned()),
        _ => Err(format!("a salt has 1 to {LONGEST_SALT} characters, not {size}")),
    }
}

pub(super) fn random_salt() -> Result<String, String> {
    let mut bytes = [0; LONGEST_SALT];
    getrandom::fill(&mut bytes).map_err(|err| format!("the system gives no random bytes: {err}"))?;
    Ok(bytes.iter().map(|byte| char::from(DIGITS[usize::from(*byte) % DIGITS.len()])).collect())
}

/// The rounds of section "Algorithm" of the source, with its step numbers.
fn crypt<D: Digest>(key: &[u8], salt: &[u8], rounds: u32) -> Output<D> {
    // 4 to 8.
    let mut alternate = D::new();
    for part in [key, salt, key] {
        alternate.update(part);
    }
    let alternate = alternate.finalize();
    // 1 to 3 and 9 to 12.
    let mut digest = D::new();
    digest.update(key);
    digest.update(salt);
    digest.update(repeated(&alternate, key.len()));
    let mut length = key.len();
    while length > 0 {
        digest.update(if length & 1 == 1 { &alternate } else { key });
        length >>= 1;
    }
    let first = digest.finalize();
    // 13 to 16.
    let mut of_key = D::new();
    key.iter().for_each(|_| of_key.update(key));
    let key_bytes = repeated(&of_key.finalize(), key.len());
    // 17 to 20.
    let mut of_salt = D::new();
    (0..16 + usize::from(first[0])).for_each(|_| of_salt.update(salt));
    let salt_bytes = repeated(&of_salt.finalize(), salt.len());
    // 21.
    (0..rounds).fold(first, |before, round| {
        let mut digest = D::new();
        digest.update(if round & 1 == 1 { &key_bytes[..] } else { &before });
        if round % 3 != 0 {
            digest.update(&salt_bytes);
        }
        if round % 7 != 0 {
            digest.update(&key_bytes);
        }
        digest.update(if round & 1 == 1 { &before } else { &key_bytes[..] });
        digest.finalize()
    })
}

fn repeated(block: &[u8], length: usize) -> Vec<u8> {
    block.iter().copied().cycle().take(length).collect()
}

/// 22: crypt's base 64, the lowest six bits first.
fn written(bytes: &[u8], order: &[[usize; 3]], rest: &[usize]) -> String {
    let mut text = String::new();
    let mut put = |word: u32, digits: u32| {
        text.extend((0..digits).map(|digit| char::from(DIGITS[(word >> (6 * digit) & 63) as usize])));
    };
    for [high, middle, low] in order {
        let word = u32::from(bytes[*high]) << 16 | u32::from(bytes[*middle]) << 8 | u32::from(bytes[*low]);
        put(word, 4);
    }
    let word = rest.iter().fold(0, |word, index| word << 8 | u32::from(bytes[*index]));
    put(word, rest.len() as u32 + 1);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    // The keys of the source's own tests; the hashes are glibc's.
    #[test]
    fn hashes_are_those_of_the_specification() {
        let sha256 = password_hash("Hello world!", "sha256", Some("saltstring"), Some(5000));
        assert_eq!(sha256.unwrap(), "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5");
        let sha512 = password_hash("Hello world!", "sha512", Some("saltstring"), Some(5000));
        assert_eq!(
            sha512.unwrap(),
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
        );
        let long = password_hash("Hello world!", "sha512", Some("saltstringsaltst"), Some(10_000));
        assert_eq!(
            long.unwrap(),
            "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v."
        );
    }

    #[test]
    fn a_scheme_that_is_not_supported_is_named() {
        assert!(
            password_hash("x", "blowfish", None, None)
                .unwrap_err()
                .starts_with("blowfish is not in the list")
        );
    }
}
