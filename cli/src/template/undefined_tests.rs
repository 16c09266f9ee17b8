//! What may be done with a value that does not exist, is not known, or is left out.

use super::examples::{check, scope, shown, yaml};
use super::{FailureKind, unknown};
use crate::vars::{Level, Vars};

const VARS: &str = "{d: {y: 1}, l: [1], s: text, broken: 'x{{ nope }}', list: ['{{ nope }}', 2]}";

#[test]
fn default_and_defined_answer_for_undefined_at_any_depth() {
    check(
        VARS,
        &[
            ("{{ a | default('x') }}", "x"),
            ("{{ a.b.c | default('x') }}", "x"),
            ("{{ a['b'][0] | default('x') }}", "x"),
            ("{{ a[1:] | default('x') }}", "x"),
            ("{{ a.b() | default('x') }}", "x"),
            ("{{ a | upper | default('x') }}", "x"),
            ("{{ a | map('upper') | list | default('x') }}", "x"),
            ("{{ d.x.y | default('x') }}", "x"),
            ("{{ l[5] | default('x') }}", "x"),
            ("{{ [] | first | default('x') }}", "x"),
            ("{{ a | default(b) | default('x') }}", "x"),
            ("{{ a.b.c is defined }}", "False"),
            ("{{ d.x.y is undefined }}", "True"),
            ("{{ d.y is defined }}", "True"),
            ("{{ broken is defined }}", "False"),
            ("{{ broken | default('x') }}", "x"),
            ("{{ list[0] | default('x') }}{{ list[1] }}", "x2"),
            ("{{ [a, 1] | length }}", "2"),
            ("{{ {'k': a}.other | default('x') }}", "x"),
            ("{{ true or a }}", "True"),
            ("{{ 'y' if true else a }}", "y"),
            ("x{{ 'y' if false }}", "x"),
        ],
    );
}

#[test]
fn any_other_use_of_undefined_fails_and_names_it() {
    check(
        VARS,
        &[
            ("{{ a }}", "error: 'a' is undefined"),
            ("x {{ a.b.c }}", "error: 'a' is undefined"),
            ("{{ d.x.y }}", "error: 'd.x' is undefined: object of type 'dict' has no attribute 'x'"),
            ("{{ l[5] }}", "error: 'l[5]' is undefined: list object has no element 5"),
            ("{{ a == 1 }}", "error: 'a' is undefined"),
            ("{{ a + 1 }}", "error: 'a' is undefined"),
            ("{{ 1 - a }}", "error: 'a' is undefined"),
            ("{{ 'x' ~ a }}", "error: 'a' is undefined"),
            ("{{ not a }}", "error: 'a' is undefined"),
            ("{{ a and true }}", "error: 'a' is undefined"),
            ("{{ 1 in a }}", "error: 'a' is undefined"),
            ("{{ a is match('x') }}", "error: 'a' is undefined"),
            ("{{ (a == 1) | default(2) }}", "error: 'a' is undefined"),
            ("{% for x in a %}{% endfor %}", "error: 'a' is undefined"),
            ("{% if a %}{% endif %}", "error: 'a' is undefined"),
            ("{{ [1, a] }}", "error: 'a' is undefined"),
            ("{{ {'k': [a]} }}", "error: 'a' is undefined"),
            ("{{ a | default(b) }}", "error: 'b' is undefined"),
            ("{{ broken }}", "error: 'nope' is undefined"),
            ("{{ list }}", "error: 'nope' is undefined"),
            ("{{ [] | first }}", "error: `[] | first` gives nothing"),
        ],
    );
}

#[test]
fn the_place_of_an_undefined_name_is_known_to_the_byte() {
    let node = yaml("msg: 'port {{ d.y + prot }}'");
    let text = node.get("msg").expect("it is there");
    let err = scope("{d: {y: 1}, port: 80}").render_node(text).unwrap_err();
    let span = err.span().expect("it stands in a file");
    assert_eq!((span.text(), span.to_string().as_str()), ("prot", "test.yml:1:21"));
    assert_eq!(err.hint.as_deref(), Some("did you mean `port`?"));
    assert_eq!(err.kind, FailureKind::Undefined { name: "prot".into() });
}

