//! The report for programs: one JSON object a line, one line an event.

use super::event::Event;
use crate::vars::Secrets;
use serde_json::Value as Json;

/// What an event is about, in words of this program and of the inventory: never a secret, whatever a secret looks like.
const OWN_WORDS: [&str; 4] = ["event", "host", "hosts", "place"];

/// The line of an event, with secrets masked in what it tells.
pub(crate) fn line(event: &Event, secrets: &Secrets) -> String {
    let masked = serde_json::to_value(event).map(|mut event| {
        mask_event(&mut event, secrets);
        event.to_string() + "\n"
    });
    // All parts of events are plain data with text keys.
    masked.unwrap_or_else(|cause| format!("{{\"event\":\"unprintable\",\"cause\":\"{cause}\"}}\n"))
}

fn mask_event(event: &mut Json, secrets: &Secrets) {
    let parts = event.as_object_mut().into_iter().flatten();
    for (name, part) in parts.filter(|(name, _)| !OWN_WORDS.contains(&name.as_str())) {
        match part.as_object_mut().filter(|_| name == "result") {
            Some(result) => {
                let told = result.iter_mut().filter(|(name, _)| *name != "status");
                told.for_each(|(_, value)| mask(value, secrets));
            }
            None => mask(part, secrets),
        }
    }
}

fn mask(value: &mut Json, secrets: &Secrets) {
    match value {
        Json::String(text) => {
            if let std::borrow::Cow::Owned(masked) = secrets.mask(text) {
                *text = masked;
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| mask(item, secrets)),
        Json::Object(entries) => entries.values_mut().for_each(|value| mask(value, secrets)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::result::TaskResult;

    #[test]
    fn a_secret_is_masked_in_what_is_told_and_leaves_the_line_whole() {
        let secrets = Secrets::default();
        secrets.add("one");
        secrets.add("pa\"ss\\word");
        let mut result = TaskResult::default();
        result.result.insert("msg".into(), "one is pa\"ss\\word".into());
        let event = Event::Done { host: "one".into(), task: "Task one".into(), result: Box::new(result) };
        let line: Json = serde_json::from_str(&line(&event, &secrets)).expect("it is JSON");
        assert_eq!((&line["event"], &line["host"]), (&"done".into(), &"one".into()));
        assert_eq!(line["task"], "Task ***");
        assert_eq!(line["result"]["result"]["msg"], "*** is ***");
        assert_eq!(line["result"]["status"], "ok");
    }
}
