//! `openssl_dhparam`: parameters of a Diffie-Hellman exchange.

use super::{Args, Check, Failure, Module};
use super::{Making, ask, is_readable, kept, needs_openssl, removed, with_content, words};
use crate::worker::{Hands, View};
use muster_api::outcome::Outcome;

pub(in super::super) struct Parameters;

impl Module for Parameters {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let path = args.needed_path("path", view)?;
        if args.text("state") == Some("absent") {
            return Ok(removed(&path, view).with("filename", path.to_string_lossy()));
        }
        needs_openssl(view)?;
        let size = args.int("size").unwrap_or(4096);
        let is_right = view.exists(&path) && !args.flag("force") && {
            let text = words(&["dhparam", "-noout", "-text"]);
            let content = view.read(&path).map(|content| String::from_utf8_lossy(&content).into_owned());
            let told = content.ok().and_then(|content| ask(&text, &Vec::new(), &content, view));
            told.is_some_and(|told| told.contains(&format!("({size} bit)")))
                || view.is_check() && !is_readable(&path, view)
        };
        let mut check = if is_right {
            kept(&path, args, view)?
        } else {
            let pipeline = vec![words(&["dhparam", &size.to_string()])];
            let mode = 0o666 & !view.umask();
            Making { path: &path, kind: "parameters", pipeline, secrets: Vec::new(), mode }
                .check(args, view)?
        };
        if is_right {
            with_content("dhparams", &path, args, view, &mut check.outcome);
        }
        Ok(check.with("filename", path.to_string_lossy()).with("size", size))
    }

    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        let mut outcome = check.carry_out(hands)?;
        let path = args.needed_path("path", &hands.view())?;
        with_content("dhparams", &path, args, &hands.view(), &mut outcome);
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn parameters_are_made_once() {
        let trial = Trial::new("openssl_dhparam");
        // The smallest that OpenSSL makes: it takes a moment only.
        let step = json!({"path": trial.path("dh"), "size": 512});
        assert!(trial.check(step.clone()).changed);
        assert!(trial.apply(step.clone()).changed);
        trial.is_silent(step);
        trial.changes_once(json!({"path": trial.path("dh"), "state": "absent"}));
    }
}
