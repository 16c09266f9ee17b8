//! An explanation as text: what decided first, then the nodes side by side, then what to do.

use super::{Explanation, Place, Reason};
use crate::id::NodeName;
use crate::resource::Score;
use crate::status::ResourceState;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

impl fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{} ({}) is {}", self.resource, self.agent, standing(self))?;
        write_reasons(formatter, &self.reasons, 1)?;
        for action in &self.waits_for {
            writeln!(formatter, "  waits for: {action}")?;
        }
        write_places(formatter, &self.places)?;
        if !self.parts.is_empty() {
            writeln!(formatter, "\nParts")?;
        }
        for part in &self.parts {
            writeln!(formatter, "  {}  {}", part.id, part.why)?;
        }
        write_steps(formatter, self)
    }
}

fn standing(explanation: &Explanation) -> String {
    let place = |node: &NodeName| {
        let role = if explanation.promoted.contains(node) { " (promoted)" } else { "" };
        format!("{node}{role}")
    };
    let chosen = || explanation.places.iter().filter(|place| place.is_chosen).map(|place| &place.node);
    let places: Vec<String> = match explanation.state {
        ResourceState::Starting => chosen().map(ToString::to_string).collect(),
        _ => explanation.nodes.iter().map(place).collect(),
    };
    let place = if places.is_empty() { String::new() } else { format!(" on {}", places.join(", ")) };
    format!("{}{place}", word(explanation.state))
}

fn word(state: ResourceState) -> &'static str {
    match state {
        ResourceState::Started => "started",
        ResourceState::Stopped => "stopped",
        ResourceState::Starting => "starting",
        ResourceState::Stopping => "stopping",
        ResourceState::Failed => "failed",
        ResourceState::Blocked => "blocked",
        ResourceState::Unknown => "not known",
    }
}

fn write_reasons(formatter: &mut fmt::Formatter<'_>, reasons: &[Reason], depth: usize) -> fmt::Result {
    for reason in reasons {
        let name = if depth > 1 { format!("{}: ", reason.about) } else { String::new() };
        writeln!(formatter, "{:indent$}{name}{}", "", reason.sentence, indent = depth * 2)?;
        write_reasons(formatter, &reason.because, depth + 1)?;
    }
    Ok(())
}

fn write_places(formatter: &mut fmt::Formatter<'_>, places: &[Place]) -> fmt::Result {
    if places.is_empty() {
        return Ok(());
    }
    let width = places.iter().map(|place| place.node.as_str().chars().count()).max().unwrap_or(0).max(4);
    let has_roles = places.iter().any(|place| place.promotion_score.is_some());
    let role = if has_roles { format!("{:>9}", "promotion") } else { String::new() };
    let heading = format!("  {:width$}  {:>9}  {role}", "node", "score");
    writeln!(formatter, "\n{}", heading.trim_end())?;
    for place in places {
        let score = |score: Option<Score>| score.map_or("-".into(), |score| score.to_string());
        let promotion =
            if has_roles { format!("{:>9}  ", score(place.promotion_score)) } else { String::new() };
        let line = format!(
            "  {:width$}  {:>9}  {promotion}{}",
            place.node.as_str(),
            score(place.score),
            verdict(place)
        );
        writeln!(formatter, "{}", line.trim_end())?;
        for part in &place.parts {
            writeln!(formatter, "  {:width$}  {:>9}    {}", "", part.score.to_string(), part.why)?;
        }
    }
    Ok(())
}

fn verdict(place: &Place) -> String {
    let state = match (place.is_active, place.is_chosen, place.is_possible) {
        (true, true, _) => "here",
        (true, false, _) => "leaves",
        (false, true, _) => "comes here",
        (false, false, true) => "could be here",
        (false, false, false) => "cannot be here",
    };
    let reasons: Vec<&str> = place.reasons.iter().map(|reason| reason.sentence.as_str()).collect();
    if reasons.is_empty() { state.into() } else { format!("{state}: {}", reasons.join("; ")) }
}

fn write_steps(formatter: &mut fmt::Formatter<'_>, explanation: &Explanation) -> fmt::Result {
    let steps = explanation.next_steps();
    if steps.is_empty() {
        return Ok(());
    }
    writeln!(formatter, "\nWhat to do")?;
    for step in steps {
        match &step.command {
            Some(command) => writeln!(formatter, "  {}: {command}", step.what)?,
            None => writeln!(formatter, "  {}", step.what)?,
        }
    }
    Ok(())
}
