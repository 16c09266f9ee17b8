//! Turns a syntax error of the parser into a mistake that a person can act on.
use super::Node;
use super::events::SyntaxError;
use crate::error::Diagnostic;
use crate::source::{SourceFile, Span};
use std::sync::Arc;

pub(super) fn explain(file: &Arc<SourceFile>, error: &SyntaxError) -> Diagnostic {
    Diagnostic::error(error.message.clone())
        .at(&Span::new(file, error.offset..error.offset + 1), "")
}
pub(super) fn check_key(_key: &Node, _value: &Node) -> Result<(), Diagnostic> {
    Ok(())
}
