//! The figures that `set_stats` keeps: for the whole run and for single hosts.

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::ser::PrettyFormatter;
use serde_json::{Map, Number, Serializer, Value as Json};

/// What was kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct CustomStats {
    run: Map<String, Json>,
    hosts: IndexMap<String, Map<String, Json>>,
}

impl CustomStats {
    /// Whether nothing was kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.run.is_empty() && self.hosts.is_empty()
    }

    /// Keeps figures, for a host or else for the run; with `aggregate` they are added to those that are there.
    pub(crate) fn keep(&mut self, host: Option<&str>, data: &Map<String, Json>, aggregate: bool) {
        let kept = match host {
            Some(host) => self.hosts.entry(host.to_owned()).or_default(),
            None => &mut self.run,
        };
        for (name, value) in data {
            match kept.get_mut(name).filter(|_| aggregate) {
                Some(known) => add(known, value),
                None => drop(kept.insert(name.clone(), value.clone())),
            }
        }
    }

    /// A line for each host and one for the run, as Ansible writes them.
    pub(crate) fn lines(&self) -> String {
        let mut hosts: Vec<_> = self.hosts.iter().collect();
        hosts.sort_by_key(|(host, _)| *host);
        let mut text: String =
            hosts.into_iter().map(|(host, kept)| format!("\t{host}: {}\n", one_line(kept))).collect();
        if !self.run.is_empty() {
            text += &format!("\tRUN: {}\n", one_line(&self.run));
        }
        text
    }
}

/// Numbers are added, lists and texts joined, mappings merged; figures of different kinds stay as they are.
fn add(known: &mut Json, more: &Json) {
    match (known, more) {
        (Json::Object(known), Json::Object(more)) => known.extend(more.clone()),
        (Json::Array(known), Json::Array(more)) => known.extend(more.iter().cloned()),
        (Json::String(known), Json::String(more)) => known.push_str(more),
        (Json::Number(known), Json::Number(more)) => {
            let whole = known.as_i64().zip(more.as_i64()).map(|(one, other)| Number::from(one + other));
            let real = || Number::from_f64(known.as_f64()? + more.as_f64()?);
            *known = whole.or_else(real).unwrap_or_else(|| known.clone());
        }
        _ => {}
    }
}

fn one_line(kept: &Map<String, Json>) -> String {
    let mut sorted: Vec<_> = kept.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    let sorted: Map<String, Json> =
        sorted.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, PrettyFormatter::with_indent(b" "));
    // A map with text keys can be written into memory.
    let _ = sorted.serialize(&mut serializer);
    String::from_utf8_lossy(&bytes).replace('\n', "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Json) -> Map<String, Json> {
        value.as_object().cloned().expect("a mapping")
    }

    #[test]
    fn figures_add_up_for_the_run_and_replace_each_other_for_a_host() {
        let mut stats = CustomStats::default();
        stats.keep(None, &map(json!({"count": 10, "names": ["a"]})), true);
        stats.keep(None, &map(json!({"count": 15, "names": ["b"]})), true);
        stats.keep(Some("n1"), &map(json!({"count": 1})), false);
        stats.keep(Some("n1"), &map(json!({"count": 2})), false);
        assert_eq!(
            stats.lines(),
            "\tn1: { \"count\": 2}\n\tRUN: { \"count\": 25, \"names\": [  \"a\",  \"b\" ]}\n"
        );
    }
}
