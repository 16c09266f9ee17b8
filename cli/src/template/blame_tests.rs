//! Where rendered lines come from: loops, conditions, includes, macros, filters, whitespace control.

use super::examples::scope;
use super::{Blamed, BlamedLine, FileOptions, TemplateFile};

const VARIABLES: &str = "{base: [1, 2], nodes: '{{ base }}', cluster: web, is_on: true, text: \"a\\n  b\"}";

fn blame(files: &[(&str, &str)]) -> Blamed {
    let dir = tempfile::tempdir().expect("a folder for the test");
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).expect("the folder is writable");
    }
    let path = dir.path().join(files[0].0);
    let file = TemplateFile { text: files[0].1, path: &path, options: FileOptions::default(), search: &[] };
    scope(VARIABLES).blame_file(&file).expect("it renders")
}

/// `text <- file:line … reads`, with conditions behind `if`.
fn shown(line: &BlamedLine) -> String {
    let place = |site: &super::Site| {
        let file = site.file.as_ref().and_then(|file| file.file_name()).unwrap_or_default();
        format!("{}:{}", file.to_string_lossy(), site.line)
    };
    let reads = |reads: &std::collections::BTreeSet<super::Read>| {
        reads.iter().map(|read| read.name.clone()).collect::<Vec<_>>().join("+")
    };
    let mut text = format!("{} <-", line.text);
    line.sites.iter().for_each(|site| text += &format!(" {}", place(site)));
    if !line.reads.is_empty() {
        text += &format!(" {}", reads(&line.reads));
    }
    for (site, read) in &line.conditions {
        text += &format!(" if {} {}", place(site), reads(read));
    }
    text
}

fn all(files: &[(&str, &str)]) -> Vec<String> {
    blame(files).lines.iter().map(shown).collect()
}

#[test]
fn a_line_of_a_loop_names_what_the_loop_goes_over_and_one_under_a_condition_that_condition() {
    let template = "name: {{ cluster }}\n{% for node in nodes %}\nnode {{ node }}\n{% if is_on %}\non\n{% endif %}\n{% endfor %}\nend\n";
    assert_eq!(
        all(&[("a.j2", template)]),
        [
            "name: web <- a.j2:1 cluster",
            "node 1 <- a.j2:3 nodes",
            "on <- a.j2:5 if a.j2:4 is_on",
            "node 2 <- a.j2:3 nodes",
            "on <- a.j2:5 if a.j2:4 is_on",
            "end <- a.j2:8",
        ]
    );
    let blamed = blame(&[("a.j2", template)]);
    let needs: Vec<_> = blamed.needs.iter().map(|(read, needs)| (read.name.as_str(), needs.len())).collect();
    assert_eq!(needs, [("nodes", 1)], "nodes is made of base");
}

#[test]
fn parts_of_one_line_from_several_lines_of_the_template_are_all_named() {
    let template = "a\n{%- if is_on %} b{% endif %}\n{%- set x = cluster %} {{ x }}\n";
    assert_eq!(all(&[("a.j2", template)]), ["a b web <- a.j2:1 a.j2:2 a.j2:3 cluster if a.j2:2 is_on"]);
}

#[test]
fn an_included_file_and_a_macro_are_named_where_their_lines_stand() {
    let files = [
        (
            "a.j2",
            "{% macro line(x) %}\nm {{ x }}\n{% endmacro %}\ntop\n{% include 'b.j2' %}\n\n{{ line(cluster) }}end\n",
        ),
        ("b.j2", "b {{ cluster }}\n"),
    ];
    let lines = all(&files);
    assert_eq!(lines[0], "top <- a.j2:4");
    assert_eq!(lines[1], "b web <- b.j2:1 cluster");
    let of_macro = lines.iter().find(|line| line.starts_with("m web")).expect("the macro puts out a line");
    assert!(of_macro.contains("a.j2:2"), "{of_macro}");
}

#[test]
fn where_a_filter_sees_the_text_of_a_part_the_part_is_one() {
    let template =
        "{% set block %}\nx {{ cluster }}\ny\n{% endset %}\n{{ block | length }}\n{{ block | indent }}z\n";
    let blamed = blame(&[("a.j2", template)]);
    let texts: Vec<&str> = blamed.lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["8", "x web", "    y", "z"]);
    assert!(blamed.is_coarse, "marks inside of the block would be counted by its filter");
    assert_eq!(shown(&blamed.lines[1]), "x web <- a.j2:6 cluster");
}

#[test]
fn a_text_of_several_lines_in_a_variable_is_blamed_on_its_place() {
    assert_eq!(all(&[("a.j2", "{{ text }}\n")]), ["a <- a.j2:1 text", "  b <- a.j2:1 text"]);
}
