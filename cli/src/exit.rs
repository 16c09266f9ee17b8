//! Exit codes, as ansible-playbook has them, so that scripts which call it keep working.

use std::process::ExitCode;

/// Why the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Fine,
    /// Something unexpected.
    Unexpected,
    /// A task failed on a host, or with `plan --detailed-exitcode`: something would change.
    HostFailed,
    /// A host could not be reached, or an input could not be understood.
    HostUnreachable,
    /// Wrong options.
    WrongUse,
    /// Ctrl-C.
    Interrupted,
    /// What another program said.
    Code(u8),
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Unexpected => 1,
            Self::HostFailed => 2,
            Self::HostUnreachable => 4,
            Self::WrongUse => 5,
            // ansible-playbook's own, and not 130: wrappers test for it.
            Self::Interrupted => 99,
            Self::Code(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
