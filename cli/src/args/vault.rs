//! The command line of `muster vault`, as ansible-vault has it.

use super::VaultKeyArgs;
use clap::{ArgAction, Args, Subcommand};
use std::path::PathBuf;

/// Options of `muster vault`.
#[derive(Debug, Clone, Args)]
pub(crate) struct VaultArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) action: VaultAction,
}

/// What to do with a vault file.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum VaultAction {
    /// Print the content
    View(VaultFileArgs),
    /// Replace vault files by their content
    Decrypt(VaultFileArgs),
    /// Replace files by vault files
    Encrypt(VaultFileArgs),
    /// Write a new vault file in `$EDITOR`
    Create(VaultFileArgs),
    /// Change the content of vault files in `$EDITOR`
    Edit(VaultFileArgs),
    /// Give vault files another password
    Rekey(VaultRekeyArgs),
    /// Print a value as a vault for a variables file
    #[command(name = "encrypt_string", alias = "encrypt-string")]
    EncryptString(VaultStringArgs),
}

/// Options of `muster vault view|decrypt|encrypt`.
#[derive(Debug, Clone, Args)]
pub(crate) struct VaultFileArgs {
    /// Files; without one, standard input
    pub(crate) files: Vec<PathBuf>,
    /// Write here instead; `-` is standard output
    #[arg(long = "output", value_name = "FILE")]
    pub(crate) output_file: Option<PathBuf>,
    /// With which vault id to encrypt
    #[arg(long, value_name = "ID")]
    pub(crate) encrypt_vault_id: Option<String>,
    #[command(flatten)]
    pub(crate) key: VaultKeyArgs,
    #[command(flatten)]
    pub(crate) detail: VaultDetailArgs,
}

/// How much `muster vault` tells.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct VaultDetailArgs {
    /// Tell the ids of the passwords that were found
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// Options of `muster vault rekey`.
#[derive(Debug, Clone, Args)]
pub(crate) struct VaultRekeyArgs {
    /// Vault files
    pub(crate) files: Vec<PathBuf>,
    /// The file with the new password
    #[arg(long, value_name = "FILE", conflicts_with = "new_vault_id")]
    pub(crate) new_vault_password_file: Option<PathBuf>,
    /// The new vault id, and where its password is from: `ID@FILE` or `ID@prompt`
    #[arg(long, value_name = "ID@SOURCE")]
    pub(crate) new_vault_id: Option<String>,
    #[command(flatten)]
    pub(crate) key: VaultKeyArgs,
    #[command(flatten)]
    pub(crate) detail: VaultDetailArgs,
}

/// Options of `muster vault encrypt_string`.
#[derive(Debug, Clone, Args)]
pub(crate) struct VaultStringArgs {
    /// The values; without one, or for `-`, standard input
    #[arg(value_name = "TEXT")]
    pub(crate) texts: Vec<String>,
    /// The variable's name, one for each value
    #[arg(short, long = "name", value_name = "NAME", action = ArgAction::Append)]
    pub(crate) names: Vec<String>,
    /// The name of the variable that standard input is for
    #[arg(long, value_name = "NAME")]
    pub(crate) stdin_name: Option<String>,
    /// Ask for the value
    #[arg(short, long)]
    pub(crate) prompt: bool,
    /// Write here instead; `-` is standard output
    #[arg(long = "output", value_name = "FILE")]
    pub(crate) output_file: Option<PathBuf>,
    /// With which vault id to encrypt
    #[arg(long, value_name = "ID")]
    pub(crate) encrypt_vault_id: Option<String>,
    #[command(flatten)]
    pub(crate) key: VaultKeyArgs,
    #[command(flatten)]
    pub(crate) detail: VaultDetailArgs,
}
