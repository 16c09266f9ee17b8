//! Types of results, text that comes out, and syntax that minijinja and Jinja write differently.

use super::examples::{check, scope, shown, yaml};
use super::{check_expression, check_template};

#[test]
fn a_lone_expression_keeps_its_type_and_other_templates_are_text() {
    check(
        "{n: 1, l: [1, 2]}",
        &[
            ("{{ l }}", "[1, 2]"),
            ("{{ n }}\n", "1"),
            (" {{ l }}", " [1, 2]"),
            ("{{ n }}{{ n }}", "11"),
            ("{% if true %}{{ l }}{% endif %}", "[1, 2]"),
            ("{% for i in l %}{{ i }}{% endfor %}", "12"),
            ("{# note #}{{ l }}", "[1, 2]"),
            ("{{ '1' }}", "1"),
            ("{{ (1, (2,)) }}", "[1, [2]]"),
            ("{{ l | map('string') }}", "['1', '2']"),
            ("{% if false %}x{% endif %}", "None"),
        ],
    );
}

#[test]
fn a_plus_in_front_of_a_number_says_nothing() {
    check("{a: 2}", &[("{{ [-2.5, +2.5, 1 + +a, '+'] }}", "[-2.5, 2.5, 3, '+']"), ("{{ (+a) * 3 }}+", "6+")]);
    let wrong = check_template("{{ a + }}").expect_err("nothing is added");
    assert!(wrong.message.contains("unexpected"), "{}", wrong.message);
}

#[test]
fn values_in_text_are_written_as_python_writes_them() {
    check(
        "{n: null, d: {a: \"it's\"}}",
        &[
            ("x{{ n }}y", "xy"),
            ("x{{ [none, true, 1.0, 'a'] }}", "x[None, True, 1.0, 'a']"),
            ("x{{ d }}", "x{'a': \"it's\"}"),
            ("{{ 1e20 }} {{ 1e-7 }} {{ 1e16 }} {{ 0.1 + 0.2 }}", "1e+20 1e-07 1e+16 0.30000000000000004"),
        ],
    );
}

#[test]
fn percent_formats_text_and_takes_remainders() {
    check(
        "{d: {a: 1}}",
        &[
            ("{{ '%s-%03d' % ('a', 3) }}", "a-003"),
            ("{{ '%s' % d }}", "{'a': 1}"),
            ("{{ '%(a)s' % d }}", "1"),
            ("{{ -7 % 3 }} {{ 7.5 % 2 }}", "2 1.5"),
        ],
    );
}

#[test]
fn backslashes_in_values_are_themselves_and_in_files_escape() {
    let scope = scope("{}");
    assert_eq!(shown(&scope, r"{{ 'abc' | regex_replace('(b)', '<\1>') }}"), "a<b>c");
    assert_eq!(shown(&scope, r"{{ 'a\nb' }}"), r"a\nb");
    let condition = |text: &str| {
        scope.condition(&crate::yaml::Node::text(&yaml("x").span, text)).expect("it holds or not")
    };
    assert!(
        condition(r"'a1' is match('a\d')")
            && condition(r"'a1' is match('a\\d')")
            && condition(r"'\n' | length == 1")
    );
    let file = super::TemplateFile {
        text: r#"{{ "a\tb" }}"#,
        path: std::path::Path::new("x.j2"),
        options: super::FileOptions::default(),
        search: &[],
    };
    assert_eq!(scope.render_file(&file).unwrap(), "a\tb");
}

#[test]
fn a_list_that_the_template_made_can_be_appended_to() {
    check(
        "{own: [1]}",
        &[
            ("{% set x = [] %}{% for i in [1, 2] %}{% set _ = x.append(i) %}{% endfor %}{{ x }}", "[1, 2]"),
            ("{% set x = {} %}{% do x.update({'a': 1}) %}{{ x }}", "{'a': 1}"),
            ("{% set x = [3, 1] %}{% do x.sort() %}{{ x.pop() }}{{ x }}", "3[1]"),
        ],
    );
    assert!(shown(&scope("{own: [1]}"), "{{ own.append(2) }}").contains("changes a value in place"));
}

#[test]
fn macros_namespaces_and_loops_work_through_the_printed_dialect() {
    check(
        "{}",
        &[
            (
                "{% macro m(a, b='c') %}{{ a }}-{{ b }}{% endmacro %}{{ m('x') }} {{ m('x', b='y') }}",
                "x-c x-y",
            ),
            (
                "{% set ns = namespace(x=0) %}{% for i in range(4) %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}",
                "6",
            ),
            ("{% for k, v in {'a': 1}.items() %}{{ loop.index }}{{ k }}={{ v }}{% endfor %}", "1a=1"),
            ("{% macro m() %}<{{ caller('q') }}>{% endmacro %}{% call(x) m() %}{{ x }}{% endcall %}", "<q>"),
            ("{% for i in [1, [2]] recursive %}{{ loop(i) if i is iterable else i }}{% endfor %}", "12"),
            ("{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{% set x %}y{% endset %}{{ x }}", "3y"),
            ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
            ("{% filter upper %}a{% endfilter %}", "A"),
            ("{% for i in [1, 2, 3] %}{% if i == 2 %}{% continue %}{% endif %}{{ i }}{% endfor %}", "13"),
        ],
    );
}

#[test]
fn mistakes_of_syntax_name_the_place_and_the_way_out() {
    let problem = |text| check_expression(text).unwrap_err();
    let assigned = problem("a = 'b'");
    assert_eq!(
        (&"a = 'b'"[assigned.range.clone()], assigned.hint.as_deref()),
        ("=", Some("`=` assigns; to compare, write `==`"))
    );
    assert_eq!(problem("a && b").hint.as_deref(), Some("write `and`"));
    assert!(problem("{{ a }} == 1").hint.unwrap().contains("without `{{ }}`"));
    let filter = check_template("x {{ a | defualt(1) }}").unwrap_err();
    assert_eq!(filter.message, "there is no filter `defualt`");
    assert_eq!((filter.range, filter.hint.as_deref()), (9..16, Some("did you mean `default`?")));
    let unclosed = check_template("{% if a %}\nx").unwrap_err();
    assert_eq!(unclosed.hint.as_deref(), Some("`{% if … %}` has no `{% endif %}`"));
    assert!(check_template("{{ lookup('evn', 'HOME') }}").unwrap_err().hint.unwrap().contains("`env`"));
    assert_eq!(check_template("{{ a | ansible.builtin.combine(b) }}"), Ok(()));
}

#[test]
fn conditions_are_true_or_false_and_nothing_else() {
    let scope = scope("{ok: true, text: foo, n: 1, x: a, wrapped: '{{ 1 == 1 }}'}");
    let holds = |text: &str| match scope.condition(&yaml(text)) {
        Ok(holds) => holds.to_string(),
        Err(err) => err.to_string(),
    };
    assert_eq!(holds("[\"ok\", 'n == 1', \"wrapped\"]"), "true");
    assert_eq!(holds("[\"ok\", 'n == 2', \"nope\"]"), "false");
    assert_eq!(holds("'{{ ok }}'"), "true");
    assert_eq!(holds("\"'{{ x }}' == 'a'\""), "true");
    assert_eq!(holds("false"), "false");
    assert_eq!(holds("text"), "the condition gives a str, not true or false");
    assert_eq!(holds("n"), "the condition gives a int, not true or false");
    assert_eq!(holds("''"), "the condition is empty");
    assert_eq!(holds("zz.y"), "'zz' is undefined");
}
