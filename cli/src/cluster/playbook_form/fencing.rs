//! Fence devices and levels.

use super::value::Reader;
use muster_api::cluster::ClusterConfig;
use muster_api::fencing::{FenceDevice, FenceLevel};
use muster_api::id::ResourceId;
use muster_api::resource::{AgentClass, Primitive, Resource};
use serde_json::{Map, Value};

pub(super) fn read(reader: &mut Reader, args: &Map<String, Value>, config: &mut ClusterConfig) {
    let devices = reader.field(args, "fence_devices", |reader, value| reader.list(value, read_device));
    let levels = reader.field(args, "fence_levels", |reader, value| reader.list(value, read_level));
    config.fence_devices = devices.unwrap_or_default();
    config.fence_levels = levels.unwrap_or_default();
}

/// Takes the fence devices out of the resources, where Pacemaker has them: the agents know them as devices.
pub(super) fn lift(reader: &mut Reader, args: &Map<String, Value>, config: ClusterConfig) -> ClusterConfig {
    let is_device = |primitive: &Primitive| primitive.agent.class == AgentClass::Stonith;
    for (primitive, holder) in config.primitives().filter(|(primitive, _)| is_device(primitive)) {
        let id = &primitive.id;
        if let Some(holder) = holder {
            let what = format!(
                "`{id}` is a fence device, which is neither cloned nor grouped: take it out of `{holder}`"
            );
            at_resource(reader, args, id, "id", what);
        }
        if !primitive.operations.is_empty() {
            let what = format!(
                "`{id}` is a fence device; muster asks it when it fences and does not monitor it: leave `operations` out"
            );
            at_resource(reader, args, id, "operations", what);
        }
        for name in primitive.params.keys().filter(|name| name.starts_with("pcmk_") && !is_known_option(name))
        {
            at_resource(reader, args, id, "options", format!("there is no option `{name}` of fence devices"));
        }
    }
    let mut lifted = ClusterConfig { resources: Vec::new(), ..config };
    for resource in config.resources {
        match resource {
            Resource::Primitive(Primitive { id, agent, params, meta, .. })
                if agent.class == AgentClass::Stonith =>
            {
                lifted.fence_devices.push(FenceDevice { id, agent: agent.name, params, meta });
            }
            other => lifted.resources.push(other),
        }
    }
    lifted
}

/// Says what is wrong with a resource where it stands.
fn at_resource(reader: &mut Reader, args: &Map<String, Value>, id: &ResourceId, key: &str, what: String) {
    let written = args.get("resources").and_then(Value::as_array).into_iter().flatten();
    let mut ids = written.map(|item| item.get("id").and_then(Value::as_str));
    let place = ids.position(|one| one == Some(id.as_str()));
    reader.within("resources", |reader| match place {
        Some(place) => reader.at(place, |reader| reader.within(key, |reader| reader.problem(what))),
        None => reader.problem(what),
    });
}

/// What the cluster itself reads of a device's options.
const HOST_OPTIONS: &[&str] = &[
    "pcmk_delay_base",
    "pcmk_delay_max",
    "pcmk_host_argument",
    "pcmk_host_check",
    "pcmk_host_list",
    "pcmk_host_map",
];

fn read_device(reader: &mut Reader, value: &Value) -> Option<FenceDevice> {
    let map = reader.mapping(value)?;
    reader.known_keys(map, &["id", "agent", "options", "targets", "meta"], &[]);
    let id = reader.required_text(map, "id");
    let agent =
        reader.required_text(map, "agent").map(|agent| agent.trim_start_matches("stonith:").to_string());
    let mut params = reader.field(map, "options", Reader::texts).unwrap_or_default();
    for name in params.keys().filter(|name| name.starts_with("pcmk_") && !is_known_option(name)) {
        let sentence = format!("there is no option `{name}` of fence devices");
        reader.within("options", |reader| reader.bad_key(name, sentence, HOST_OPTIONS.iter().copied()));
    }
    let targets = reader.field(map, "targets", Reader::names);
    if let Some(targets) = targets.filter(|targets| !targets.is_empty()) {
        if params.contains_key("pcmk_host_list") {
            let sentence = "`targets` and the option `pcmk_host_list` say the same; keep one".to_string();
            reader.within("targets", |reader| reader.problem(sentence));
        }
        params.insert("pcmk_host_list".to_string(), targets.join(","));
    }
    let meta = reader.field(map, "meta", super::resources::read_meta).unwrap_or_default();
    Some(FenceDevice { id: id?.into(), agent: agent?, params, meta })
}

fn is_known_option(name: &str) -> bool {
    let of_action = || {
        let (action, what) = name.strip_prefix("pcmk_")?.rsplit_once('_')?;
        let is_action = ["reboot", "off", "on", "status", "monitor", "list"].contains(&action);
        Some(is_action && ["action", "timeout", "retries"].contains(&what))
    };
    HOST_OPTIONS.contains(&name) || of_action() == Some(true)
}

fn read_level(reader: &mut Reader, value: &Value) -> Option<FenceLevel> {
    let map = reader.mapping(value)?;
    reader.known_keys(map, &["target", "level", "devices"], &[]);
    let target = reader.required_text(map, "target");
    let level = reader.required_text(map, "level").and_then(|text| {
        let level = text.parse::<u8>().ok().filter(|level| (1..=9).contains(level) || !reader.is_to_run());
        if level.is_none() {
            reader.within("level", |reader| reader.problem(format!("`{text}` is not a level from 1 to 9")));
        }
        level
    });
    let devices = reader.field(map, "devices", Reader::names).unwrap_or_default();
    if devices.is_empty() && !reader.hides_something && reader.is_to_run() {
        reader.problem("a level needs at least one device in `devices`".to_string());
    }
    let devices = devices.into_iter().map(Into::into).collect();
    Some(FenceLevel { target: target?.into(), index: level?, devices })
}
