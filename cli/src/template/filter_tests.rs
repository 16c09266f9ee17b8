//! What Ansible's filters give, and the words by which playbooks know that one refused its operand.

use super::examples::check;

#[test]
fn what_filters_refuse_is_said_in_the_words_that_playbooks_look_for() {
    let refused = [
        ("{{ 'yo' | log }}", "it can only be used on numbers, not on str `'yo'`"),
        ("{{ 'x' | human_readable }}", "failed on bad input: str `'x'` is no size"),
        ("{{ true | dict2items }}", "dict2items requires a dictionary, got bool `True`"),
        ("{{ [1] | items2dict }}", "items2dict requires a list of dictionaries, got int `1`"),
        ("{{ [1] | combine({}) }}", "failed to combine variables, expected dicts but got int `1`"),
        ("{{ [d] | subelements('n') }}", "the key 'n' should point to a list, got int `1`"),
        ("{{ [d, d] | rekey_on_member('n') }}", "the key 1 is not unique, cannot convert to dict"),
        ("{{ '/a' | commonpath }}", "|commonpath expects a list of paths, got str `'/a'`"),
        ("{{ 'a' | comment('x') }}", "Invalid style `x`: there are plain, erlang, c, cblock and xml"),
    ];
    for (template, why) in refused {
        let filter = template.rsplit_once("| ").and_then(|(_, rest)| rest.split([' ', '(']).next());
        let expected = format!("error: filter `{}`: {why}", filter.unwrap_or_default());
        check("{d: {n: 1}}", &[(template, &expected)]);
    }
    check("{}", &[("{{ gone | mandatory }}", "error: Mandatory variable 'gone' not defined.")]);
}

#[test]
fn null_adds_nothing_to_a_dictionary_and_what_is_not_chosen_may_be_undefined() {
    check(
        "{d: {n: 1}}",
        &[
            ("{{ none | combine }}", "{}"),
            ("{{ [d, none] | combine({'m': 2}) }}", "{'n': 1, 'm': 2}"),
            ("{{ false | ternary(gone, 'no') }}", "no"),
            ("{{ none | from_yaml_all }}", "[]"),
            ("{{ 22 | shuffle }}", "22"),
        ],
    );
}

#[test]
fn encodings_and_styles_are_those_that_are_asked_for() {
    check(
        "{}",
        &[
            ("{{ 'a>b?~' | b64encode }}", "YT5iP34="),
            ("{{ '???>' | b64encode(urlsafe=true) }}", "Pz8_Pg=="),
            ("{{ 'Pz8_Pg==' | b64decode(urlsafe=true) }}", "???>"),
            ("{{ 'boo' | comment(decoration='') }}", "boo\n"),
            ("{{ 'x' | to_yaml(default_style='|') }}", "|-\n  x\n"),
            (
                "{{ {'a': [1], 'b': {}} | to_yaml(canonical=true) }}",
                "---\n!!map {\n  ? !!str \"a\"\n  : !!seq [\n    !!int \"1\",\n  ],\n  ? !!str \"b\"\n  : !!map {},\n}\n",
            ),
        ],
    );
}
