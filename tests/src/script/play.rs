//! Plays a script in the world.

use super::{Script, State, Step};
use crate::run::Outcome;
use crate::trace::Trace;
use crate::world::World;
use std::time::Duration;

/// How often a state is looked at while time passes.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Script {
    /// Plays it to its end, or to the first invariant or expectation that does not hold (the latter is called `expect`).
    pub fn play(&self, trace: Trace) -> Outcome {
        self.play_in(World::new(self.plan.clone(), self.seed, trace)).outcome()
    }

    /// The same in a world that was made for it.
    pub fn play_in(&self, mut world: World) -> World {
        world.story = Some(Vec::new());
        world.begin();
        for step in &self.steps {
            take(&mut world, step);
        }
        world.heal_and_check();
        world
    }
}

fn take(world: &mut World, step: &Step) {
    match step {
        Step::Deed(at, deed) => {
            if let Some(at) = at {
                world.run_until(*at);
            }
            world.carry(deed.clone());
        }
        Step::Run(duration) => world.run_until(world.at + *duration),
        Step::Until(at) => world.run_until(*at),
        Step::Wait(limit, state) => wait(world, *limit, state),
        Step::Expect(state) => expect(world, state),
        Step::Hold(duration, state) => {
            let until = world.at + *duration;
            while world.at < until && !world.is_over() {
                expect(world, state);
                world.run_until(world.at + LOOK_EVERY);
            }
        }
    }
}

fn wait(world: &mut World, limit: Duration, state: &State) {
    let until = world.at + limit;
    while world.at < until && !world.is_over() && !state.is_so(world) {
        world.run_until(world.at + LOOK_EVERY);
    }
    expect(world, state);
}

fn expect(world: &mut World, state: &State) {
    if !world.is_over() && !state.is_so(world) {
        let places = world.what_is_missing();
        world.violate("expect", format!("not so: {state}; {places}"));
    }
}
