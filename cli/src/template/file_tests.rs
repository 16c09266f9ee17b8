//! Template files: options, header, includes, and places in errors.

use std::path::PathBuf;

use super::examples::scope;
use super::{FileOptions, TemplateError, TemplateFile, check_file};

/// Renders a file of a folder that has these files.
fn render(files: &[(&str, &str)], options: FileOptions) -> Result<String, TemplateError> {
    let dir = tempfile::tempdir().expect("a folder for the test");
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).expect("the folder is writable");
    }
    let path = dir.path().join(files[0].0);
    let search: Vec<PathBuf> = Vec::new();
    scope("{w: 2}").render_file(&TemplateFile { text: files[0].1, path: &path, options, search: &search })
}

#[test]
fn included_imported_and_extended_files_are_rendered_alike() {
    let included = [
        ("a.j2", "{% include 'b.j2' %}\n{% import 'm.j2' as m %}{{ m.f(w) }}\n"),
        ("b.j2", "b {{ zz.y.x | default('d') }} {{ '%s' % w }}\n"),
        ("m.j2", "{% macro f(x) %}<{{ x }}>{% endmacro %}"),
    ];
    assert_eq!(render(&included, FileOptions::default()).unwrap(), "b d 2<2>\n");
    let extended = [
        (
            "c.j2",
            "{% extends 'base.j2' %}not put out: {{ nobody }}{% block b %}child {{ super() }}{% endblock %}",
        ),
        ("base.j2", "A {% block b %}base{% endblock %} Z\n"),
    ];
    assert_eq!(render(&extended, FileOptions::default()).unwrap(), "A child base Z");
}

#[test]
fn a_file_that_a_macro_includes_sees_what_the_template_imported() {
    let files = [
        (
            "a.j2",
            "{% import 'vars.j2' as v with context %}\n{% macro m() %}{% include 'b.j2' %}{% endmacro %}\n{{ m() | indent }}\n",
        ),
        ("b.j2", "{{ v.test }}"),
        ("vars.j2", "{% set test = 'I am here' %}"),
    ];
    assert_eq!(render(&files, FileOptions::default()).expect("it renders"), "I am here\n");
}

#[test]
fn a_file_that_puts_out_one_value_is_that_for_the_lookup_also_through_a_macro() {
    let dir = tempfile::tempdir().expect("a folder for the test");
    let path = dir.path().join("a.j2");
    let given = |text: &str| {
        let file = TemplateFile { text, path: &path, options: FileOptions::default(), search: &[] };
        let value = scope("{d: {a: 1}}").render_file_to_value(&file).expect("it renders");
        super::repr(&value)
    };
    assert_eq!(given("{% macro m() %}{{ d }}{% endmacro %}\n{{ m() }}\n"), "{'a': 1}");
    assert_eq!(given("{{ d }}\n"), "{'a': 1}");
    assert_eq!(given("{{ d }} {{ d }}\n"), "\"{'a': 1} {'a': 1}\\n\"");
    assert_eq!(given("{{ d.a }}\n"), "1");
    assert_eq!(given("{{ none }}\n"), "None");
    assert_eq!(given("{{ d.a }}\n\n"), "'1\\n\\n'");
    assert_eq!(given("{{ d.a }} x\n"), "'1 x\\n'");
}

#[test]
fn blocks_take_their_newline_and_the_last_newline_stays() {
    let text = "{% if true %}\n  x\n{% endif %}\nend\n";
    assert_eq!(render(&[("a.j2", text)], FileOptions::default()).unwrap(), "  x\nend\n");
}

#[test]
fn the_header_sets_options_and_is_not_put_out() {
    let text = "#jinja2: trim_blocks:False, lstrip_blocks: True\n  {% if true %}\nyes\n  {% endif %}\n";
    assert_eq!(render(&[("a.j2", text)], FileOptions::default()).unwrap(), "\nyes\n");
    let wrong = check_file("#jinja2: trim_block: False\n", &FileOptions::default()).unwrap_err();
    assert_eq!(wrong.message, "there is no option `trim_block`; did you mean `trim_blocks`?");
}

#[test]
fn delimiters_of_the_task_are_used() {
    let options = FileOptions {
        variable_start_string: "[[".into(),
        variable_end_string: "]]".into(),
        ..FileOptions::default()
    };
    assert_eq!(render(&[("a.j2", "[[ w ]] {{ w }}\n")], options).unwrap(), "2 {{ w }}\n");
}

#[test]
fn an_error_names_file_line_and_column() {
    let err = render(&[("a.j2", "one\ntwo {{ w.x }}\n")], FileOptions::default()).unwrap_err();
    assert_eq!(err.line_and_column(), Some((2, 8)));
    assert!(err.file.as_ref().unwrap().ends_with("a.j2"));
    let headed = "#jinja2: lstrip_blocks: True\n{{ nope }}\n";
    let err = render(&[("a.j2", headed)], FileOptions::default()).unwrap_err();
    assert_eq!(err.line_and_column(), Some((2, 4)));
}

#[test]
fn an_error_in_an_included_file_is_told_of_that_file() {
    let files = [("a.j2", "{% include 'b.j2' %}"), ("b.j2", "x\n{{ nope.y }}\n")];
    let err = render(&files, FileOptions::default()).unwrap_err();
    assert_eq!((err.message.as_str(), err.line_and_column()), ("'nope' is undefined", Some((2, 4))));
    assert!(err.file.as_ref().unwrap().ends_with("b.j2"));
    let files = [("a.j2", "x {% include 'gone.j2' %}")];
    let err = render(&files, FileOptions::default()).unwrap_err();
    assert!(err.message.contains("gone.j2"), "{err}");
}
