//! `muster vault`: files and values in Ansible's vault format.

use super::basis::{keyring_only, tell};
use super::vault_edit;
use crate::args::{VaultAction, VaultArgs, VaultFileArgs, VaultKeyArgs, VaultStringArgs};
use crate::error::{Diagnostic, Result};
use crate::exit::Exit;
use crate::source::Span;
use crate::vault::{Keyring, Secret, encrypt, is_vault};
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
    let keyring = keyring(&args.key)?;
    for file in inputs(args) {
        let bytes = decrypted(&read(&file)?, &file, &keyring, args)?;
        write(Path::new("-"), &bytes)?;
    }
    Ok(())
}

type Change = fn(&[u8], &Path, &Keyring, &VaultFileArgs) -> Result<Vec<u8>>;

fn each(args: &VaultFileArgs, change: Change, done: &str) -> Result<()> {
    let keyring = keyring(&args.key)?;
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
    let keyring = keyring(&args.key)?;
    let text = match &args.text {
        Some(text) => text.clone(),
        None => String::from_utf8_lossy(&read(Path::new("-"))?).into_owned(),
    };
    let sealed = seal(text.as_bytes(), &keyring, args.encrypt_vault_id.as_deref())?;
    let lines: Vec<String> = sealed.trim_end().lines().map(|line| format!("          {line}")).collect();
    let name = args.name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
    write(Path::new("-"), format!("{name}!vault |\n{}\n", lines.join("\n")).as_bytes())
}

pub(super) fn seal(bytes: &[u8], keyring: &Keyring, id: Option<&str>) -> Result<String> {
    let Some(password) = keyring.password(id) else {
        let what = id.map_or("no vault password was given".to_owned(), |id| {
            format!("no password was given for vault id `{id}`")
        });
        let mistake = Diagnostic::error(what)
            .hint("`--vault-password-file FILE`, `--vault-id ID@FILE` or `--ask-vault-pass`");
        return Err(mistake.exits_with(Exit::WrongUse).into());
    };
    seal_with(bytes, password, id)
}

/// A content as a vault text, by this password.
pub(super) fn seal_with(bytes: &[u8], password: &Secret, id: Option<&str>) -> Result<String> {
    encrypt(bytes, password, id.filter(|id| *id != "default")).map_err(|cause| {
        Diagnostic::error("no random numbers to encrypt with")
            .cause(cause)
            .exits_with(Exit::Unexpected)
            .into()
    })
}

pub(super) fn keyring(args: &VaultKeyArgs) -> Result<Keyring> {
    let keyring = keyring_only(args)?;
    if !keyring.is_empty() {
        return Ok(keyring);
    }
    keyring_only(&VaultKeyArgs { ask_vault_pass: true, ..args.clone() })
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
