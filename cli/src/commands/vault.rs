//! `muster vault`: files and values in Ansible's vault format.

use super::basis::{ask, keyring_only, tell};
use super::vault_edit;
use crate::args::{VaultAction, VaultArgs, VaultDetailArgs, VaultFileArgs, VaultKeyArgs, VaultStringArgs};
use crate::error::{Diagnostic, Diagnostics, Result};
use crate::exit::Exit;
use crate::settings::Settings;
use crate::source::Span;
use crate::vault::{Keyring, Secret, encrypt, encrypt_with_salt, is_vault};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Runs `muster vault`.
pub(crate) fn run(args: VaultArgs) -> Exit {
    let done = match args.action {
        VaultAction::View(files) => view(&files),
        VaultAction::Decrypt(files) => each(&files, decrypted, "Decryption successful"),
        VaultAction::Encrypt(files) => each(&files, encrypted, "Encryption successful"),
        VaultAction::Create(files) => vault_edit::create(&files),
        VaultAction::Edit(files) => vault_edit::edit(&files),
        VaultAction::Rekey(files) => vault_edit::rekey(&files),
        VaultAction::EncryptString(string) => encrypt_string(&string),
    };
    done.map_or_else(|mistakes| tell(&mistakes), |()| Exit::Fine)
}

fn view(args: &VaultFileArgs) -> Result<()> {
    let keyring = keyring(&args.key, &args.detail)?;
    for file in inputs(args) {
        let bytes = decrypted(&read(&file)?, &file, &keyring, args)?;
        write(Path::new("-"), &bytes)?;
    }
    Ok(())
}

type Change = fn(&[u8], &Path, &Keyring, &VaultFileArgs) -> Result<Vec<u8>>;

fn each(args: &VaultFileArgs, change: Change, done: &str) -> Result<()> {
    let keyring = keyring(&args.key, &args.detail)?;
    let files = inputs(args);
    if args.output_file.is_some() && files.len() > 1 {
        return Err(Diagnostic::error("`--output` takes one input file").exits_with(Exit::WrongUse).into());
    }
    for file in files {
        let bytes = change(&read(&file)?, &file, &keyring, args)?;
        write(args.output_file.as_deref().unwrap_or(&file), &bytes)?;
    }
    eprintln!("{done}");
    Ok(())
}

pub(super) fn decrypted(bytes: &[u8], file: &Path, keyring: &Keyring, _: &VaultFileArgs) -> Result<Vec<u8>> {
    let text = String::from_utf8_lossy(bytes);
    if !is_vault(&text) {
        let mistake = Diagnostic::error(format!("`{}` is not encrypted", file.display()));
        return Err(mistake.exits_with(Exit::Unexpected).into());
    }
    let at = Span::outside(&file.display().to_string());
    keyring
        .decrypt_bytes(&text)
        .map_err(|problem| problem.at("the file", &at).exits_with(Exit::Unexpected).into())
}

fn encrypted(bytes: &[u8], file: &Path, keyring: &Keyring, args: &VaultFileArgs) -> Result<Vec<u8>> {
    if is_vault(&String::from_utf8_lossy(bytes)) {
        let mistake = Diagnostic::error(format!("`{}` is encrypted already", file.display()));
        return Err(mistake.exits_with(Exit::Unexpected).into());
    }
    seal(bytes, keyring, args.encrypt_vault_id.as_deref()).map(String::into_bytes)
}

fn encrypt_string(args: &VaultStringArgs) -> Result<()> {
    let keyring = keyring(&args.key, &args.detail)?;
    let mut whole = String::new();
    for (name, text) in values(args)? {
        let sealed = seal(text.as_bytes(), &keyring, args.encrypt_vault_id.as_deref())?;
        let lines: Vec<String> = sealed.trim_end().lines().map(|line| format!("          {line}")).collect();
        let name = name.map(|name| format!("{name}: ")).unwrap_or_default();
        whole += &format!("{name}!vault |\n{}\n", lines.join("\n"));
    }
    write(args.output_file.as_deref().unwrap_or(Path::new("-")), whole.as_bytes())?;
    eprintln!("Encryption successful");
    Ok(())
}

/// What is to be encrypted, each with the name of its variable: what was asked for, standard input, arguments.
fn values(args: &VaultStringArgs) -> Result<Vec<(Option<String>, String)>> {
    let mut values = Vec::new();
    let reads_input = args.texts.iter().any(|text| text == "-") || args.stdin_name.is_some();
    let mut names = args.names.iter().cloned();
    if args.prompt {
        if reads_input {
            let mistake = Diagnostic::error("`--prompt` and standard input are two sources of one value");
            return Err(mistake.exits_with(Exit::WrongUse).into());
        }
        values.push((names.next(), ask("String to encrypt (hidden): ")?.expose().to_owned()));
    } else if reads_input || args.texts.is_empty() {
        let text = String::from_utf8_lossy(&read(Path::new("-"))?).into_owned();
        let name =
            args.stdin_name.clone().or_else(|| if args.texts.is_empty() { names.next() } else { None });
        values.push((name, text));
    }
    let written = args.texts.iter().filter(|text| *text != "-");
    values.extend(written.map(|text| (names.next(), text.clone())));
    Ok(values)
}

