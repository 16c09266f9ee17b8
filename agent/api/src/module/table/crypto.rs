//! Modules for keys, requests and certificates (`community.crypto`), and for password files.

use super::super::ArgKind::{Bool, Int, ListOfStr, Mode, Path, Str};
use super::super::{ArgSpec, ModuleSpec};
use super::{NOTHING, arg, with_file_attributes};

const CRYPTO: ModuleSpec = ModuleSpec { collection: "community.crypto", ..NOTHING };
const STATE: ArgSpec =
    arg("state", Str, "Whether it shall be there.").one_of(&["absent", "present"]).default("present");
const FORCE: ArgSpec = arg("force", Bool, "Makes it anew.").default("false");
const BACKUP: ArgSpec =
    arg("backup", Bool, "Keeps the old file beside it, with a `~` at its end.").default("false");

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
        STATE,
        FORCE,
        BACKUP,
        arg("regenerate", Str, "When a key that is there is replaced.")
            .one_of(&["never", "fail", "partial_idempotence", "full_idempotence", "always"])
            .default("full_idempotence"),
    ],
    unsupported: &[
        "passphrase",
        "cipher",
        "format",
        "format_mismatch",
        "return_content",
        "select_crypto_backend",
    ],
    ..CRYPTO
};

pub(super) const OPENSSL_CSR: ModuleSpec = ModuleSpec {
    name: "openssl_csr",
    summary: "Makes a request for a certificate.",
    args: with_file_attributes![
        arg("path", Path, "The file of the request.").required(),
        arg("privatekey_path", Path, "The file of the key."),
        arg("common_name", Str, "The name that it is for.").or(&["CN", "commonName"]),
        arg("country_name", Str, "The country, in two letters.").or(&["C", "countryName"]),
        arg("state_or_province_name", Str, "The state or province.").or(&["ST", "stateOrProvinceName"]),
        arg("locality_name", Str, "The town.").or(&["L", "localityName"]),
        arg("organization_name", Str, "The organisation.").or(&["O", "organizationName"]),
        arg("organizational_unit_name", Str, "The part of the organisation.")
            .or(&["OU", "organizationalUnitName"]),
        arg("email_address", Str, "The address for mail.").or(&["E", "emailAddress"]),
        arg("subject_alt_name", ListOfStr, "Further names: `DNS:…`, `IP:…`.").or(&["subjectAltName"]),
        STATE,
        FORCE,
        BACKUP,
    ],
    unsupported: &[
        "subject",
        "key_usage",
        "extended_key_usage",
        "basic_constraints",
        "privatekey_passphrase",
        "digest",
        "version",
        "return_content",
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
        arg("provider", Str, "Who signs.").one_of(&["selfsigned", "ownca"]),
        arg("ownca_path", Path, "The authority's certificate."),
        arg("ownca_privatekey_path", Path, "The authority's key."),
        arg("selfsigned_not_after", Str, "How long it is good: `+3650d`, `+52w`.").default("\"+3650d\""),
        arg("ownca_not_after", Str, "How long it is good: `+3650d`, `+52w`.").default("\"+3650d\""),
        STATE,
        FORCE,
        BACKUP,
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
