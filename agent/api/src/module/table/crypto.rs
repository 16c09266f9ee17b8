//! Modules for keys, requests and certificates (`community.crypto`), and for password files.

use super::super::ArgKind::{Bool, Dict, Int, List, ListOfStr, Mode, Path, Str};
use super::super::{ArgSpec, ModuleSpec, Rule};
use super::{NOTHING, arg, with_file_attributes};

const CRYPTO: ModuleSpec = ModuleSpec { collection: "community.crypto", ..NOTHING };
const STATE: ArgSpec =
    arg("state", Str, "Whether it shall be there.").one_of(&["absent", "present"]).default("present");
const FORCE: ArgSpec = arg("force", Bool, "Makes it anew.").default("false");
const BACKUP: ArgSpec =
    arg("backup", Bool, "Keeps the old file beside it, with a `~` at its end.").default("false");

const CONTENT: ArgSpec =
    arg("return_content", Bool, "Whether the file's text is among the return values.").default("false");
const BACKEND: ArgSpec = arg("select_crypto_backend", Str, "Has no effect: the host's openssl does it.")
    .one_of(&["auto", "cryptography"])
    .default("auto");
const DIGESTS: &[&str] = &["md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3-256", "sha3-512"];

pub(super) const OPENSSL_PRIVATEKEY: ModuleSpec = ModuleSpec {
    name: "openssl_privatekey",
    summary: "Makes a private key.",
    args: with_file_attributes![
        arg("path", Path, "The file of the key.").required(),
        arg("type", Str, "The kind of key.")
            .one_of(&["RSA", "ECC", "Ed25519", "Ed448", "X25519", "X448"])
            .default("RSA"),
        arg("size", Int, "Bits of an RSA key.").default("4096"),
        arg("curve", Str, "The curve of an ECC key."),
        arg("passphrase", Str, "What closes it.").secret(),
        arg("cipher", Str, "How it is closed: `auto`, or a cipher of openssl."),
        arg("format", Str, "How it is written; `auto_ignore` leaves that of a key that is there.")
            .one_of(&["auto", "auto_ignore", "pkcs1", "pkcs8", "raw"])
            .default("auto_ignore"),
        arg("format_mismatch", Str, "What becomes of a key in another format.")
            .one_of(&["convert", "regenerate"])
            .default("regenerate"),
        STATE,
        FORCE,
        BACKUP,
        arg("regenerate", Str, "When a key that is there is replaced.")
            .one_of(&["never", "fail", "partial_idempotence", "full_idempotence", "always"])
            .default("full_idempotence"),
        CONTENT,
        BACKEND,
    ],
    ..CRYPTO
};

pub(super) const OPENSSL_PUBLICKEY: ModuleSpec = ModuleSpec {
    name: "openssl_publickey",
    summary: "Writes the public half of a private key.",
    args: with_file_attributes![
        arg("path", Path, "The file of the public key.").required(),
        arg("privatekey_path", Path, "The file of the private key."),
        arg("privatekey_passphrase", Str, "What opens it.").secret(),
        arg("format", Str, "How it is written.").one_of(&["OpenSSH", "PEM"]).default("PEM"),
        STATE,
        FORCE,
        BACKUP,
        CONTENT,
        BACKEND,
    ],
    unsupported: &["privatekey_content"],
    rules: &[Rule::RequiredIf { argument: "state", value: "present", needs: &["privatekey_path"] }],
    ..CRYPTO
};

pub(super) const OPENSSL_PKCS12: ModuleSpec = ModuleSpec {
    name: "openssl_pkcs12",
    summary: "Packs a certificate, its key and its chain into one file, or takes such a file apart.",
    args: with_file_attributes![
        arg("path", Path, "The file.").required(),
        arg("action", Str, "Whether it is packed, or `src` taken apart.")
            .one_of(&["export", "parse"])
            .default("export"),
        arg("src", Path, "The file that is taken apart."),
        arg("friendly_name", Str, "The name of the certificate in it.").or(&["name"]),
        arg("certificate_path", Path, "The file of the certificate."),
        arg("privatekey_path", Path, "The file of its key."),
        arg("privatekey_passphrase", Str, "What opens the key.").secret(),
        arg("other_certificates", ListOfStr, "The files of further certificates.").or(&["ca_certificates"]),
        arg("other_certificates_parse_all", Bool, "All certificates of each file are taken in any case.")
            .default("true"),
        arg("passphrase", Str, "What closes the file.").secret(),
        arg("iter_size", Int, "How often the passphrase is hashed."),
        arg(
            "encryption_level",
            Str,
            "How it is closed; `compatibility2022` so that older programs can open it."
        )
        .one_of(&["auto", "compatibility2022"])
        .default("auto"),
        STATE,
        FORCE,
        BACKUP,
        CONTENT,
        BACKEND,
    ],
    unsupported: &["certificate_content", "maciter_size", "other_certificates_content", "privatekey_content"],
    ..CRYPTO
};

