//! `muster explain`: what a finding means, why it matters, and how it is mended.

use super::basis::tell;
use crate::args::{ExplainArgs, Output};
use crate::error::Diagnostic;
use crate::exit::Exit;
use crate::lint::{Page, Severity, page, pages};
use crate::suggest::nearest;
use serde_json::{Value as Json, json};

/// Runs `muster explain`.
pub(crate) fn run(args: &ExplainArgs) -> Exit {
    let Some(code) = &args.code else {
        anstream::print!("{}", list(args.output));
        return Exit::Fine;
    };
    let Some(page) = page(code) else {
        let near = nearest(&code.to_ascii_uppercase(), pages().iter().map(|page| page.code));
        let next = near.map_or_else(
            || "`muster explain` lists all".to_owned(),
            |near| format!("did you mean `{near}`? `muster explain` lists all"),
        );
        let mistake = Diagnostic::error(format!("there is no finding `{code}`"));
        return tell(&mistake.exits_with(Exit::WrongUse).hint(next).into());
    };
    match args.output {
        Output::Text => anstream::print!("{}", page.text),
        Output::Json => anstream::println!("{}", entry(page, Some(page.text))),
    }
    Exit::Fine
}

fn list(output: Output) -> String {
    match output {
        Output::Text => {
            let line = |page: &Page| format!("{}  {:<7}  {}\n", page.code, severity(page), page.title());
            pages().iter().map(line).collect()
        }
        Output::Json => {
            let all: Vec<Json> = pages().iter().map(|page| entry(page, None)).collect();
            format!("{}\n", Json::from(all))
        }
    }
}

fn entry(page: &Page, text: Option<&str>) -> Json {
    let mut entry = json!({"code": page.code, "severity": severity(page), "title": page.title()});
    if let Some(text) = text {
        entry["text"] = text.into();
    }
    entry
}

fn severity(page: &Page) -> &'static str {
    match page.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}
