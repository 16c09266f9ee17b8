//! `setup`: facts about the host.

use super::{Args, Check, Failure, Module, glob};
use crate::facts::{self, Subsets};
use crate::worker::View;

pub(super) struct Setup;

impl Module for Setup {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let subsets =
            Subsets::parse(&args.list("gather_subset").unwrap_or_default()).map_err(Failure::new)?;
        let folder = args.path("fact_path", view);
        let mut facts = facts::gather(&subsets, folder.as_deref(), view);
        let filters = args.list("filter").unwrap_or_default();
        if !filters.is_empty() {
            // Written with or without the prefix that variables have.
            let is_wanted = |name: &str| {
                let prefixed = format!("ansible_{name}");
                filters.iter().any(|filter| glob::matches(filter, name) || glob::matches(filter, &prefixed))
            };
            facts.retain(|name, _| is_wanted(name) || name == "gather_subset");
        }
        let mut check = Check::unchanged();
        check.outcome.facts = facts;
        Ok(check)
    }
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn facts_are_gathered_and_filtered() {
        let all = Trial::new("setup").is_silent(json!({})).facts;
        for name in [
            "distribution",
            "os_family",
            "kernel",
            "architecture",
            "memtotal_mb",
            "date_time",
            "env",
            "user_id",
            "pkg_mgr",
        ] {
            assert!(all.contains_key(name), "`{name}` is missing");
        }
        let few = Trial::new("setup").is_silent(json!({"filter": "ansible_distribution*"})).facts;
        assert!(few.contains_key("distribution_version") && !few.contains_key("kernel"));
        let least = Trial::new("setup").is_silent(json!({"gather_subset": "!all,!min,kernel"})).facts;
        assert!(!least.contains_key("memtotal_mb"));
        assert!(Trial::new("setup").refuse(json!({"gather_subset": "hardwear"})).contains("`hardwear`"));
    }
}
