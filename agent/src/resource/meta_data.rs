//! What a resource agent or a fence agent says about itself: parameters, and actions with their advised timeouts
//! (OCF Resource Agent API 1.1, "Metadata").

use muster_api::cluster::parse_bool;
use muster_api::duration;
use muster_api::reload::{self, Reloading};
use roxmltree::{Document, Node};
use std::fmt::Write;

/// What agents from before OCF 1.1 call [`reload::OPERATION`].
const OLDER_RELOAD: &str = "reload";

/// The meta-data of one agent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct MetaData {
    /// One sentence.
    pub(crate) summary: String,
    /// All parameters.
    pub(crate) parameters: Vec<Parameter>,
    /// All actions.
    pub(crate) actions: Vec<AdvisedAction>,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Parameter {
    /// Its name.
    pub(crate) name: String,
    /// Whether it must be given.
    pub(crate) is_required: bool,
    /// Its default, where it has one.
    pub(crate) default: Option<String>,
    /// One sentence.
    pub(crate) summary: String,
    /// A change of it is taken over while the resource runs (OCF 1.1).
    pub(crate) is_reloadable: bool,
    /// No two resources may have the same value; before OCF 1.1 the others are those that can be taken over.
    pub(crate) is_unique: bool,
}

/// One action with what its author advises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AdvisedAction {
    /// Its name.
    pub(crate) name: String,
    /// How long it may take, milliseconds.
    pub(crate) timeout_ms: Option<u64>,
    /// How often it should run, milliseconds.
    pub(crate) interval_ms: Option<u64>,
}

impl MetaData {
    /// Reads the XML that an agent prints.
    pub(crate) fn parse(xml: &str) -> Result<Self, roxmltree::Error> {
        let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
        // Some agents print a warning first.
        let start = xml.find("<?xml").or_else(|| xml.find('<')).unwrap_or(0);
        let document = Document::parse_with_options(xml[start..].trim_end(), options)?;
        let root = document.root_element();
        Ok(Self {
            summary: summary(root),
            parameters: named(root, "parameter").map(parameter).collect(),
            actions: named(root, "action").map(action).collect(),
        })
    }

    /// The parameter of that name.
    pub(crate) fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// Whether the agent has that action.
    pub(crate) fn has_action(&self, name: &str) -> bool {
        self.actions.iter().any(|action| action.name == name)
    }

    /// What the agent takes over while its resource runs, where it can. Agents from before OCF 1.1 have the action `reload`, and
    /// need a restart for the parameters that are unique.
    pub(crate) fn reloading(&self) -> Option<Reloading> {
        let is_current = self.has_action(reload::OPERATION);
        if !is_current && !self.has_action(OLDER_RELOAD) {
            return None;
        }
        let needs_restart = self.parameters.iter().filter(|parameter| match is_current {
            true => !parameter.is_reloadable,
            false => parameter.is_unique,
        });
        Some(Reloading { needs_restart: needs_restart.map(|parameter| parameter.name.clone()).collect() })
    }

    /// The action that makes the agent take over parameters.
    pub(crate) fn reload_action(&self) -> &'static str {
        match !self.has_action(reload::OPERATION) && self.has_action(OLDER_RELOAD) {
            true => OLDER_RELOAD,
            false => reload::OPERATION,
        }
    }

    /// The meta-data for a person.
    pub(crate) fn text(&self, agent: &str) -> String {
        let mut text = format!("{agent}: {}\n", self.summary);
        for parameter in &self.parameters {
            let note = match (&parameter.default, parameter.is_required) {
                (_, true) => " (required)".to_owned(),
                (Some(default), _) if !default.is_empty() => format!(" (default: {default})"),
                _ => String::new(),
            };
            let _ = writeln!(text, "  {}{note}: {}", parameter.name, parameter.summary);
        }
        for action in &self.actions {
            let advised = |label, ms: Option<u64>| {
                ms.map(|ms| format!(" {label} {}", duration::format_ms(ms))).unwrap_or_default()
            };
            let _ = writeln!(
                text,
                "  action {}{}{}",
                action.name,
                advised("timeout", action.timeout_ms),
                advised("interval", action.interval_ms)
            );
        }
        text
    }
}

