//! Whether what the server keeps of a password is of that password: `md5…` and SCRAM-SHA-256 (RFC 5802, RFC 7677).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use ring::{digest, hmac, pbkdf2};
use std::num::NonZeroU32;

/// Whether the kept text is of the password, which may be given as such a text itself.
pub(super) fn is_kept_as(password: &str, kept: &str, role: &str) -> bool {
    if password == kept {
        return true;
    }
    if let Some(hash) = kept.strip_prefix("md5") {
        let own = Md5::digest(format!("{password}{role}"));
        return own.iter().map(|byte| format!("{byte:02x}")).collect::<String>() == hash;
    }
    kept.strip_prefix("SCRAM-SHA-256$").is_some_and(|rest| is_scram(password, rest).unwrap_or(false))
}

/// `ITERATIONS:SALT$STORED:SERVER`
fn is_scram(password: &str, kept: &str) -> Option<bool> {
    let (how, keys) = kept.split_once('$')?;
    let (iterations, salt) = how.split_once(':')?;
    let (stored, _) = keys.split_once(':')?;
    let iterations: NonZeroU32 = iterations.parse().ok()?;
    let salt = STANDARD.decode(salt).ok()?;
    let mut salted = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, password.as_bytes(), &mut salted);
    let client = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &salted), b"Client Key");
    let own = digest::digest(&digest::SHA256, client.as_ref());
    Some(STANDARD.decode(stored).ok()? == own.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_text_is_of_its_password_only() {
        let own = format!(
            "md5{}",
            Md5::digest("secretann").iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        );
        assert!(is_kept_as("secret", &own, "ann") && !is_kept_as("secret", &own, "bob"));
        assert!(is_kept_as(&own, &own, "bob"));
        // The example of RFC 7677, 3: user `user`, password `pencil`.
        let salted = {
            let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
            let mut salted = [0; 32];
            let iterations = NonZeroU32::new(4096).expect("not zero");
            pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, b"pencil", &mut salted);
            salted
        };
        let client = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &salted), b"Client Key");
        let stored = STANDARD.encode(digest::digest(&digest::SHA256, client.as_ref()));
        let kept = format!(
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==${stored}:WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
        );
        assert!(is_kept_as("pencil", &kept, "user") && !is_kept_as("pen", &kept, "user"));
    }
}
