//! Parameters of a resource, held against what its agent says about itself, before the cluster is told: a slip of the
//! pen is an error here and no failed start.

use super::agent::Agent;
use super::meta_data::MetaData;
use muster_api::nearest::nearest;
use muster_api::resource::{AgentClass, Primitive};

/// Refuses parameters that the agent does not have, and missing ones that it needs. Only scripts, and what is built in,
/// can be asked; an agent that is not installed on this node says nothing.
pub(crate) async fn check(primitive: &Primitive, may_ask_built_in: bool) -> Result<(), String> {
    if primitive.agent.class != AgentClass::Ocf {
        return Ok(());
    }
    let Some(agent) = Agent::find_ocf(&primitive.agent) else { return Ok(()) };
    if matches!(agent, Agent::BuiltIn(_)) && !may_ask_built_in {
        return Ok(());
    }
    match agent.meta_data().await? {
        Some(meta_data) => compare(primitive, &meta_data, agent.kind()),
        None => Ok(()),
    }
}

fn compare(primitive: &Primitive, meta_data: &MetaData, kind: &str) -> Result<(), String> {
    let (id, agent) = (&primitive.id, &primitive.agent);
    if let Some(unknown) = primitive.params.keys().find(|name| meta_data.parameter(name).is_none()) {
        let known = meta_data.parameters.iter().map(|parameter| parameter.name.as_str());
        let hint = nearest(unknown, known).map_or(String::new(), |name| format!("; did you mean `{name}`?"));
        return Err(format!("resource `{id}`: {agent} ({kind}) has no parameter `{unknown}`{hint}"));
    }
    let is_missing = |name: &str| !primitive.params.contains_key(name);
    match meta_data.parameters.iter().find(|parameter| parameter.is_required && is_missing(&parameter.name)) {
        Some(needed) => Err(format!(
            "resource `{id}`: {agent} ({kind}) needs the parameter `{}`: {}",
            needed.name, needed.summary
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::native::BuiltIn;
    use muster_api::resource::AgentName;

    fn refused(params: &[(&str, &str)]) -> Option<String> {
        let primitive = Primitive {
            id: "vip".into(),
            agent: AgentName::parse("ocf:heartbeat:IPaddr2").expect("it is well formed"),
            params: params.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            meta: [].into(),
            operations: Vec::new(),
        };
        compare(&primitive, &BuiltIn::IpAddress.meta_data(), "built-in").err()
    }

    #[test]
    fn a_slip_in_a_parameter_names_the_one_that_was_meant() {
        let error = refused(&[("ip", "10.0.0.9"), ("cdir_netmask", "24")]).expect("it has none");
        assert!(error.ends_with("no parameter `cdir_netmask`; did you mean `cidr_netmask`?"), "{error}");
    }

    #[test]
    fn a_parameter_that_is_needed_is_asked_for() {
        assert!(refused(&[]).expect("it is missing").contains("needs the parameter `ip`"));
        assert_eq!(refused(&[("ip", "10.0.0.9")]), None);
    }
}