/// A content as a vault text, by the password of the given id, of the settings' id, or by the only one that there is.
pub(super) fn seal(bytes: &[u8], keyring: &Keyring, id: Option<&str>) -> Result<String> {
    let ids: Vec<&str> = keyring.ids().collect();
    let of_settings = Settings::read()?.vault_encrypt_id();
    let id = match (id.or(of_settings.as_deref()), ids.as_slice()) {
        (Some(id), _) => id,
        (None, [only]) => only,
        (None, []) => return Err(no_password()),
        (None, _) => return Err(many_ids(&ids)),
    };
    match keyring.password(Some(id)) {
        Some(password) => seal_with(bytes, password, Some(id)),
        None => Err(no_password_of(id, &ids)),
    }
}

fn no_password() -> Diagnostics {
    Diagnostic::error("no vault password was given")
        .hint("`--vault-password-file FILE`, `--vault-id ID@FILE` or `--ask-vault-pass`")
        .exits_with(Exit::WrongUse)
        .into()
}

fn many_ids(ids: &[&str]) -> Diagnostics {
    let ids = ids.join(",");
    let sentence = format!(
        "The vault-ids {ids} are available to encrypt. Specify the vault-id to encrypt with --encrypt-vault-id"
    );
    Diagnostic::error(format!("there are several passwords to encrypt with: {ids}"))
        .hint("`--encrypt-vault-id ID` says with which")
        .known_as(sentence)
        .exits_with(Exit::WrongUse)
        .into()
}

fn no_password_of(id: &str, known: &[&str]) -> Diagnostics {
    let list = known.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(", ");
    let sentence =
        format!("Did not find a match for --encrypt-vault-id={id} in the known vault-ids [{list}]");
    Diagnostic::error(format!("no password was given for vault id `{id}`"))
        .hint(format!("`--vault-id {id}@FILE` gives one"))
        .known_as(sentence)
        .exits_with(Exit::Unexpected)
        .into()
}

/// A content as a vault text, by this password.
pub(super) fn seal_with(bytes: &[u8], password: &Secret, id: Option<&str>) -> Result<String> {
    let id = id.filter(|id| *id != "default");
    if let Some(salt) = Settings::read()?.vault_salt() {
        return Ok(encrypt_with_salt(bytes, password, id, salt.as_bytes()));
    }
    encrypt(bytes, password, id).map_err(|cause| {
        Diagnostic::error("no random numbers to encrypt with")
            .cause(cause)
            .exits_with(Exit::Unexpected)
            .into()
    })
}

pub(super) fn keyring(args: &VaultKeyArgs, detail: &VaultDetailArgs) -> Result<Keyring> {
    let mut keyring = keyring_only(args)?;
    if keyring.is_empty() {
        keyring = keyring_only(&VaultKeyArgs { ask_vault_pass: true, ..args.clone() })?;
    }
    if detail.verbose > 0 {
        let ids: Vec<&str> = keyring.ids().collect();
        eprintln!("vault passwords: {}", ids.join(", "));
    }
    Ok(keyring)
}

fn inputs(args: &VaultFileArgs) -> Vec<PathBuf> {
    if args.files.is_empty() { vec![PathBuf::from("-")] } else { args.files.clone() }
}

pub(super) fn read(file: &Path) -> Result<Vec<u8>> {
    let bytes = match file.to_str() {
        Some("-") => {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
        }
        _ => std::fs::read(file),
    };
    bytes.map_err(|cause| {
        Diagnostic::error(format!("could not read `{}`", file.display()))
            .cause(cause)
            .exits_with(Exit::Unexpected)
            .into()
    })
}

/// The old file stays whole until the new one is; only its owner may read what is in it.
pub(super) fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    let written = match file.to_str() {
        Some("-") => std::io::stdout().write_all(bytes),
        _ => replace(file, bytes),
    };
    written.map_err(|cause| {
        Diagnostic::error(format!("could not write `{}`", file.display()))
            .cause(cause)
            .exits_with(Exit::Unexpected)
            .into()
    })
}

fn replace(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
    fresh.write_all(bytes)?;
    fresh.as_file().sync_all()?;
    if let Ok(known) = std::fs::metadata(file) {
        fresh.as_file().set_permissions(known.permissions())?;
    }
    fresh.persist(file).map(drop).map_err(|failure| failure.error)
}
