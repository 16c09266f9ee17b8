//! The template language: minijinja with Ansible's settings, filters, tests and lookups.
//!
//! Most callers use [`Scope`](crate::vars::Scope), which renders with a host's variables. What is here is the engine
//! behind it and the checks that need no host: [`check_template`], [`check_expression`], [`check_file`].
//!
//! # Undefined, unknown, omitted
//!
//! As in ansible-core 2.19, an undefined value may be passed on: attributes, items, methods and filters of it are
//! undefined too, and `default`, `is defined` and `mandatory` decide. Any other use fails and names it. A value that
//! a dry run does not know ([`unknown`]) fails wherever it is used, with its reason; `is defined` fails where it is
//! not known whether there is one ([`unknown_if_any`]).
//!
//! Limits: a function that does not exist fails even before `default`; `varargs` and `kwargs` of macros do not exist
//! in minijinja; a list is changed in place (`append`) only if the template itself made it with `{% set x = [] %}`.

mod args;
mod blame;
mod cache;
mod dialect;
mod engine;
mod error;
mod failure;
mod file;
mod filters;
mod format;
mod functions;
mod hooks;
mod lookups;
mod methods;
mod order;
mod partly_known;
mod percent;
mod python;
mod tests;
mod trace;
mod value;

pub(crate) use blame::{Blamed, BlamedLine, Read, Site, note_read, templating};
pub(crate) use dialect::Need;
pub(crate) use engine::{
    Engine, check_expression, check_template, is_template_whole, names_in_expression, names_in_text,
    needs_of_text,
};
pub(crate) use error::{FailureKind, SyntaxProblem, TemplateError};
pub(crate) use failure::{from_error, read_failed};
pub(crate) use file::{FileOptions, TemplateFile, check_file, file_variables, needs_of_file};
pub(crate) use filters::names as filter_names;
pub(crate) use filters::time::timestamp;
pub(crate) use lookups::{names as lookup_names, refused as refused_lookups};
pub(crate) use partly_known::{partly_known, partly_known_with_all_names};
pub(crate) use python::{repr, text as text_of, type_name};
pub(crate) use tests::names as test_names;
pub(crate) use trace::reading;
pub(crate) use value::{
    complete, complete_or_partly_known, from_json, is_untrusted, omit, pairs, to_json, unknown,
    unknown_if_any, untrusted,
};

/// A value of the template language.
pub(crate) use minijinja::Value;

#[cfg(test)]
mod blame_tests;
#[cfg(test)]
pub(crate) mod examples;
#[cfg(test)]
mod file_tests;
#[cfg(test)]
mod filter_tests;
#[cfg(test)]
mod native_tests;
#[cfg(test)]
mod undefined_tests;
