//! `lookup` and `query`: values from outside the variables, read on the controller.

use minijinja::{Error, State, Value};

use super::args::Args;

/// All names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    [].into_iter()
}

/// Runs a lookup. `query` gives its list; `lookup` gives the texts joined by commas, or a lone item as it is.
pub(crate) fn call(_: &mut State<'_, '_>, values: Vec<Value>, _: bool) -> Result<Value, Error> {
    let mut args = Args::new("lookup".into(), values);
    let name = args.need_text("name")?;
    Err(args.refuse(format!("there is no lookup `{name}`")))
}

/// The name of a user of this machine, or its number.
pub(crate) fn user_name(id: u32) -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let of = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        (fields.nth(1)? == id.to_string()).then_some(name)
    };
    passwd.lines().find_map(of).unwrap_or_else(|| id.to_string())
}
