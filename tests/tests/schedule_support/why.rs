//! A written question: prose, then what is so as in a case of the scheduler, with what is asked, then `---`, then the screens.
//!
//! ```text
//! why RESOURCE [on NODE]
//! fencing NODE pending|running|failed [WHAT THE DEVICE SAID]
//! ```

use super::World;
use super::case::{self, NOW_MS};
use muster_api::fencing::{FenceAction, FencingRecord, FencingState};
use muster_core::schedule::{Rehearsal, states};
use std::path::Path;

/// Compares the screens, or writes them where `BLESS` is set. Errs with the difference.
pub(crate) fn check(file: &Path) -> Result<(), String> {
    case::compare(file, answer)
}

fn answer(text: &str) -> Result<String, String> {
    let is_ours = |line: &&str| line.starts_with("why ") || line.starts_with("fencing ");
    let (ours, situation): (Vec<&str>, Vec<&str>) = text.lines().partition(is_ours);
    let mut rehearsal = rehearsal(case::read(&situation.join("\n"))?);
    rehearsal.fencing = ours.iter().filter_map(|line| fencing(line)).collect();
    let questions = ours.iter().filter_map(|line| line.strip_prefix("why "));
    let screens: Vec<String> = questions.map(|question| screen(&rehearsal, question)).collect();
    if screens.is_empty() {
        return Err("nothing is asked".into());
    }
    Ok(screens.join("\n---\n"))
}

fn rehearsal(world: World) -> Rehearsal {
    Rehearsal {
        states: states(&world.facts, &world.history),
        config: world.config.clone(),
        history: world.history.clone(),
        is_quorate: world.is_quorate,
        now_ms: world.now_ms,
        ..Rehearsal::default()
    }
}

fn screen(rehearsal: &Rehearsal, question: &str) -> String {
    let (resource, on) = question.split_once(" on ").map_or((question, None), |(what, on)| (what, Some(on)));
    match rehearsal.why(resource, on) {
        Ok(explanation) => explanation.to_string(),
        Err(unknown) => format!("error: {unknown}\n"),
    }
}

fn fencing(line: &str) -> Option<FencingRecord> {
    let mut words = line.strip_prefix("fencing ")?.splitn(3, ' ');
    let (target, state) = (words.next()?, words.next()?);
    let why = words.next().unwrap_or_default().to_string();
    Some(FencingRecord {
        number: 1,
        target: target.into(),
        action: FenceAction::Reboot,
        reason: "it vanished without leaving".into(),
        by: None,
        device: Some("fence".into()),
        requested_ms: NOW_MS - 5000,
        ended_ms: None,
        state: match state {
            "pending" => FencingState::Pending,
            "running" => FencingState::Running,
            _ => FencingState::Failed { why },
        },
    })
}
