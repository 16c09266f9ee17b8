//! What a node was told since it started, written down one record after the other. A node is deterministic: told the same
//! again, it wants the same done, byte for byte. So a recording from the field is a run that can be looked at anywhere.

use crate::effect::Effect;
use crate::input::Input;
use crate::node::Boot;
use crate::time::Now;
use core::fmt::{self, Write};
use serde::{Deserialize, Serialize};

/// One line of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// The agent started.
    Boot {
        /// When.
        now: Now,
        /// With what.
        boot: Boot,
    },
    /// One step.
    Step {
        /// When.
        now: Now,
        /// What came in.
        input: Input,
        /// [`digest`] of what it wanted done.
        effects: u64,
    },
}

/// A number that differs where effects do (FNV-1a of all that they contain).
pub fn digest(effects: &[Effect]) -> u64 {
    let mut digest = Digest(0xcbf2_9ce4_8422_2325);
    for effect in effects {
        // Writing to a number cannot fail.
        let _ = write!(digest, "{effect:?};");
    }
    digest.0
}

struct Digest(u64);

impl Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = text
            .bytes()
            .fold(self.0, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Ok(())
    }
}
