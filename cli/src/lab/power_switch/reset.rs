//! What can be done to a node's power, in the words of Redfish (ComputerSystem, `ResetType`).

use std::time::Instant;

use super::log::{self, Entry};
use crate::lab::error::Result;
use crate::lab::node::{Button, Node, Power};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reset {
    On,
    ForceOff,
    ForceRestart,
    GracefulShutdown,
    GracefulRestart,
    /// The same as `ForceRestart` here: a node has no chips that only a cut of its power resets.
    PowerCycle,
}

impl Reset {
    pub(crate) const ALL: [Self; 6] = [
        Self::On,
        Self::ForceOff,
        Self::ForceRestart,
        Self::GracefulShutdown,
        Self::GracefulRestart,
        Self::PowerCycle,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::On => "On",
            Self::ForceOff => "ForceOff",
            Self::ForceRestart => "ForceRestart",
            Self::GracefulShutdown => "GracefulShutdown",
            Self::GracefulRestart => "GracefulRestart",
            Self::PowerCycle => "PowerCycle",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reset| reset.name() == name)
    }

    fn carry_out(self, node: &Node<'_>) -> Result<()> {
        match self {
            Self::On => node.power_on(),
            Self::ForceOff => node.cut_power(),
            Self::ForceRestart | Self::PowerCycle => node.cycle_power(),
            Self::GracefulShutdown if node.power() == Power::Off => Ok(()),
            Self::GracefulShutdown => node.press(Button::PowerOff),
            Self::GracefulRestart => node.press(Button::Reboot),
        }
    }
}

/// Carries out a reset and logs it, with who asked for it.
pub(crate) fn switch(node: &Node<'_>, reset: Reset, asked_by: &str) -> Result<()> {
    record(node, reset.name(), asked_by, || reset.carry_out(node))
}

/// Does something to a node's power and writes into the log what, when, for whom, how long, with what result.
pub(crate) fn record(
    node: &Node<'_>,
    action: &str,
    asked_by: &str,
    act: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let at = jiff::Timestamp::now().to_string();
    let begun = Instant::now();
    let result = act();
    log::append(
        &node.lab().files,
        &Entry {
            at,
            node: node.name().to_owned(),
            action: action.to_owned(),
            asked_by: asked_by.to_owned(),
            took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            failure: result.as_ref().err().map(ToString::to_string),
        },
    )?;
    result
}
