//! `muster vault create`, `edit` and `rekey`: content that is changed in an editor, and other passwords.

use super::basis::keyring_only;
use super::vault::{decrypted, keyring, read, seal, seal_with, write};
use crate::args::{VaultFileArgs, VaultKeyArgs, VaultRekeyArgs};
use crate::error::{Diagnostic, Diagnostics, Result};
use crate::exit::Exit;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A new vault file, with what is written in the editor.
pub(super) fn create(args: &VaultFileArgs) -> Result<()> {
    let keyring = keyring(&args.key, &args.detail)?;
    for file in named(&args.files)? {
        if file.exists() {
            let mistake =
                Diagnostic::error(format!("`{}` exists, please use `edit` instead", file.display()));
            return Err(mistake.exits_with(Exit::Unexpected).into());
        }
        let content = in_editor(b"", file)?;
        write(file, seal(&content, &keyring, args.encrypt_vault_id.as_deref())?.as_bytes())?;
    }
    Ok(())
}

/// What vault files hold, changed in the editor. They keep their vault id.
pub(super) fn edit(args: &VaultFileArgs) -> Result<()> {
    let keyring = keyring(&args.key, &args.detail)?;
    for file in named(&args.files)? {
        let sealed = read(file)?;
        let before = decrypted(&sealed, file, &keyring, args)?;
        let after = in_editor(&before, file)?;
        if after == before {
            continue;
        }
        // By the password that opened it, under the id that it had.
        let opener = keyring.opener(&String::from_utf8_lossy(&sealed));
        let written = match (&args.encrypt_vault_id, opener) {
            (None, Some(password)) => seal_with(&after, password, id_of(&sealed).as_deref())?,
            (id, _) => seal(&after, &keyring, id.as_deref())?,
        };
        write(file, written.as_bytes())?;
    }
    Ok(())
}

/// Vault files with another password.
pub(super) fn rekey(args: &VaultRekeyArgs) -> Result<()> {
    let keyring = keyring(&args.key, &args.detail)?;
    let of_files = VaultFileArgs {
        files: args.files.clone(),
        output_file: None,
        encrypt_vault_id: None,
        key: args.key.clone(),
        detail: args.detail.clone(),
    };
    let files = named(&args.files)?;
    let contents = files.iter().map(|file| decrypted(&read(file)?, file, &keyring, &of_files));
    let contents = contents.collect::<Result<Vec<_>>>()?;
    let new = VaultKeyArgs {
        vault_id: args.new_vault_id.iter().cloned().collect(),
        vault_password_file: args.new_vault_password_file.iter().cloned().collect(),
        ask_vault_pass: args.new_vault_id.is_none() && args.new_vault_password_file.is_none(),
    };
    let new_keyring = keyring_only(&new)?;
    let id = args.new_vault_id.as_deref().and_then(|id| id.split_once('@')).map(|(id, _)| id);
    let Some(password) = new_keyring.password(Some(id.unwrap_or("default"))) else {
        let mistake = Diagnostic::error("there is no new vault password")
            .hint("`--new-vault-password-file FILE` or `--new-vault-id ID@FILE`");
        return Err(mistake.exits_with(Exit::WrongUse).into());
    };
    for (file, content) in files.iter().zip(&contents) {
        write(file, seal_with(content, password, id)?.as_bytes())?;
    }
    eprintln!("Rekey successful");
    Ok(())
}

fn named(files: &[PathBuf]) -> Result<&[PathBuf]> {
    match files {
        [] => Err(Diagnostic::error("no vault file is named").exits_with(Exit::WrongUse).into()),
        files => Ok(files),
    }
}

/// The vault id that the first line of a vault file names.
fn id_of(sealed: &[u8]) -> Option<String> {
    let line = sealed.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    line.trim().split(';').nth(3).map(str::to_owned)
}

/// What a content becomes in `$EDITOR`. The draft lies in a file that only its owner may read, and is overwritten
/// in the end.
fn in_editor(content: &[u8], file: &Path) -> Result<Vec<u8>> {
    let ending = file.extension().map(|ending| format!(".{}", ending.to_string_lossy())).unwrap_or_default();
    let draft = tempfile::Builder::new().prefix("muster-vault-").suffix(&ending).tempfile();
    let mut draft = draft.map_err(|cause| failed("a draft cannot be made", &cause))?;
    draft.write_all(content).map_err(|cause| failed("the draft cannot be written", &cause))?;
    let editor = std::env::var("EDITOR").ok().filter(|editor| !editor.trim().is_empty());
    let editor = editor.unwrap_or_else(|| "vi".to_owned());
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or("vi");
    let status = Command::new(program).args(words).arg(draft.path()).status();
    let status =
        status.map_err(|cause| failed(&format!("the editor `{program}` cannot be started"), &cause))?;
    let after = std::fs::read(draft.path()).map_err(|cause| failed("the draft cannot be read", &cause))?;
    // What remains of it on the disk says nothing.
    let _ = std::fs::write(draft.path(), vec![0; after.len()]);
    if !status.success() {
        let mistake = Diagnostic::error(format!("the editor `{program}` failed: {status}"))
            .note(format!("`{}` is as it was", file.display()));
        return Err(mistake.exits_with(Exit::Unexpected).into());
    }
    Ok(after)
}

fn failed(what: &str, cause: &io::Error) -> Diagnostics {
    Diagnostic::error(what)
        .cause(cause)
        .exits_with(Exit::Unexpected)
        .hint("`$EDITOR` names the editor")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vault_id_is_read_from_the_first_line() {
        assert_eq!(id_of(b"$ANSIBLE_VAULT;1.2;AES256;prod\n3535\n").as_deref(), Some("prod"));
        assert_eq!(id_of(b"$ANSIBLE_VAULT;1.1;AES256\n3535\n"), None);
    }
}
