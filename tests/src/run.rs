//! One run of the world: a seed, or a script, from its beginning to what came of it.

use crate::deed::Deed;
use crate::invariants::Violation;
use crate::plan::Plan;
use crate::random::Random;
use crate::script::Script;
use crate::tally::Tally;
use crate::trace::Trace;
use crate::world::World;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The first invariant that did not hold.
    pub violation: Option<Violation>,
    /// What happened how often.
    pub tally: Tally,
    /// What happened, where it was kept.
    pub trace: Trace,
    /// What it was about.
    pub plan: Plan,
    /// What was done to the nodes.
    pub deeds: Vec<(Duration, Deed)>,
    /// What the nodes said, where it is a script.
    pub story: Vec<String>,
}

/// Runs a seed: first the faults, then the time in which everything must become whole again.
pub fn run_seed(seed: u64, nodes: Option<u32>, trace: Trace) -> Outcome {
    let plan = draw_plan(seed, nodes);
    catch(plan.clone(), move || {
        let mut world = World::new(plan, seed, trace);
        world.begin();
        world.begin_chaos();
        world.run_until(world.plan.duration);
        world.heal_and_check();
        world.outcome()
    })
}

/// What a seed is about.
pub fn draw_plan(seed: u64, nodes: Option<u32>) -> Plan {
    Plan::draw(&mut Random::new(seed), nodes)
}

/// Plays a script.
pub fn run_script(script: &Script, trace: Trace) -> Outcome {
    catch(script.plan.clone(), || script.play(trace))
}

/// A panic of the core is a violation like any other.
fn catch(plan: Plan, run: impl FnOnce() -> Outcome) -> Outcome {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let what = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_string()));
        Outcome {
            violation: Some(Violation {
                invariant: "panic",
                what: what.unwrap_or_default(),
                at: Duration::ZERO,
            }),
            tally: Tally::default(),
            trace: Trace::default(),
            plan,
            deeds: Vec::new(),
            story: Vec::new(),
        }
    })
}
