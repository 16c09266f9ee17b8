//! Inventories in the INI form: `[group]`, `[group:children]`, `[group:vars]`.

use super::{Inventory, address, literal, words};
use crate::error::{Diagnostic, Diagnostics};
use crate::source::{SourceFile, Span};
use crate::suggest;
use crate::yaml::{Kind, Node};
use std::sync::Arc;

/// What lines mean in the section that they are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Hosts,
    Children,
    Vars,
}

/// Adds what a text says to the inventory; all mistakes are found, warnings among them.
pub(super) fn read(file: &Arc<SourceFile>, inventory: &mut Inventory) -> Diagnostics {
    let mut reader = Reader {
        file,
        inventory,
        group: "ungrouped".into(),
        section: Section::Hosts,
        declared: vec!["all".into(), "ungrouped".into()],
        awaited: Vec::new(),
        mistakes: Diagnostics::default(),
    };
    for number in 1..=file.line_count() {
        reader.line(number);
    }
    reader.check_awaited();
    reader.mistakes
}

struct Reader<'a> {
    file: &'a Arc<SourceFile>,
    inventory: &'a mut Inventory,
    group: String,
    section: Section,
    /// Groups that have a section of hosts or children.
    declared: Vec<String>,
    /// Groups that must be declared somewhere, and where that was asked for.
    awaited: Vec<Awaited>,
    mistakes: Diagnostics,
}

struct Awaited {
    name: String,
    span: Span,
    why: &'static str,
}

type Line<'t> = (&'t str, usize);

