//! Checksums as lower-case hexadecimal text.

use sha2::Digest;

/// The bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&sha2::Sha256::digest(bytes))
}

/// SHA-1, which Ansible calls `checksum`.
pub(super) fn sha1(bytes: &[u8]) -> String {
    hex(&sha1::Sha1::digest(bytes))
}

/// MD5, which some playbooks still compare.
pub(super) fn md5(bytes: &[u8]) -> String {
    hex(&md5::Md5::digest(bytes))
}

/// By the algorithm's name; `None` where there is no such algorithm.
pub(super) fn by_name(algorithm: &str, bytes: &[u8]) -> Option<String> {
    Some(match algorithm {
        "md5" => md5(bytes),
        "sha1" => sha1(bytes),
        "sha224" => hex(&sha2::Sha224::digest(bytes)),
        "sha256" => sha256(bytes),
        "sha384" => hex(&sha2::Sha384::digest(bytes)),
        "sha512" => hex(&sha2::Sha512::digest(bytes)),
        _ => return None,
    })
}
