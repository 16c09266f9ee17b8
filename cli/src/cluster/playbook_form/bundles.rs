//! `bundles`: replicas of a container, with a resource inside where there is one. The agents do not run them; they are read to be
//! simulated, and to be handed to Pacemaker.

use super::resources::Beside;
use super::value::Reader;
use super::{conditional, resources};
use crate::suggest::did_you_mean;
use muster_api::cluster::{ClusterConfig, Owner};
use muster_api::id::ResourceId;
use muster_api::resource::{Bundle, Resource};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

type Attributes = BTreeMap<String, String>;

/// Container technologies, each the key of the container's options.
const TECHNOLOGIES: [&str; 3] = ["podman", "docker", "rkt"];

pub(super) fn read(
    reader: &mut Reader,
    args: &Map<String, Value>,
    config: &mut ClusterConfig,
    beside: &mut Beside,
) {
    if args.get("bundles").is_some_and(|value| !super::value::is_empty(value)) && reader.is_to_run() {
        return reader.within("bundles", |reader| {
            reader
                .problem("bundles are not supported: muster runs primitives, groups and clones".to_string());
        });
    }
    let bundles = reader.field(args, "bundles", |reader, value| {
        reader.list(value, |reader, value| read_one(reader, value, beside))
    });
    for (index, bundle) in bundles.unwrap_or_default().into_iter().enumerate() {
        reader.within("bundles", |reader| reader.at(index, |reader| place(reader, config, bundle)));
    }
}

/// A bundle as it is written: what runs in it by name.
struct Written {
    bundle: Bundle,
    resource: Option<String>,
}

fn read_one(reader: &mut Reader, value: &Value, beside: &mut Beside) -> Option<Written> {
    let map = reader.mapping(value)?;
    let own = ["id", "network", "ports", "storage", "resource", "meta", "meta_when"];
    reader.known_keys(map, &[&TECHNOLOGIES[..], &own[..]].concat(), &[]);
    let id = ResourceId::from(reader.required_text(map, "id")?);
    let technology = TECHNOLOGIES.into_iter().find(|name| map.contains_key(*name));
    let Some(technology) = technology else {
        reader.problem("a bundle needs a container: `podman`, `docker` or `rkt`".to_string());
        return None;
    };
    let attributes =
        |reader: &mut Reader, key: &str| reader.field(map, key, Reader::texts).unwrap_or_default();
    let (container, network) = (attributes(reader, technology), attributes(reader, "network"));
    let mut mappings = Vec::new();
    for key in ["storage", "ports"] {
        let read = |reader: &mut Reader, value: &Value| {
            reader.list(value, |reader, value| Some(reader.texts(value)))
        };
        mappings.extend(reader.field(map, key, read).unwrap_or_default());
    }
    let meta = reader.field(map, "meta", resources::read_meta).unwrap_or_default();
    conditional::read(reader, map, "meta_when", &Owner::Meta(id.clone()), &mut beside.conditional);
    let technology = technology.to_string();
    let bundle = Bundle { id, technology, container, network, mappings, primitive: None, meta };
    Some(Written { bundle, resource: reader.text_field(map, "resource") })
}

/// Puts a bundle where the resource stood that runs in it, or behind all others.
fn place(reader: &mut Reader, config: &mut ClusterConfig, written: Written) {
    let Written { mut bundle, resource } = written;
    let Some(name) = resource else { return config.resources.push(Resource::Bundle(bundle)) };
    let found = config.resources.iter_mut().find_map(|one| match one {
        Resource::Primitive(primitive) if primitive.id.as_str() == name => Some((primitive.clone(), one)),
        _ => None,
    });
    if let Some((primitive, place)) = found {
        bundle.primitive = Some(primitive);
        *place = Resource::Bundle(bundle);
    } else {
        let ids: Vec<&str> = config.resources.iter().map(|one| one.id().as_str()).collect();
        let hint = did_you_mean(&name, ids);
        let sentence = format!("there is no resource `{name}` of its own in `resources`");
        reader.within("resource", |reader| reader.problem_with_hint(sentence, hint));
    }
}

/// The mapping is one of a directory; others are of ports.
pub(super) fn is_storage(mapping: &Attributes) -> bool {
    crate::cluster::cib::is_storage(mapping)
}
