//! A failed template as a diagnostic: the text with the failing part underlined, then the values that led there.

use std::sync::Arc;

use super::error::TemplateError;
use crate::error::Diagnostic;
use crate::source::{SourceFile, Span};

impl TemplateError {
    /// The failure as a person reads it. The innermost template comes first: that is where the name is missing.
    pub(crate) fn diagnostic(&self) -> Diagnostic {
        let chain = self.chain();
        let Some((last, outer)) = chain.split_last() else { return Diagnostic::error(self.message.as_str()) };
        let mut diagnostic = Diagnostic::error(last.message.as_str());
        if let Some(span) = last.place() {
            diagnostic = diagnostic.at(&span, "");
        }
        for err in outer.iter().rev() {
            diagnostic = match err.place() {
                Some(span) => diagnostic.at(&span, "needed here"),
                None => diagnostic.note(format!("needed by `{}`", err.text.trim())),
            };
        }
        diagnostic.maybe_hint(last.hint.clone())
    }

    /// From this failure to the one that caused it.
    fn chain(&self) -> Vec<&Self> {
        std::iter::successors(Some(self), |err| err.cause.as_ref()).collect()
    }

    /// The failing part: in its YAML file, in its template file, or in a text that stands in neither.
    fn place(&self) -> Option<Span> {
        if let Some(span) = self.span() {
            return Some(span);
        }
        let range = self.range.clone()?;
        let name = self.file.as_deref().map_or("template".into(), |file| file.to_string_lossy());
        let file: Arc<SourceFile> = SourceFile::new(name.as_ref(), &*self.text);
        Some(Span::new(&file, range))
    }
}

#[cfg(test)]
mod tests {
    use crate::template::examples::{scope, yaml};

    #[test]
    fn the_missing_name_comes_first_and_then_who_needed_it() {
        let scope = scope("port: 80\nurl: 'http://x:{{ prot }}/'\n");
        let node = yaml("msg: 'see {{ url }}'");
        let err = scope.render_node(node.get("msg").expect("it is there")).unwrap_err();
        let text = err.diagnostic().render(false);
        let first = text.find("test.yml:2:19").expect("the place of `prot`");
        let second = text.find("test.yml:1:14").expect("the place of `url`");
        assert!(text.starts_with("error: 'prot' is undefined") && first < second, "{text}");
        assert!(text.contains("did you mean `port`?"), "{text}");
    }
}