pub(super) const OPENSSL_DHPARAM: ModuleSpec = ModuleSpec {
    name: "openssl_dhparam",
    summary: "Makes parameters of a Diffie-Hellman exchange.",
    args: with_file_attributes![
        arg("path", Path, "The file.").required(),
        arg("size", Int, "Bits.").default("4096"),
        STATE,
        FORCE,
        BACKUP,
        CONTENT,
        arg("select_crypto_backend", Str, "Has no effect: the host's openssl does it.")
            .one_of(&["auto", "cryptography", "openssl"])
            .default("auto"),
    ],
    ..CRYPTO
};

pub(super) const OPENSSL_CSR: ModuleSpec = ModuleSpec {
    name: "openssl_csr",
    summary: "Makes a request for a certificate.",
    args: with_file_attributes![
        arg("path", Path, "The file of the request.").required(),
        arg("privatekey_path", Path, "The file of the key."),
        arg("privatekey_passphrase", Str, "What opens the key.").secret(),
        arg("digest", Str, "The digest of the signature.").one_of(DIGESTS).default("sha256"),
        arg("version", Int, "The version of the request; there is one only.").one_of(&["1"]).default("1"),
        arg("common_name", Str, "The name that it is for.").or(&["CN", "commonName"]),
        arg("country_name", Str, "The country, in two letters.").or(&["C", "countryName"]),
        arg("state_or_province_name", Str, "The state or province.").or(&["ST", "stateOrProvinceName"]),
        arg("locality_name", Str, "The town.").or(&["L", "localityName"]),
        arg("organization_name", Str, "The organisation.").or(&["O", "organizationName"]),
        arg("organizational_unit_name", Str, "The part of the organisation.")
            .or(&["OU", "organizationalUnitName"]),
        arg("email_address", Str, "The address for mail.").or(&["E", "emailAddress"]),
        arg("subject", Dict, "Further parts of the name, by their OpenSSL name."),
        arg("subject_ordered", List, "The same, in this order."),
        arg("subject_alt_name", ListOfStr, "Further names: `DNS:…`, `IP:…`.").or(&["subjectAltName"]),
        arg("subject_alt_name_critical", Bool, "Who does not know of it must refuse it.")
            .or(&["subjectAltName_critical"])
            .default("false"),
        arg("use_common_name_for_san", Bool, "Without further names, `common_name` is one.")
            .or(&["useCommonNameForSAN"])
            .default("true"),
        arg("key_usage", ListOfStr, "What the key is for: `digitalSignature`, …").or(&["keyUsage"]),
        arg("key_usage_critical", Bool, "Who does not know of it must refuse it.")
            .or(&["keyUsage_critical"])
            .default("false"),
        arg("extended_key_usage", ListOfStr, "What the certificate is for: `serverAuth`, …")
            .or(&["extKeyUsage", "extendedKeyUsage"]),
        arg("extended_key_usage_critical", Bool, "Who does not know of it must refuse it.")
            .or(&["extKeyUsage_critical", "extendedKeyUsage_critical"])
            .default("false"),
        arg("basic_constraints", ListOfStr, "Whether it is of an authority: `CA:TRUE`, `pathlen:0`.")
            .or(&["basicConstraints"]),
        arg("basic_constraints_critical", Bool, "Who does not know of it must refuse it.")
            .or(&["basicConstraints_critical"])
            .default("false"),
        arg("ocsp_must_staple", Bool, "Servers must show that it is still good.")
            .or(&["ocspMustStaple"])
            .default("false"),
        arg("ocsp_must_staple_critical", Bool, "Who does not know of it must refuse it.")
            .or(&["ocspMustStaple_critical"])
            .default("false"),
        arg("create_subject_key_identifier", Bool, "The key's own number is in it.").default("false"),
        STATE,
        FORCE,
        BACKUP,
        CONTENT,
        BACKEND,
    ],
    unsupported: &[
        "authority_cert_issuer",
        "authority_cert_serial_number",
        "authority_key_identifier",
        "crl_distribution_points",
        "name_constraints_critical",
        "name_constraints_excluded",
        "name_constraints_permitted",
        "privatekey_content",
        "subject_key_identifier",
    ],
    rules: &[
        Rule::RequiredIf { argument: "state", value: "present", needs: &["privatekey_path"] },
        Rule::MutuallyExclusive(&["subject", "subject_ordered"]),
    ],
    ..CRYPTO
};

