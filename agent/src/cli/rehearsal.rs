//! `musterd why` and `musterd simulate`: the running cluster, explained, and carried on in thought. Nothing of it is touched.

use super::Output;
use super::answer::{Failure, print, print_json};
use super::configuration::ask_snapshot;
use clap::{Args, ValueEnum};
use muster_core::schedule::{Answer, Course, Rehearsal, SingleFaults, WhatIf};
use std::path::Path;
use std::process::ExitCode;

/// What `why` is asked.
#[derive(Debug, Args)]
pub(super) struct WhyArgs {
    /// The resource, group or clone.
    resource: String,
    /// On this node, in detail.
    #[arg(long, value_name = "NODE")]
    on: Option<String>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// What is assumed, as `muster simulate` has it.
#[derive(Debug, Args)]
pub(super) struct SimulateArgs {
    /// As if this node had vanished; may be given several times.
    #[arg(long, value_name = "NODE")]
    node_down: Vec<String>,
    /// As if this node had come back.
    #[arg(long, value_name = "NODE")]
    node_up: Vec<String>,
    /// As if this node were in standby.
    #[arg(long, value_name = "NODE")]
    standby: Vec<String>,
    /// As if this resource had failed, wherever it runs or on that node.
    #[arg(long, value_name = "RESOURCE[@NODE]")]
    fail: Vec<String>,
    /// As if this cluster property were set.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// As if quorum were lost, or held.
    #[arg(long, value_name = "STATE")]
    quorum: Option<Quorum>,
    /// Try every single fault: each node lost, each resource failed where it runs, quorum lost.
    #[arg(long, conflicts_with = "why")]
    all_single_faults: bool,
    /// With `--all-single-faults`: exit with 2 where one of them is not survived.
    #[arg(long, requires = "all_single_faults")]
    detailed_exitcode: bool,
    /// Why this resource would be where it is, or nowhere, once everything is at rest.
    #[arg(long, value_name = "RESOURCE")]
    why: Option<String>,
    /// With `--why`: on this node, in detail.
    #[arg(long, value_name = "NODE", requires = "why")]
    on: Option<String>,
    /// How to print it.
    #[arg(short, long, visible_alias = "format", value_enum, default_value_t)]
    output: Output,
}

/// `--quorum`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Quorum {
    /// The members are not quorate.
    Lost,
    /// The members are quorate.
    Held,
}

impl SimulateArgs {
    fn what_if(&self) -> WhatIf {
        WhatIf {
            set: self.set.clone(),
            is_quorate: self.quorum.map(|quorum| quorum == Quorum::Held),
            node_up: self.node_up.clone(),
            standby: self.standby.clone(),
            fail: self.fail.clone(),
            node_down: self.node_down.clone(),
        }
    }
}

/// Explains a resource of the running cluster.
pub(super) fn why(socket: &Path, args: &WhyArgs) -> Result<(), Failure> {
    let rehearsal = Rehearsal::of_live(&ask_snapshot(socket)?);
    tell_why(&rehearsal, &args.resource, args.on.as_deref(), args.output)
}

/// Says what would follow; the exit code is 2 where `--detailed-exitcode` asks for it.
pub(super) fn simulate(socket: &Path, args: &SimulateArgs) -> Result<ExitCode, Failure> {
    let mut rehearsal = Rehearsal::of_live(&ask_snapshot(socket)?);
    args.what_if().apply(&mut rehearsal).map_err(|error| Failure::Failed(error.to_string()))?;
    if args.all_single_faults {
        let faults = SingleFaults::of(&rehearsal);
        show(args.output, &faults, &faults.to_string())?;
        let is_short = args.detailed_exitcode && faults.survived() < faults.faults.len();
        return Ok(if is_short { ExitCode::from(2) } else { ExitCode::SUCCESS });
    }
    if let Some(resource) = &args.why {
        rehearsal.run_to_rest();
        tell_why(&rehearsal, resource, args.on.as_deref(), args.output)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (decision, states) = (rehearsal.decide(), rehearsal.states.clone());
    let course = Course::of(rehearsal);
    show(args.output, &Answer::of(&decision, &states).with_course(&course), &course.to_string())?;
    Ok(ExitCode::SUCCESS)
}

fn tell_why(rehearsal: &Rehearsal, resource: &str, on: Option<&str>, output: Output) -> Result<(), Failure> {
    let explanation = rehearsal.why(resource, on).map_err(|unknown| Failure::Failed(unknown.to_string()))?;
    show(output, &explanation, &explanation.to_string())
}

fn show(output: Output, value: &impl serde::Serialize, text: &str) -> Result<(), Failure> {
    match output {
        Output::Json => print_json(value),
        Output::Text => {
            print(text);
            Ok(())
        }
    }
}
