//! Which cipher suites a request may use, from a list as ciphers(1) of OpenSSL writes it. It is about TLS 1.2: the suites of
//! TLS 1.3 are always there, as in OpenSSL.

use rustls::crypto::{CryptoProvider, ring};
use rustls::{ProtocolVersion, SupportedCipherSuite};
use std::sync::Arc;

/// The provider with the chosen suites; the error is a sentence.
pub(super) fn provider(list: &[String]) -> Result<Arc<CryptoProvider>, String> {
    let words: Vec<&str> = list.iter().flat_map(|part| part.split([':', ',', ' '])).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let mut provider = ring::default_provider();
    let chosen = chosen(&provider.cipher_suites, &words)?;
    provider.cipher_suites.retain(|suite| is_of_tls13(suite) || chosen.contains(&name(suite)));
    Ok(Arc::new(provider))
}

fn is_of_tls13(suite: &SupportedCipherSuite) -> bool {
    suite.version().version == ProtocolVersion::TLSv1_3
}

/// As OpenSSL calls it: `ECDHE-RSA-AES128-GCM-SHA256`.
fn name(suite: &SupportedCipherSuite) -> String {
    let written = format!("{:?}", suite.suite());
    let written = written.trim_start_matches("TLS_").replace("_WITH_", "_").replace("AES_", "AES");
    written.replace('_', "-").replace("-POLY1305-SHA256", "-POLY1305")
}

fn chosen(suites: &[SupportedCipherSuite], words: &[&str]) -> Result<Vec<String>, String> {
    /// 128 bits: what every suite that there is here has at least.
    const HIGHEST_LEVEL: u8 = 3;
    let all: Vec<String> = suites.iter().filter(|suite| !is_of_tls13(suite)).map(name).collect();
    let (mut chosen, mut barred): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for word in words {
        let fitting = |word: &str| all.iter().filter(|name| fits(name, word)).cloned().collect::<Vec<_>>();
        if let Some(level) = word.strip_prefix("@SECLEVEL=") {
            if level.parse::<u8>().is_ok_and(|level| level > HIGHEST_LEVEL) {
                return Err(format!(
                    "`{word}`: no suite is that strong; the highest level is {HIGHEST_LEVEL}"
                ));
            }
        } else if let Some(word) = word.strip_prefix('!') {
            barred.extend(fitting(word));
        } else if let Some(word) = word.strip_prefix('-') {
            let out = fitting(word);
            chosen.retain(|name| !out.contains(name));
        } else if !word.starts_with(['+', '@']) {
            chosen.extend(fitting(word));
        }
    }
    chosen.retain(|name| !barred.contains(name));
    match chosen.is_empty() {
        true => {
            Err(format!("no cipher suite fits `ciphers` `{}`; there are {}", words.join(":"), all.join(", ")))
        }
        false => Ok(chosen),
    }
}

/// Whether a suite is meant by a word: its name, or properties joined by `+`.
fn fits(name: &str, word: &str) -> bool {
    word == name || word.split('+').all(|property| has(name, property))
}

fn has(name: &str, property: &str) -> bool {
    match property {
        "ALL" | "DEFAULT" | "HIGH" | "TLSv1.2" | "ECDH" | "ECDHE" | "EECDH" | "kECDHE" | "kEECDH"
        | "AEAD" => true,
        "AES" => name.contains("AES"),
        "AES128" | "AES256" => name.contains(property),
        "AESGCM" => name.contains("GCM"),
        "CHACHA20" => name.contains("CHACHA20"),
        "aRSA" | "RSA" => name.contains("RSA-") && property == "aRSA",
        "ECDSA" | "aECDSA" => name.contains("ECDSA"),
        "SHA256" | "SHA384" => name.ends_with(property),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(words: &[&str]) -> Result<Vec<String>, String> {
        let mut names = chosen(&ring::default_provider().cipher_suites, words)?;
        names.sort();
        names.dedup();
        Ok(names)
    }

    #[test]
    fn lists_of_openssl_choose_among_what_there_is() {
        let modern = ["@SECLEVEL=2", "ECDH+AESGCM", "ECDH+CHACHA20", "DHE+AES", "!aNULL", "!SHA1"];
        assert_eq!(names(&modern).expect("some").len(), 6);
        let one = ["ECDHE-RSA-AES128-GCM-SHA256"];
        assert_eq!(names(&one).expect("one"), one);
        assert_eq!(names(&["aRSA+AES256"]).expect("one"), ["ECDHE-RSA-AES256-GCM-SHA384"]);
        assert_eq!(names(&["ALL", "!AES", "-aECDSA"]).expect("one"), ["ECDHE-RSA-CHACHA20-POLY1305"]);
        assert!(names(&["DES-CBC3-SHA"]).expect_err("none").contains("DES-CBC3-SHA"));
    }
}