pub(super) const X509_CERTIFICATE: ModuleSpec = ModuleSpec {
    name: "x509_certificate",
    aliases: &["openssl_certificate"],
    summary: "Makes a certificate, signed by its own key or by an authority's.",
    args: with_file_attributes![
        arg("path", Path, "The file of the certificate.").required(),
        arg("csr_path", Path, "The file of the request."),
        arg("privatekey_path", Path, "The file of the key, for `selfsigned`."),
        arg("privatekey_passphrase", Str, "What opens it.").secret(),
        arg("provider", Str, "Who signs.").one_of(&["selfsigned", "ownca"]),
        arg("ownca_path", Path, "The authority's certificate."),
        arg("ownca_privatekey_path", Path, "The authority's key."),
        arg("ownca_privatekey_passphrase", Str, "What opens it.").secret(),
        arg("selfsigned_not_before", Str, "From when it is good: `+0s`.")
            .or(&["selfsigned_notBefore"])
            .default("\"+0s\""),
        arg(
            "selfsigned_not_after",
            Str,
            "How long it is good, in whole days: `+3650d`, `+52w`, `20300131235959Z`."
        )
        .or(&["selfsigned_notAfter"])
        .default("\"+3650d\""),
        arg("selfsigned_digest", Str, "The digest of the signature.").one_of(DIGESTS).default("sha256"),
        arg("ownca_not_before", Str, "From when it is good: `+0s`.").default("\"+0s\""),
        arg(
            "ownca_not_after",
            Str,
            "How long it is good, in whole days: `+3650d`, `+52w`, `20300131235959Z`."
        )
        .default("\"+3650d\""),
        arg("ownca_digest", Str, "The digest of the signature.").one_of(DIGESTS).default("sha256"),
        arg("ignore_timestamps", Bool, "The times of a certificate that is there are not compared.")
            .one_of(&["true"])
            .default("true"),
        STATE,
        FORCE,
        BACKUP,
        CONTENT,
        BACKEND,
    ],
    unsupported: &[
        "acme_accountkey_path",
        "acme_challenge_path",
        "csr_content",
        "entrust_cert_type",
        "ownca_content",
        "ownca_create_authority_key_identifier",
        "ownca_create_subject_key_identifier",
        "ownca_privatekey_content",
        "ownca_version",
        "privatekey_content",
        "selfsigned_create_subject_key_identifier",
        "selfsigned_version",
    ],
    ..CRYPTO
};

pub(super) const HTPASSWD: ModuleSpec = ModuleSpec {
    name: "htpasswd",
    collection: "community.general",
    summary: "Keeps a user in a password file of a web server.",
    args: with_file_attributes![
        arg("path", Path, "The file.").or(&["dest", "destfile"]).required(),
        arg("name", Str, "The user.").or(&["username"]).required(),
        arg("password", Str, "The password.").secret(),
        arg("hash_scheme", Str, "How it is hashed.")
            .or(&["crypt_scheme"])
            .one_of(&["apr_md5_crypt", "sha256_crypt", "sha512_crypt", "plaintext"])
            .default("apr_md5_crypt"),
        arg("create", Bool, "Creates the file where there is none.").default("true"),
        STATE,
    ],
    ..NOTHING
};

pub(super) const OPENSSH_KEYPAIR: ModuleSpec = ModuleSpec {
    name: "openssh_keypair",
    summary: "Makes a key pair for OpenSSH.",
    args: &[
        arg("path", Path, "The file of the private key; the public one has `.pub` at its end.").required(),
        arg("type", Str, "The kind of key.").one_of(&["rsa", "ecdsa", "ed25519"]).default("rsa"),
        arg("size", Int, "Bits; 4096 for RSA and 256 for ECDSA where it is not given."),
        arg("comment", Str, "The comment of the public key."),
        STATE,
        FORCE,
        arg("regenerate", Str, "When a key that is there is replaced.")
            .one_of(&["never", "fail", "partial_idempotence", "full_idempotence", "always"])
            .default("partial_idempotence"),
        arg("backend", Str, "What makes it: the host's ssh-keygen.")
            .one_of(&["auto", "opensshbin"])
            .default("auto"),
        arg("private_key_format", Str, "The format: OpenSSH's own.").one_of(&["auto", "ssh"]).default("auto"),
        arg("mode", Mode, "Permissions of both files."),
        arg("owner", Str, "Name or number of the user who owns both files."),
        arg("group", Str, "Name or number of the group that owns both files."),
    ],
    unsupported: &[
        "passphrase",
        "attributes",
        "attr",
        "unsafe_writes",
        "seuser",
        "serole",
        "setype",
        "selevel",
    ],
    ..CRYPTO
};
