//! `musterd config` and `musterd snapshot`: the replicated configuration, and all that decisions are made from.

use super::answer::{Failure, ask, print, print_json};
use muster_api::cluster::ClusterConfig;
use muster_api::cluster_diff::is_secret;
use muster_api::control::{Request, Response, Snapshot};
use muster_api::resource::Resource;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// What stands for a password that is not shown.
const HIDDEN: &str = "***";

/// Prints the configuration; passwords only where they are asked for.
pub(super) fn show(socket: &Path, with_secrets: bool) -> Result<(), Failure> {
    let mut config = ask_snapshot(socket)?.config;
    if !with_secrets {
        hide_secrets(&mut config);
    }
    let text = serde_json::to_string_pretty(&config).map_err(|error| Failure::Failed(error.to_string()))?;
    print(&(text + "\n"));
    Ok(())
}

/// Prints the snapshot. The passwords of fence devices are hidden; those of resources are not, because whether a
/// resource runs with its present parameters is decided from all of them.
pub(super) fn snapshot(socket: &Path) -> Result<(), Failure> {
    let mut snapshot = ask_snapshot(socket)?;
    for device in &mut snapshot.config.fence_devices {
        hide(&mut device.params);
    }
    print_json(&snapshot)
}

/// Replaces the configuration. Where the file has a generation, it must be the present one: what was changed in
/// the meantime is not undone.
pub(super) fn set(socket: &Path, file: &Path) -> Result<(), Failure> {
    let text =
        read(file).map_err(|error| Failure::Failed(format!("cannot read {}: {error}", file.display())))?;
    let config: ClusterConfig = serde_json::from_str(&text).map_err(|error| {
        Failure::Failed(format!("{}:{}:{}: {error}", file.display(), error.line(), error.column()))
    })?;
    let mut config = config;
    if params(&mut config).any(|params| params.values().any(|value| value == HIDDEN)) {
        return Err(Failure::Failed(format!(
            "{} has `{HIDDEN}` for a password: print it with `musterd config show --secrets`",
            file.display()
        )));
    }
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

fn hide_secrets(config: &mut ClusterConfig) {
    params(config).for_each(hide);
}

fn hide(params: &mut BTreeMap<String, String>) {
    for (_, value) in params.iter_mut().filter(|(name, _)| is_secret(name)) {
        HIDDEN.clone_into(value);
    }
}

/// The parameters of each resource and each fence device.
fn params(config: &mut ClusterConfig) -> impl Iterator<Item = &mut BTreeMap<String, String>> {
    let primitives = config.resources.iter_mut().flat_map(Resource::primitives_mut);
    let of_devices = config.fence_devices.iter_mut().map(|device| &mut device.params);
    primitives.map(|primitive| &mut primitive.params).chain(of_devices)
}

/// All that the scheduler decides from.
pub(super) fn ask_snapshot(socket: &Path) -> Result<Snapshot, Failure> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use muster_api::fencing::FenceDevice;

    #[test]
    fn passwords_are_not_shown_and_what_is_hidden_is_found_again() {
        let params_of_device = [("ip", "10.0.0.9"), ("password", "secret")];
        let device = FenceDevice {
            id: "fence-web1".into(),
            agent: "fence_redfish".into(),
            params: params_of_device.map(|(name, value)| (name.into(), value.into())).into(),
            meta: [].into(),
        };
        let mut config = ClusterConfig { fence_devices: vec![device], ..ClusterConfig::default() };
        hide_secrets(&mut config);
        let values: Vec<String> = params(&mut config).flat_map(|params| params.values().cloned()).collect();
        assert_eq!(values, ["10.0.0.9", HIDDEN]);
    }
}