impl Reader<'_> {
    fn line(&mut self, number: usize) {
        let range = self.file.line_range(number);
        let line = &self.file.text()[range.clone()];
        let text = line.trim();
        let start = range.start + (line.len() - line.trim_start().len());
        if text.is_empty() || text.starts_with(['#', ';']) {
            return;
        }
        let done = match (header(text), self.section) {
            (Some(header), _) => self.header(header, (text, start)),
            (None, _) if text.starts_with('[') && looks_like_header(text) => {
                Err(self.bad_header((text, start)))
            }
            (None, Section::Hosts) => self.hosts((text, start)),
            (None, Section::Children) => self.child((text, start)),
            (None, Section::Vars) => self.variable((text, start)),
        };
        if let Err(mistake) = done {
            self.mistakes.push(mistake);
        }
    }

    fn span(&self, start: usize, length: usize) -> Span {
        Span::new(self.file, start..start + length)
    }

    fn header(&mut self, (name, kind): (&str, Option<&str>), (_, start): Line<'_>) -> Result<(), Diagnostic> {
        let span = self.span(start + 1, name.len());
        self.section = match kind {
            None | Some("hosts") => Section::Hosts,
            Some("children") => Section::Children,
            Some("vars") => Section::Vars,
            Some(other) => {
                self.section = Section::Hosts;
                self.group = name.to_owned();
                let span = self.span(start + 2 + name.len(), other.len());
                let hint = suggest::did_you_mean(other, ["hosts", "children", "vars"]);
                return Err(Diagnostic::error(format!("unknown kind of section `{other}`"))
                    .at(&span, "expected `hosts`, `children` or `vars`")
                    .maybe_hint(hint));
            }
        };
        self.group = name.to_owned();
        self.inventory.add_group(name, Some(&span));
        if self.section == Section::Vars {
            self.await_group(name, span, "has variables");
        } else {
            self.declared.push(name.to_owned());
        }
        Ok(())
    }

    fn bad_header(&self, (text, start): Line<'_>) -> Diagnostic {
        Diagnostic::error("not a section header")
            .at(&self.span(start, text.len()), "expected `[group]`, `[group:children]` or `[group:vars]`")
            .hint("names of groups have no blanks, colons or brackets")
    }

    fn hosts(&mut self, (text, start): Line<'_>) -> Result<(), Diagnostic> {
        let (words, cut) = words::split(text).map_err(|unfinished| self.unfinished(unfinished, start))?;
        if let Some(at) = cut {
            self.mistakes.push(
                Diagnostic::warning("a `#` inside a value begins a comment")
                    .at(&self.span(start + at, text.len() - at), "not read")
                    .hint("put the value in quotes where the `#` belongs to it"),
            );
        }
        let Some((first, rest)) = words.split_first() else { return Ok(()) };
        let span = self.span(start + first.range.start, first.range.len());
        let (names, port) = expand(&first.text, &span)?;
        let mut vars = Vec::new();
        for word in rest {
            vars.push(self.assignment(word, text, start)?);
        }
        for name in names {
            self.host(&name, port, &vars, &span);
        }
        Ok(())
    }

    fn host(&mut self, name: &str, port: Option<u16>, vars: &[(String, Node)], span: &Span) {
        let is_new = !self.inventory.hosts.contains_key(name);
        let group = self.group.clone();
        self.inventory.add_host(name, &group, Some(span));
        if let Some(port) = port.filter(|_| is_new) {
            self.inventory.set_host_var(name, "ansible_port", Node::new(span, Kind::Int(port.into())));
        }
        for (variable, value) in vars {
            self.inventory.set_host_var(name, variable, value.clone());
        }
    }

    /// `name=value` after a host.
    fn assignment(&self, word: &words::Word, line: &str, start: usize) -> Result<(String, Node), Diagnostic> {
        let written = &line[word.range.clone()];
        let at = start + word.range.start;
        let Some((name, value)) = word.text.split_once('=') else {
            return Err(Diagnostic::error("expected `name=value` after the host")
                .at(&self.span(at, written.len()), "no `=` here")
                .hint("one host stands on each line; values with blanks need quotes"));
        };
        let equals = written.find('=').map_or(written.len(), |equals| equals + 1);
        let span = self.span(at + equals, written.len() - equals);
        Ok((name.to_owned(), literal::value(value, &span)))
    }

    fn unfinished(&self, unfinished: words::Unfinished, start: usize) -> Diagnostic {
        let (at, what) = match unfinished {
            words::Unfinished::Quote(at) => (at, "a quote that is not closed"),
            words::Unfinished::Backslash(at) => (at, "a backslash at the end of the line"),
        };
        Diagnostic::error(what).at(&self.span(start + at, 1), "opened here")
    }

    fn child(&mut self, (text, start): Line<'_>) -> Result<(), Diagnostic> {
        let name = text.split('#').next().unwrap_or(text).trim();
        let span = self.span(start, name.len());
        if name.contains(|c: char| c.is_whitespace() || c == ':' || c == ']') {
            return Err(Diagnostic::error("expected the name of a group")
                .at(&span, "not the name of a group")
                .note(format!(
                    "`[{}:children]` lists groups, one on each line, without variables",
                    self.group
                )));
        }
        let group = self.group.clone();
        self.inventory.add_group(name, Some(&span));
        self.await_group(name, span.clone(), "is listed as a child");
        self.inventory.add_child(&group, name).map_err(|_| {
            Diagnostic::error(format!("group `{name}` cannot be below itself"))
                .at(&span, format!("`{group}` is `{name}`, or below it"))
        })
    }

    fn variable(&mut self, (text, start): Line<'_>) -> Result<(), Diagnostic> {
        let Some((name, value)) = text.split_once('=') else {
            return Err(Diagnostic::error("expected `name=value`")
                .at(&self.span(start, text.len()), "no `=` here")
                .note(format!("this is in `[{}:vars]`", self.group)));
        };
        let value_start = start + name.len() + 1 + (value.len() - value.trim_start().len());
        let value = value.trim();
        let node = literal::value(value, &self.span(value_start, value.len()));
        let group = self.group.clone();
        self.inventory.set_group_var(&group, name.trim(), node)
    }

    fn await_group(&mut self, name: &str, span: Span, why: &'static str) {
        if !self.awaited.iter().any(|awaited| awaited.name == name) {
            self.awaited.push(Awaited { name: name.to_owned(), span, why });
        }
    }

    fn check_awaited(&mut self) {
        let known = |name: &String| {
            self.declared.contains(name) || is_from_elsewhere(self.inventory, self.file, name)
        };
        for awaited in self.awaited.iter().filter(|awaited| !known(&awaited.name)) {
            let Awaited { name, span, why } = awaited;
            let mistake = Diagnostic::error(format!("group `{name}` {why} but is not defined"))
                .at(span, "")
                .maybe_hint(suggest::did_you_mean(name, self.declared.iter().map(String::as_str)))
                .hint(format!("define it with `[{name}]`, be it empty"));
            self.mistakes.push(mistake);
        }
    }
}

