//! What a CIB says and the model has no place for, by name and line: nothing is left out in silence.

use super::xml::{self, Element};

/// Elements with the attributes that are read; of `*` all are.
const READ: &[(&str, &[&str])] = &[
    ("crm_config", &[]),
    ("rsc_defaults", &[]),
    ("op_defaults", &[]),
    ("nodes", &[]),
    ("resources", &[]),
    ("constraints", &[]),
    ("tags", &[]),
    ("fencing-topology", &[]),
    ("cluster_property_set", SET),
    ("instance_attributes", SET),
    ("meta_attributes", SET),
    ("utilization", SET),
    ("nvpair", &["id", "id-ref", "name", "value"]),
    ("node", &["id", "uname", "type", "score"]),
    ("primitive", &["id", "class", "provider", "type", "template"]),
    ("template", &["id", "class", "provider", "type"]),
    ("group", &["id"]),
    ("clone", &["id"]),
    ("master", &["id"]),
    ("bundle", &["id"]),
    ("docker", &["*"]),
    ("podman", &["*"]),
    ("rkt", &["*"]),
    ("network", &["*"]),
    ("storage", &[]),
    ("port-mapping", &["*"]),
    ("storage-mapping", &["*"]),
    ("operations", &["id", "id-ref"]),
    ("op", &["*"]),
    ("rule", &["id", "id-ref", "score", "score-attribute", "boolean-op", "role"]),
    ("expression", &["id", "id-ref", "attribute", "operation", "value", "type", "value-source"]),
    ("date_expression", &["id", "id-ref", "operation", "start", "end"]),
    ("duration", &["id", "id-ref", "years", "months", "weeks", "days", "hours", "minutes", "seconds"]),
    (
        "date_spec",
        &[
            "id",
            "id-ref",
            "years",
            "months",
            "monthdays",
            "hours",
            "minutes",
            "seconds",
            "yeardays",
            "weekyears",
            "weeks",
            "weekdays",
        ],
    ),
    ("rsc_expression", &["id", "id-ref", "class", "provider", "type"]),
    ("op_expression", &["id", "id-ref", "name", "interval"]),
    ("rsc_location", &["id", "rsc", "rsc-pattern", "node", "score", "role", "resource-discovery"]),
    (
        "rsc_colocation",
        &["id", "rsc", "rsc-role", "with-rsc", "with-rsc-role", "score", "node-attribute", "influence"],
    ),
    (
        "rsc_order",
        &[
            "id",
            "first",
            "first-action",
            "then",
            "then-action",
            "kind",
            "score",
            "symmetrical",
            "require-all",
        ],
    ),
    ("rsc_ticket", &["id", "rsc", "rsc-role", "ticket", "loss-policy"]),
    (
        "resource_set",
        &["id", "id-ref", "sequential", "require-all", "ordering", "action", "role", "score", "kind"],
    ),
    ("resource_ref", &["id"]),
    ("tag", &["id"]),
    ("obj_ref", &["id"]),
    (
        "fencing-level",
        &["id", "target", "target-pattern", "target-attribute", "target-value", "index", "devices"],
    ),
];

const SET: &[&str] = &["id", "id-ref", "score"];

/// Names what of a configuration is not taken over, and what is written in another way.
pub(super) fn note(configuration: Element<'_>, notes: &mut Vec<String>) {
    for section in xml::children(configuration) {
        note_inside(section, notes);
    }
}

fn note_inside(element: Element<'_>, notes: &mut Vec<String>) {
    let (name, line) = (element.tag_name().name(), xml::line(element));
    let Some((_, known)) = READ.iter().find(|(one, _)| *one == name) else {
        // An empty section says nothing.
        if xml::children(element).next().is_some()
            || element.attributes().len() > 0
            || element.text().is_some()
        {
            notes.push(format!("`<{name}>` is not taken over (line {line})"));
        }
        return;
    };
    let is_left = |attribute: &&str| !known.contains(attribute) && *known != ["*"];
    for attribute in
        element.attributes().map(|one| one.name()).collect::<Vec<_>>().iter().filter(|one| is_left(one))
    {
        notes.push(format!("`{attribute}` of `<{name}>` is not taken over (line {line})"));
    }
    notes.extend(otherwise(element).map(|what| format!("{what} (line {line})")));
    for child in xml::children(element) {
        note_inside(child, notes);
    }
}

/// What is said in another way than it is written.
fn otherwise(element: Element<'_>) -> Option<String> {
    let id = element.attribute("id").unwrap_or_default();
    let parent = element.parent_element();
    let name = element.tag_name().name();
    if let Some(reference) = element.attribute("id-ref").filter(|_| name != "resource_set") {
        return Some(format!("`id-ref` to `{reference}`: what it refers to is written out"));
    }
    match name {
        "template" if is_used(element, id) => Some(format!(
            "the template `{id}` is written out in what is made of it, and its name becomes a tag"
        )),
        "template" => Some(format!("the template `{id}` is not taken over: nothing is made of it")),
        "master" => Some(format!("`<master>` `{id}` is written as a promotable clone")),
        "rule" => {
            let set = parent?;
            let owner = set.parent_element()?.tag_name().name();
            let is_plain = match set.tag_name().name() {
                "utilization" => true,
                "instance_attributes" => ["node", "group", "clone", "master", "op"].contains(&owner),
                _ => false,
            };
            is_plain.then(|| {
                format!(
                    "values of `<{}>` in `<{owner}>` that depend on a rule are not taken over",
                    set.tag_name().name()
                )
            })
        }
        "instance_attributes" if ["group", "clone", "master"].contains(&parent?.tag_name().name()) => Some(
            format!("parameters of a `<{}>` are written out in what is in it", parent?.tag_name().name()),
        ),
        "utilization" if ["group", "clone", "master", "bundle"].contains(&parent?.tag_name().name()) => {
            Some(format!("`<utilization>` of a `<{}>` is not taken over", parent?.tag_name().name()))
        }
        _ => None,
    }
}

fn is_used(template: Element<'_>, id: &str) -> bool {
    let mut all = template.document().root_element().descendants();
    all.any(|one| one.has_tag_name("primitive") && one.attribute("template") == Some(id))
}
