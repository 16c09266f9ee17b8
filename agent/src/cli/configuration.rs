//! `musterd config` and `musterd snapshot`: the replicated configuration, and all that decisions are made from.

use super::answer::{Failure, ask, print, print_json};
use muster_api::cluster::ClusterConfig;
use muster_api::control::{Request, Response, Snapshot};
use std::io::Read;
use std::path::Path;

/// Prints the configuration.
pub(super) fn show(socket: &Path) -> Result<(), Failure> {
    let config = ask_snapshot(socket)?.config;
    let text = serde_json::to_string_pretty(&config).map_err(|error| Failure::Failed(error.to_string()))?;
    print(&(text + "\n"));
    Ok(())
}

/// Prints the snapshot.
pub(super) fn snapshot(socket: &Path) -> Result<(), Failure> {
    print_json(&ask_snapshot(socket)?)
}

/// Replaces the configuration. Where the file has a generation, it must be the present one: what was changed in
/// the meantime is not undone.
pub(super) fn set(socket: &Path, file: &Path) -> Result<(), Failure> {
    let text =
        read(file).map_err(|error| Failure::Failed(format!("cannot read {}: {error}", file.display())))?;
    let config: ClusterConfig = serde_json::from_str(&text).map_err(|error| {
        Failure::Failed(format!("{}:{}:{}: {error}", file.display(), error.line(), error.column()))
    })?;
    let expected_generation = match config.generation {
        0 => ask_snapshot(socket)?.config.generation,
        generation => generation,
    };
    match ask(socket, &Request::Configure { config, expected_generation })? {
        Response::Done { generation, .. } => {
            print(&format!("done: the configuration has generation {generation}\n"));
            Ok(())
        }
        _ => Err(Failure::Unexpected),
    }
}

fn ask_snapshot(socket: &Path) -> Result<Snapshot, Failure> {
    match ask(socket, &Request::Snapshot)? {
        Response::Snapshot { snapshot } => Ok(snapshot),
        _ => Err(Failure::Unexpected),
    }
}

fn read(file: &Path) -> std::io::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(file)
}
