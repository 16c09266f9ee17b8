//! Plays a recording (`muster_core::recording`) again, and compares what the node wants done with what it wanted then.

use crate::trace::Trace;
use muster_core::node::Node;
use muster_core::recording::{Record, digest};
use std::time::Duration;

/// Plays the lines of a recording. Returns how many steps there were.
///
/// # Errors
///
/// The first line that cannot be read or that has other effects now.
pub fn replay(text: &str, trace: &mut Trace) -> Result<u64, String> {
    let mut node: Option<(Node, String)> = None;
    let mut steps = 0;
    for (number, line) in text.lines().enumerate() {
        let place = format!("line {}", number + 1);
        let record = serde_json::from_str(line).map_err(|error| format!("{place}: {error}"))?;
        match record {
            Record::Boot { now, boot } => {
                let name = format!("n{}", boot.me);
                let started = Node::new(now, boot).map_err(|error| format!("{place}: {error}"))?;
                node = Some((started, name));
            }
            Record::Step { now, input, effects } => {
                let Some((node, name)) = node.as_mut() else {
                    return Err(format!("{place}: a recording begins with the start of the agent"));
                };
                let wanted = node.step(now, input.clone());
                trace.step(Duration::from_nanos(now.at.0), name, &input, &wanted);
                steps += 1;
                if digest(&wanted) != effects {
                    return Err(format!("{place}: the effects are not those that were recorded"));
                }
            }
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Script;
    use crate::world::World;

    fn recording() -> String {
        let script = Script::parse(
            "nodes 3\nnetwork loss 20\nwait 60s for calm\ncrash n1 for 5s\nask n2 mark\nrun 30s",
        );
        let script = script.expect("the script can be read");
        let mut world = World::new(script.plan.clone(), 7, Trace::default());
        world.recording = Some((1, Vec::new()));
        let world = script.play_in(world);
        let records = world.recording.expect("it was recorded").1;
        let lines = records.iter().map(|record| serde_json::to_string(record).expect("a record is JSON"));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_was_recorded_has_the_same_effects_again() {
        let steps = replay(&recording(), &mut Trace::default()).expect("the effects are the same");
        assert!(steps > 100, "{steps}");
    }

    #[test]
    fn a_recording_with_another_input_has_other_effects() {
        let text = recording();
        let line = text.lines().position(|line| line.contains("\"generation\":1")).unwrap_or(200);
        let changed: Vec<String> = text
            .lines()
            .enumerate()
            .filter(|(number, _)| !(line..line + 20).contains(number))
            .map(|(_, line)| line.to_string())
            .collect();
        assert!(replay(&changed.join("\n"), &mut Trace::default()).is_err());
    }
}
