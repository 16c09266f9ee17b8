//! Elements of XML, as values, and the ids that they have.

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, Event};
use std::collections::BTreeSet;
use std::io;

/// An element with its attributes and its children.
#[derive(Debug, Clone)]
pub(super) struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Self>,
}

impl Element {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), attributes: Vec::new(), children: Vec::new() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// It says nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.attributes.is_empty() && self.children.is_empty()
    }

    pub(super) fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }

    /// An attribute that may be missing.
    pub(super) fn optional(self, name: &str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.attribute(name, value),
            None => self,
        }
    }

    pub(super) fn child(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    /// A child, unless it says nothing.
    pub(super) fn child_if_any(self, child: Self) -> Self {
        if child.is_empty() { self } else { self.child(child) }
    }

    pub(super) fn children(self, children: impl IntoIterator<Item = Self>) -> Self {
        children.into_iter().fold(self, Self::child)
    }

    /// As a document.
    pub(super) fn to_xml(&self) -> String {
        let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
        let declaration = Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None));
        let written = writer.write_event(declaration).and_then(|()| self.write(&mut writer));
        written.expect("writing to memory does not fail");
        let mut text = String::from_utf8(writer.into_inner()).expect("what is written is UTF-8");
        text.push('\n');
        text
    }

    fn write(&self, writer: &mut Writer<Vec<u8>>) -> io::Result<()> {
        let mut start = BytesStart::new(self.name.as_str());
        for (name, value) in &self.attributes {
            start.push_attribute((name.as_str(), value.as_str()));
        }
        if self.children.is_empty() {
            return writer.write_event(Event::Empty(start));
        }
        writer.write_event(Event::Start(start))?;
        self.children.iter().try_for_each(|child| child.write(writer))?;
        writer.write_event(Event::End(BytesEnd::new(self.name.as_str())))
    }
}

/// Whether a text may be an id in XML: Pacemaker's schema wants names without colons.
pub(super) fn is_xml_id(text: &str) -> bool {
    let mut letters = text.chars();
    let is_first = |letter: char| letter.is_alphabetic() || letter == '_';
    letters.next().is_some_and(is_first) && letters.all(is_in_id)
}

fn is_in_id(letter: char) -> bool {
    letter.is_alphanumeric() || ['_', '-', '.'].contains(&letter)
}

/// The ids of a document.
#[derive(Debug, Default)]
pub(super) struct Ids(BTreeSet<String>);

impl Ids {
    /// Keeps an id that was given.
    pub(super) fn reserve(&mut self, id: &str) {
        self.0.insert(id.to_string());
    }

    /// An id that nothing else has, as near to the wanted one as can be.
    pub(super) fn make(&mut self, wanted: &str) -> String {
        let wanted: String =
            wanted.chars().map(|letter| if is_in_id(letter) { letter } else { '_' }).collect();
        let wanted = if is_xml_id(&wanted) { wanted } else { format!("_{wanted}") };
        let numbered = (1..).map(|number| format!("{wanted}-{number}"));
        let mut candidates = std::iter::once(wanted.clone()).chain(numbered);
        let free = candidates.find(|id| !self.0.contains(id)).expect("numbers do not end");
        self.0.insert(free.clone());
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_white_space_and_their_quotes() {
        let value = "a <b> & \"c\"\n\td";
        let text = Element::new("e").attribute("v", value).to_xml();
        let document = roxmltree::Document::parse(&text).expect("it is XML");
        assert_eq!(document.root_element().attribute("v"), Some(value));
    }

    #[test]
    fn ids_that_are_made_are_names_and_are_made_once() {
        let mut ids = Ids::default();
        ids.reserve("web");
        assert_eq!(ids.make("web"), "web-1");
        assert_eq!(ids.make("1 of #2"), "_1_of__2");
        assert_eq!(ids.make("1 of #2"), "_1_of__2-1");
    }
}
