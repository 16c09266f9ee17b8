//! Reads files of YAML and of variables, encrypted ones too, and keeps the warnings that come up.

use crate::error::{Diagnostic, Diagnostics, Result};
use crate::exit::Exit;
use crate::local_files::{LocalFiles, Unread};
use crate::source::{SourceFile, Span};
use crate::vars::HashBehaviour;
use crate::vault::{self, Keyring};
use crate::yaml::{self, Kind, Mapping, Node, Tag};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Texts past this are refused: spans count bytes in 32 bits, and no playbook is near it.
const MOST_BYTES: usize = 1 << 30;

/// Reads files; shared by all that do.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    keyring: Keyring,
    files: Arc<LocalFiles>,
    duplicate_keys: DuplicateKeys,
    hash_behaviour: HashBehaviour,
    warnings: Mutex<Diagnostics>,
    /// Encrypted values that were read and not asked for yet.
    sealed: Mutex<Vec<String>>,
    /// All that was read so far.
    texts: Mutex<Vec<Arc<SourceFile>>>,
}

/// What a key that a mapping has twice is taken for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum DuplicateKeys {
    /// Something to look at; the last one counts.
    #[default]
    Warn,
    /// A mistake.
    Refuse,
    /// Nothing; the last one counts.
    Ignore,
}

impl DuplicateKeys {
    /// As the setting `duplicate_dict_key` has it.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "warn" => Self::Warn,
            "error" => Self::Refuse,
            "ignore" => Self::Ignore,
            _ => return None,
        })
    }
}

impl Reader {
    /// With the vault passwords of the user.
    pub(crate) fn new(keyring: Keyring) -> Self {
        Self { keyring, ..Self::default() }
    }

    /// The same, with another view of keys that are given twice.
    pub(crate) fn with_duplicate_keys(self, duplicate_keys: DuplicateKeys) -> Self {
        Self { duplicate_keys, ..self }
    }

    /// The same, with another view of mappings that two files define.
    pub(crate) fn with_hash_behaviour(self, hash_behaviour: HashBehaviour) -> Self {
        Self { hash_behaviour, ..self }
    }

    /// What mappings come to that two files define.
    pub(crate) fn hash_behaviour(&self) -> HashBehaviour {
        self.hash_behaviour
    }

    /// The vault passwords.
    pub(crate) fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Where it reads.
    pub(crate) fn files(&self) -> &Arc<LocalFiles> {
        &self.files
    }

    /// Keeps a warning for later.
    pub(crate) fn warn(&self, warning: Diagnostic) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(warning);
    }

    /// The warnings since the last call.
    pub(crate) fn take_warnings(&self) -> Diagnostics {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// All texts that were read so far, inventories, variables, playbooks and roles.
    pub(crate) fn texts(&self) -> Vec<Arc<SourceFile>> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The text of a file; of an encrypted one what it says.
    pub(crate) fn text(&self, path: &Path) -> Result<Arc<SourceFile>, Diagnostic> {
        let text = self.read(path)?;
        self.texts.lock().unwrap_or_else(PoisonError::into_inner).push(text.clone());
        Ok(text)
    }

    fn read(&self, path: &Path) -> Result<Arc<SourceFile>, Diagnostic> {
        let bytes = self.files.read(path).map_err(|cause| unread(path, &cause))?;
        if bytes.len() > MOST_BYTES {
            return Err(Diagnostic::error(format!("`{}` is too big to be read", path.display())));
        }
        let text = String::from_utf8(bytes).map_err(|bad| not_utf8(path, &bad))?;
        if !vault::is_vault(&text) {
            return Ok(SourceFile::new(path, text.strip_prefix('\u{feff}').unwrap_or(&text)));
        }
        let span = Span::outside(&path.display().to_string());
        let secret = self.keyring.decrypt(&text).map_err(|problem| problem.at("the file", &span))?;
        Ok(SourceFile::secret(path, secret.expose()))
    }

    /// The value that a YAML or JSON file holds; null where it is empty.
    pub(crate) fn yaml(&self, path: &Path) -> Result<Node> {
        self.parse(&self.text(path)?)
    }

    /// The encrypted values among what was read since the last call.
    pub(crate) fn take_sealed(&self) -> Vec<String> {
        std::mem::take(&mut *self.sealed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note_sealed(&self, node: &Node) {
        match &node.kind {
            Kind::Str(text) if node.tag == Tag::Vault => {
                self.sealed.lock().unwrap_or_else(PoisonError::into_inner).push(text.to_string());
            }
            Kind::Seq(items) => items.iter().for_each(|item| self.note_sealed(item)),
            Kind::Map(mapping) => mapping.iter().for_each(|(_, value)| self.note_sealed(value)),
            _ => {}
        }
    }

    /// The value that a text holds.
    pub(crate) fn parse(&self, file: &Arc<SourceFile>) -> Result<Node> {
        let node = self.parse_only(file)?;
        if file.text().contains("!vault") {
            self.note_sealed(&node);
        }
        Ok(node)
    }

    fn parse_only(&self, file: &Arc<SourceFile>) -> Result<Node> {
        let mut warnings = Diagnostics::default();
        let parsed = yaml::parse(file, &mut warnings);
        match self.duplicate_keys {
            DuplicateKeys::Ignore => parsed,
            DuplicateKeys::Warn => {
                warnings.into_iter().for_each(|warning| self.warn(warning));
                parsed
            }
            DuplicateKeys::Refuse => {
                let mut mistakes = Diagnostics::default();
                warnings.into_iter().for_each(|warning| mistakes.push(warning.into_error()));
                mistakes.or_value(())?;
                parsed
            }
        }
    }

    /// The variables that a file holds.
    pub(crate) fn vars(&self, path: &Path) -> Result<Mapping> {
        mapping_of(&self.yaml(path)?)
    }

    /// The same for a file that may hold several mappings in a list, as `vars_files` may name it; later ones win.
    pub(crate) fn listed_vars(&self, path: &Path) -> Result<Mapping> {
        let node = self.yaml(path)?;
        let Some(parts) = node.as_seq() else { return mapping_of(&node) };
        let parts = parts.iter().map(mapping_of).collect::<Result<Vec<_>>>()?;
        Ok(parts.iter().flat_map(Mapping::iter).map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}

fn mapping_of(node: &Node) -> Result<Mapping> {
    match node.as_map() {
        Some(mapping) => Ok(mapping.clone()),
        None if node.is_null() => Ok(Mapping::default()),
        None => {
            let found = node.describe();
            Err(Diagnostic::error(format!("a file of variables holds a mapping, found {found}"))
                .at(&node.span.first_line(), "expected `name: value`")
                .into())
        }
    }
}

fn unread(path: &Path, why: &Unread) -> Diagnostic {
    let mistake = Diagnostic::error(format!("could not read `{}`", path.display()));
    let mistake = match why {
        Unread::Failed(cause) => mistake.cause(cause),
        Unread::Unknown(why) => mistake.note(format!("what it holds is not known: {why}")),
    };
    mistake.exits_with(Exit::Unexpected)
}

fn not_utf8(path: &Path, bad: &std::string::FromUtf8Error) -> Diagnostic {
    let good = bad.utf8_error().valid_up_to();
    let line = bad.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count() + 1;
    Diagnostic::error(format!("`{}` is not text in UTF-8", path.display()))
        .note(format!("the first byte that is not is in line {line}"))
}