fn named<'a>(root: Node<'a, 'a>, tag: &'static str) -> impl Iterator<Item = Node<'a, 'a>> {
    root.descendants().filter(move |node| node.has_tag_name(tag) && node.has_attribute("name"))
}

fn parameter(node: Node<'_, '_>) -> Parameter {
    let content = node.children().find(|child| child.has_tag_name("content"));
    let is_true = |name| node.attribute(name).and_then(parse_bool) == Some(true);
    Parameter {
        name: attribute(node, "name"),
        is_required: node.attribute("required") == Some("1"),
        default: content.and_then(|content| content.attribute("default")).map(str::to_owned),
        summary: summary(node),
        is_reloadable: is_true("reloadable"),
        is_unique: is_true("unique"),
    }
}

fn action(node: Node<'_, '_>) -> AdvisedAction {
    let advised = |name| node.attribute(name).and_then(duration::parse_ms);
    AdvisedAction {
        name: attribute(node, "name"),
        timeout_ms: advised("timeout"),
        interval_ms: advised("interval"),
    }
}

fn attribute(node: Node<'_, '_>, name: &str) -> String {
    node.attribute(name).unwrap_or_default().to_owned()
}

fn summary(node: Node<'_, '_>) -> String {
    let child = node.children().find(|child| child.has_tag_name("shortdesc"));
    let text =
        child.and_then(|child| child.text()).or_else(|| node.attribute("shortdesc")).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_actions_are_read_from_the_xml() {
        let xml = r#"warning: something
<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="Thing" version="1.0">
<shortdesc lang="en">Manages a
thing</shortdesc>
<parameters>
<parameter name="ip" unique="1" required="1"><shortdesc lang="en">Its address</shortdesc><content type="string"/></parameter>
<parameter name="port"><content type="integer" default="80"/></parameter>
</parameters>
<actions><action name="start" timeout="20s"/><action name="monitor" timeout="20" interval="10s"/></actions>
</resource-agent>"#;
        let meta_data = MetaData::parse(xml).expect("it is XML");
        assert_eq!(meta_data.summary, "Manages a thing");
        assert!(meta_data.parameter("ip").expect("it is there").is_required);
        assert_eq!(meta_data.parameter("port").and_then(|port| port.default.as_deref()), Some("80"));
        assert!(meta_data.has_action("start") && !meta_data.has_action("promote"));
        assert_eq!(meta_data.actions[1].interval_ms, Some(10_000));
    }

    fn reloading(parameters: &str, actions: &[&str]) -> (Option<String>, &'static str) {
        let actions: String = actions.iter().map(|name| format!("<action name=\"{name}\"/>")).collect();
        let xml = format!(
            "<resource-agent><parameters>{parameters}</parameters><actions>{actions}</actions></resource-agent>"
        );
        let meta_data = MetaData::parse(&xml).expect("it is XML");
        (meta_data.reloading().map(|reloading| reloading.to_string()), meta_data.reload_action())
    }

    #[test]
    fn an_agent_of_ocf_1_1_names_what_is_reloadable_and_an_older_one_what_is_unique() {
        let current = r#"<parameter name="state"/><parameter name="fake" reloadable="1"/>"#;
        let both = ["start", "reload", "reload-agent"];
        assert_eq!(reloading(current, &both), (Some("state".to_owned()), "reload-agent"));
        let older = r#"<parameter name="state" unique="1"/><parameter name="fake" unique="0"/>"#;
        assert_eq!(reloading(older, &["start", "reload"]), (Some("state".to_owned()), "reload"));
        assert_eq!(reloading(older, &["start", "stop"]).0, None);
    }
}