/// Whether another source has the group.
fn is_from_elsewhere(inventory: &Inventory, file: &Arc<SourceFile>, name: &str) -> bool {
    let span = inventory.groups.get(name).and_then(|group| group.span.as_ref());
    span.is_none_or(|span| !Arc::ptr_eq(span.file(), file))
}

fn expand(pattern: &str, span: &Span) -> Result<(Vec<String>, Option<u16>), Diagnostic> {
    let (names, port) = address::expand(pattern)
        .map_err(|bad| Diagnostic::error(format!("`{pattern}` is not a host")).at(span, bad.0))?;
    if pattern.ends_with(':') {
        return Err(Diagnostic::error(format!("`{pattern}` is not a host"))
            .at(span, "a colon without a port")
            .hint("a YAML inventory needs a file name that ends in `.yml` or `.yaml`, or `---` as its first line"));
    }
    Ok((names, port))
}

/// `[name]` or `[name:kind]`, maybe with a comment behind it.
fn header(text: &str) -> Option<(&str, Option<&str>)> {
    let (inner, after) = text.strip_prefix('[')?.split_once(']')?;
    let after = after.trim_start();
    if !after.is_empty() && !after.starts_with('#') {
        return None;
    }
    let (name, kind) = inner.split_once(':').map_or((inner, None), |(name, kind)| (name, Some(kind)));
    let is_kind =
        kind.is_none_or(|kind| !kind.is_empty() && kind.chars().all(|c| c.is_alphanumeric() || c == '_'));
    let is_range = kind.is_some_and(|kind| kind.starts_with(|c: char| c.is_ascii_digit()));
    let is_name = !name.is_empty() && !name.contains(char::is_whitespace);
    (is_name && is_kind && !is_range).then_some((name, kind))
}

/// `[web servers]` was meant as a header, `[1:3].example.org` and `[::1]:22` were not.
fn looks_like_header(text: &str) -> bool {
    text.ends_with(']') || !text.contains(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> (Inventory, Diagnostics) {
        let mut inventory = Inventory::default();
        let mistakes = read(&SourceFile::new("hosts", text), &mut inventory);
        inventory.reconcile();
        (inventory, mistakes)
    }

    fn screen(text: &str) -> String {
        read_text(text).1.render(false)
    }

    #[test]
    fn groups_children_variables_and_ranges_are_read() {
        let (inventory, mistakes) = read_text(
            "lone ansible_host=192.0.2.9\n\
             [web]\n\
             web[1:2]:2222 weight=5 note='two words' # comment\n\
             [db] ; \n\
             [db]\n\
             db1\n\
             [site:children]\nweb\ndb\n\
             [site:vars]\nntp = ['a', 'b']\nmode=0644\nflag = True\n",
        );
        assert_eq!(mistakes.render(false).lines().next(), Some("error: `[db]` is not a host"));
        let hosts: Vec<String> = inventory
            .hosts
            .values()
            .map(|host| format!("{} {:?} {:?}", host.name, host.groups, host.vars))
            .collect();
        assert_eq!(
            hosts,
            [
                r#"lone {"ungrouped"} {"ansible_host": "192.0.2.9"}"#,
                r#"web1 {"web"} {"ansible_port": 2222, "weight": 5, "note": "two words"}"#,
                r#"web2 {"web"} {"ansible_port": 2222, "weight": 5, "note": "two words"}"#,
                r#"db1 {"db"} {}"#,
            ]
        );
        let site = &inventory.groups["site"];
        assert_eq!(format!("{:?}", site.vars), r#"{"ntp": ["a", "b"], "mode": "0644", "flag": true}"#);
        assert_eq!(inventory.groups["web"].depth, 2);
    }

    #[test]
    fn every_mistake_is_shown_with_its_place() {
        insta::assert_snapshot!(screen(
            "[web]\nweb1 ansible_host 192.0.2.1\nweb[5:1]\nweb3 note=\"open\n\
             [web:childs]\n[web servers]\n[web:vars]\nntp\n[site:children]\nwbe\nweb vars=1\n"
        ));
    }

    #[test]
    fn a_value_that_a_comment_cuts_is_warned_about() {
        insta::assert_snapshot!(screen("n1 ansible_password=abc#def x=1\n"));
    }

    #[test]
    fn a_group_below_itself_is_refused() {
        insta::assert_snapshot!(screen("[a:children]\nb\n[b:children]\na\n"));
    }
}