#[test]
fn a_variable_that_needs_an_undefined_one_is_named_as_the_way_there() {
    let err = scope(VARS).render_str("{{ broken }}").unwrap_err();
    assert_eq!((&*err.text, err.range.clone()), ("{{ broken }}", Some(3..9)));
    let root = err.root();
    assert_eq!(root.span().expect("it stands in a file").text(), "nope");
}

#[test]
fn variables_that_need_each_other_are_told_as_a_circle() {
    check(
        "{a: '{{ b }}', b: '{{ c.x }}', c: {x: '{{ a }}'}}",
        &[("{{ a }}", "error: variables need each other: `a` → `b` → `a`")],
    );
}

#[test]
fn a_result_that_is_not_known_fails_with_its_reason_wherever_it_is_used() {
    let mut vars = Vars::new();
    vars.set_plain("made", unknown("`make` was not run"));
    vars.set_plain("all", vec![unknown("`make` was not run")].into());
    let scope = scope("{from: '{{ made.rc }}'}").with(Level::SetFact, vars);
    for template in [
        "{{ made }}",
        "{{ made.rc == 0 }}",
        "{{ made.results[0].x | default(1) }}",
        "x{{ made }}",
        "{{ made is failed }}",
        "{{ made == 1 }}",
        "{{ [made] }}",
        "{% for x in made %}{% endfor %}",
        "{{ all | map(attribute='rc') | list }}",
        "{{ all | first }}",
        "{{ all }}",
        "{{ from }}",
        "{{ made.stdout.split() }}",
        "{{ made.rc is defined }}",
    ] {
        let err = scope.render_str(template).unwrap_err();
        assert_eq!(err.unknown_reason(), Some("`make` was not run"), "{template}");
    }
    assert_eq!(shown(&scope, "{{ made is defined }}"), "True");
}

#[test]
fn omit_leaves_out_entries_and_items_and_fails_alone() {
    check(
        "{}",
        &[("{{ [1, omit] }}", "[1]"), ("{{ {'a': omit, 'b': [omit]} }}", "{'b': []}"), ("x{{ omit }}", "x")],
    );
    let data = crate::vars::Data::of(&yaml("{a: '{{ zz | default(omit) }}', b: '{{ 1 + 1 }}'}"));
    assert_eq!(super::examples::show(scope("{}").render(&data)), "{'b': 2}");
    assert!(shown(&scope("{}"), "{{ omit }}").contains("`omit` stands where a value is needed"));
}

#[test]
fn of_a_result_that_is_not_wholly_known_only_what_is_known_can_be_used() {
    let mut known = indexmap::IndexMap::new();
    known.insert("changed".to_owned(), super::Value::from(true));
    let mut vars = Vars::new();
    vars.set_plain("said", super::partly_known(known.clone(), "`make` is not run"));
    vars.set_plain("checked", super::partly_known_with_all_names(known, "`make` is only checked"));
    vars.set_plain("perhaps", super::unknown_if_any("it may be set"));
    let scope = scope("{}").with(Level::PlayVars, vars);
    for (template, value) in [
        ("{{ said.changed }}", "True"),
        ("{{ said is changed }}", "True"),
        ("{{ 'changed' in said }}", "True"),
        ("{{ said.get('changed') }}", "True"),
        ("{{ [said] | map(attribute='changed') | list }}", "[True]"),
        ("{{ 'rc' in checked }}", "False"),
        ("{{ 'rc' not in checked }}", "True"),
        ("{{ 'changed' in checked }}", "True"),
    ] {
        assert_eq!(shown(&scope, template), value, "{template}");
    }
    for template in [
        "{{ said.rc }}",
        "{{ checked.rc }}",
        "{{ said.rc is defined }}",
        "{{ said.rc is not defined }}",
        "{{ 'rc' in said }}",
        "{{ 'rc' not in said }}",
        "{{ said | to_json }}",
        "{{ [said] | to_json }}",
        "{{ said | dict2items }}",
        "{{ said.keys() | list }}",
        "x {{ said }}",
        "{{ perhaps is defined }}",
        "{{ perhaps is undefined }}",
    ] {
        assert!(
            shown(&scope, template).contains("is not known yet"),
            "{template}: {}",
            shown(&scope, template)
        );
    }
}
