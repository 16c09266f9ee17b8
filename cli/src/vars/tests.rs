//! Which definition wins, what a host's facts and the magic variables give.

use std::sync::Arc;

use super::{Data, HostVars, Level, PlayInfo, Scope, ScopeInputs, Store, Vars};
use crate::template::examples::{scope_with, shown, vars, yaml};
use crate::template::{Engine, Value};

fn layer(level: Level, text: &str) -> (Level, Arc<Vars>) {
    (level, Arc::new(vars(text)))
}

#[test]
fn of_two_levels_the_later_one_in_the_table_wins() {
    for pair in Level::ALL.windows(2) {
        if pair.contains(&Level::Facts) {
            continue; // Facts have a store of their own; see below.
        }
        let layers = vec![layer(pair[1], "{a: strong}"), layer(pair[0], "{a: weak}")];
        let scope = scope_with(&Arc::default(), layers);
        assert_eq!(shown(&scope, "{{ a }}"), "strong", "{:?} over {:?}", pair[1], pair[0]);
    }
}

#[test]
fn facts_win_over_the_inventory_and_lose_to_the_play() {
    let store = Arc::new(Store::default());
    store.change("web1", |host| {
        host.inventory.push(layer(Level::PlaybookHostVars, "{ansible_os: inventory}"));
        host.add_facts([("ansible_os".to_owned(), Value::from("{{ fact }}"))]);
    });
    let scope = scope_with(&store, Vec::new());
    assert_eq!(shown(&scope, "{{ ansible_os }} {{ ansible_facts.os }}"), "{{ fact }} {{ fact }}");
    let scope = scope_with(&store, vec![layer(Level::PlayVars, "{ansible_os: play}")]);
    assert_eq!(shown(&scope, "{{ ansible_os }}"), "play");
}

#[test]
fn within_one_level_the_last_definition_wins() {
    let layers = vec![layer(Level::BlockVars, "{a: outer}"), layer(Level::BlockVars, "{a: inner}")];
    assert_eq!(shown(&scope_with(&Arc::default(), layers), "{{ a }}"), "inner");
}

#[test]
fn every_definition_is_known_the_strongest_first() {
    let layers = vec![layer(Level::RoleDefaults, "{a: 1}"), layer(Level::TaskVars, "{a: 2}")];
    let scope = scope_with(&Arc::default(), layers);
    let found: Vec<_> = scope.definitions("a").map(|(level, _)| level).collect();
    assert_eq!(found, [Level::TaskVars, Level::RoleDefaults]);
}

#[test]
fn unsafe_texts_and_results_are_never_templated() {
    let layers = vec![layer(Level::PlayVars, "{a: !unsafe '{{ b }}', b: 1, c: '{{ a }}'}")];
    let store = Arc::new(Store::default());
    store.change("web1", |host| host.set("out", Value::from("{{ b }}")));
    let scope = scope_with(&store, layers);
    assert_eq!(shown(&scope, "{{ a }}{{ c }}{{ out }}"), "{{ b }}{{ b }}{{ b }}");
}

fn two_hosts() -> Scope {
    let store = Arc::new(Store::new(vars("{extra: e}")));
    for (name, port) in [("web1", 80), ("web2.example.com", 81)] {
        let mut host = HostVars::default();
        host.inventory.push(layer(
            Level::InventoryFileHost,
            &format!("{{port: {port}, url: '{{{{ inventory_hostname }}}}:{{{{ port }}}}'}}"),
        ));
        host.group_names = Arc::new(vec!["web".into()]);
        store.put(name, host);
    }
    let hosts = Arc::new(vec!["web1".to_owned(), "web2.example.com".to_owned()]);
    let groups = [("all".to_owned(), hosts.to_vec()), ("web".to_owned(), hosts.to_vec())];
    Scope::new(ScopeInputs {
        engine: &Arc::new(Engine::new()),
        store: &store,
        host: Some("web1"),
        play: &Arc::new(PlayInfo {
            groups: Arc::new(groups.into_iter().collect()),
            hosts: hosts.clone(),
            batch: hosts.clone(),
            hosts_all: hosts,
            check_mode: true,
            ..PlayInfo::default()
        }),
        role: None,
        search: Arc::from([]),
        layers: vec![layer(Level::TaskVars, "{port: 99}")],
    })
}

