//! Deliberate errors, to test the simulator: whether it finds each of them says what its silence is worth. They exist only
//! with the feature `planted`, which no program that is shipped has; without it every question is answered `false` when the
//! compiler reads it, and nothing of them is left.

/// The errors. Each is planted at the one place that asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "`BUGS` says what each does")]
pub enum Bug {
    PromiseNotOnDisk,
    EpochReused,
    PromiseTwice,
    StateForgotten,
    AckBeforeDisk,
    StateNamedEarly,
    ViewKeptOnPromise,
    OldOrdersObeyed,
    ActivatedBeforeInstalled,
    ReachIgnored,
    MuteNeverLeftOut,
    LostCoordinatorFollowed,
    AbsenceUnnoticed,
    VoteCountedTwice,
    NewcomersVote,
    EarlierLifeConfirmed,
    WaitForAllSkipped,
    RivalsIgnored,
    TieWonByBoth,
    InquorateStarts,
    InquorateGoesOn,
    CommittedEarly,
    AnsweredEarly,
    WorstStateTaken,
    HistoryForgotten,
    UnknownIsStopped,
    LostIsOff,
    LostForgotten,
    LeftIsLost,
    PromiseKeepsFacts,
    RestartKeepsFacts,
    FencedTwice,
    FencedWithoutQuorum,
    FencedWithoutReason,
    FencedNever,
    FencedOnSuspicion,
    OrderedTwice,
    OrderIgnored,
    StalePlanWalked,
    LeftWhileRunning,
    NeverSentAgain,
    UnreadablePanics,
    LossNoticedLate,
}

/// What each error does, and the invariants that it can break.
#[cfg(feature = "planted")]
pub const BUGS: &[(Bug, &str)] = &[
    (Bug::PromiseNotOnDisk, "a promise is answered before it is on disk"),
    (Bug::EpochReused, "a proposal takes an epoch that was used already"),
    (Bug::PromiseTwice, "a node promises the same epoch twice"),
    (Bug::StateForgotten, "a restart forgets the state that was on disk, and claims to hold it"),
    (Bug::AckBeforeDisk, "a configuration is acknowledged before it is on disk"),
    (Bug::StateNamedEarly, "the saved state gets its name before its content is on disk"),
    (Bug::ViewKeptOnPromise, "a node that promised still obeys its old view"),
    (Bug::OldOrdersObeyed, "orders of any view are obeyed"),
    (Bug::ActivatedBeforeInstalled, "a view is activated before all members hold its state"),
    (Bug::ReachIgnored, "nodes that do not reach each other are put in one view"),
    (Bug::MuteNeverLeftOut, "who does not answer a proposal is proposed again for ever"),
    (Bug::LostCoordinatorFollowed, "a member stays in the view of a coordinator that is lost"),
    (Bug::AbsenceUnnoticed, "a node that was not scheduled for long goes on as if nothing was"),
    (Bug::VoteCountedTwice, "a vote is counted twice"),
    (Bug::EarlierLifeConfirmed, "the end of an earlier fencing counts for the present life of the node"),
    (Bug::NewcomersVote, "a newcomer's vote counts among those that `last_man_standing` left"),
    (Bug::WaitForAllSkipped, "`wait_for_all` is skipped after a restart"),
    (Bug::RivalsIgnored, "a view is primary although another could be quorate as well"),
    (Bug::TieWonByBoth, "both halves of an even split win the tie"),
    (Bug::InquorateStarts, "a view that is not primary starts resources"),
    (Bug::InquorateGoesOn, "a view without quorum does not stop what runs"),
    (Bug::CommittedEarly, "a command is committed before all members hold it"),
    (Bug::AnsweredEarly, "a client is answered before the commit"),
    (Bug::WorstStateTaken, "a view begins with the oldest state of its members"),
    (Bug::HistoryForgotten, "a view begins without what its members say that runs on them"),
    (Bug::UnknownIsStopped, "an action whose end is not known counts as a resource that is stopped"),
    (Bug::LostIsOff, "a lost node counts as off"),
    (Bug::LostForgotten, "a new coordinator forgets lost nodes"),
    (Bug::LeftIsLost, "a node that left cleanly counts as lost"),
    (Bug::PromiseKeepsFacts, "a promise does not void what was known of the others being off"),
    (Bug::RestartKeepsFacts, "a restart believes what its disk says of the others being off"),
    (Bug::FencedTwice, "a device is used again after it has confirmed"),
    (Bug::FencedWithoutQuorum, "a view without quorum fences"),
    (Bug::FencedWithoutReason, "a fencing has no reason"),
    (Bug::FencedNever, "devices are never used"),
    (Bug::FencedOnSuspicion, "a peer is lost after a quarter of the token"),
    (Bug::OrderedTwice, "an action is ordered again while it is under way"),
    (Bug::OrderIgnored, "a transition does not wait for what must come before"),
    (Bug::StalePlanWalked, "a plan is walked on although the world has changed"),
    (Bug::LeftWhileRunning, "a node leaves while resources run on it"),
    (Bug::NeverSentAgain, "a part of a message that was lost is not sent again"),
    (Bug::UnreadablePanics, "a packet that cannot be read is a panic"),
    (Bug::LossNoticedLate, "a peer is lost after ten times the token"),
];

#[cfg(feature = "planted")]
static PLANTED: core::sync::atomic::AtomicU8 = core::sync::atomic::AtomicU8::new(u8::MAX);

/// Plants an error in all nodes of this process, or none.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.store(bug.map_or(u8::MAX, |bug| bug as u8), core::sync::atomic::Ordering::Relaxed);
}

/// Whether that error is planted.
#[cfg(feature = "planted")]
pub(crate) fn planted(bug: Bug) -> bool {
    PLANTED.load(core::sync::atomic::Ordering::Relaxed) == bug as u8
}

/// Never.
#[cfg(not(feature = "planted"))]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}