#[test]
fn hostvars_show_each_host_with_its_own_variables() {
    let scope = two_hosts();
    for (template, expected) in [
        ("{{ hostvars['web2.example.com'].url }}", "web2.example.com:81"),
        ("{{ hostvars.web1.port }} {{ port }}", "80 99"),
        ("{{ groups.web | map('extract', hostvars, 'url') | join(' ') }}", "web1:80 web2.example.com:81"),
        ("{{ hostvars.nope.x | default('none') }}", "none"),
        ("{{ hostvars['web2.example.com'].extra }}", "e"),
        ("{{ hostvars | length }} {{ hostvars | list }}", "2 ['web1', 'web2.example.com']"),
        ("{{ hostvars['web2.example.com'].inventory_hostname_short }}", "web2"),
        ("{{ group_names }}", "['web']"),
        ("{{ ansible_check_mode }}", "True"),
        ("{{ ansible_play_hosts == groups['all'] }}", "True"),
        ("{{ ansible_version.full is version('2.15', '>=') }}", "True"),
        ("{{ vars['port'] }}", "99"),
        ("{{ lookup('vars', 'port') }}", "99"),
        ("{{ q('inventory_hostnames', 'web:!web1') }}", "['web2.example.com']"),
    ] {
        assert_eq!(shown(&scope, template), expected, "{template}");
    }
}

#[test]
fn loop_variables_are_added_without_touching_the_scope() {
    let outer = two_hosts();
    let mut item = Vars::new();
    item.set_plain("item", Value::from(5));
    let inner = outer.with(Level::LoopVars, item);
    assert_eq!(shown(&inner, "{{ item + port }}"), "104");
    assert_eq!(shown(&outer, "{{ item is defined }}"), "False");
}

#[test]
fn a_vaulted_value_is_readable_in_templates_and_masked_in_reports() {
    let store = Arc::new(Store::default());
    store.set_unsealer(|sealed| Ok(sealed.replace("sealed", "opened")));
    let layers = vec![layer(Level::PlayVars, "{password: !vault 'sealed!'}")];
    let scope = scope_with(&store, layers);
    assert_eq!(shown(&scope, "user:{{ password }}"), "user:opened!");
    assert_eq!(scope.secrets().mask("login with opened! now"), "login with *** now");
}

#[test]
fn without_a_password_a_vaulted_value_fails_when_it_is_used() {
    let layers = vec![layer(Level::PlayVars, "{password: !vault 'sealed', other: 1}")];
    let scope = scope_with(&Arc::default(), layers);
    assert_eq!(shown(&scope, "{{ other }}"), "1");
    assert!(shown(&scope, "{{ password }}").contains("no vault password was given"));
}

#[test]
fn deep_chains_of_variables_are_evaluated() {
    let mut chain = Vars::new();
    for index in 0..98 {
        let text = format!("{{{{ v{} }}}}", index + 1);
        chain.set(&format!("v{index}"), Data::of(&crate::yaml::Node::text(&yaml("x").span, text)));
    }
    chain.set_plain("v98", Value::from("end"));
    let scope = scope_with(&Arc::default(), vec![(Level::PlayVars, Arc::new(chain.clone()))]);
    assert_eq!(shown(&scope, "{{ v0 }}"), "end");
    chain.set("v98", Data::of(&crate::yaml::Node::text(&yaml("x").span, "{{ [v99] }}")));
    chain.set("v99", Data::of(&crate::yaml::Node::text(&yaml("x").span, "{{ [v100] }}")));
    let scope = scope_with(&Arc::default(), vec![(Level::PlayVars, Arc::new(chain))]);
    assert!(shown(&scope, "{{ v0 }}").contains("too deep"));
}

#[test]
fn a_scope_is_freed_with_its_last_user() {
    let layers = vec![layer(Level::PlayVars, "{l: ['{{ 1 }}'], all: '{{ hostvars }}', own: '{{ vars }}'}")];
    let scope = scope_with(&Arc::default(), layers);
    assert_eq!(shown(&scope, "{{ l[0] }}{{ all | length }}{{ own.l[0] }}"), "101");
    let weak = scope.downgrade();
    drop(scope);
    assert!(weak.upgrade().is_err());
}

#[test]
fn a_condition_may_be_a_variable_that_somebody_wrote_but_no_text_that_a_template_or_a_host_made() {
    let vars = "{rule: '1 == 1', out: {failed: false, stdout: '1 == 1'}}";
    let scope = scope_with(&Arc::default(), vec![layer(Level::PlayVars, vars)]);
    let span = crate::source::Span::outside("test");
    let holds = |text: &str| scope.condition(&crate::yaml::Node::text(&span, text));
    assert!(holds("{{ rule }}").unwrap());
    for made in ["{{ '1 == 1' }}", "{{ rule | trim }}", "{{ out.stdout }}"] {
        let why = holds(made).unwrap_err().message.clone();
        assert!(why.contains("untrusted template or expression"), "{made}: {why}");
    }
}
