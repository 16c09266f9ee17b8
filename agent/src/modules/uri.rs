//! `uri`: a request to a web service.

use super::http::{self, Answer, Question};
use super::placing::{self, Before};
use super::{Args, Check, Failure, Module, glob};
use crate::worker::{Hands, View};
use muster_api::outcome::Outcome;
use serde_json::{Map, Value};
use std::time::Instant;

pub(super) struct Uri;

impl Module for Uri {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let exists = |name| args.path(name, view).map(|path| (glob::any(&path, view), path));
        if let Some((true, path)) = exists("creates") {
            return Ok(Check::skipped(format!("skipped, since '{}' exists", path.display())));
        }
        if let Some((false, path)) = exists("removes") {
            return Ok(Check::skipped(format!("skipped, since '{}' does not exist", path.display())));
        }
        if !view.is_check() {
            return Ok(Check::unchanged());
        }
        Ok(Check::unknown(format!(
            "`{}` is not asked in check mode: services may not run yet",
            args.needed("url")?
        )))
    }

    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        if check.outcome.skipped {
            return Ok(check.outcome);
        }
        let url = args.needed("url")?;
        let began = Instant::now();
        let view = hands.view();
        let sent = http::send(url, question(args, &view)?, args, &view);
        let elapsed = began.elapsed().as_secs();
        let answer = sent.map_err(|why| {
            Failure::new(format!("Status code was -1 and not {}: {why}", expected(args)))
                .with("status", -1)
                .with("url", url)
                .with("elapsed", elapsed)
        })?;
        let mut outcome = told(&answer, url, args);
        outcome.result.insert("elapsed".into(), elapsed.into());
        if !outcome.failed {
            write_down(&answer, args, hands, &mut outcome)?;
        }
        Ok(outcome)
    }
}

fn question(args: &Args<'_>, view: &View<'_>) -> Result<Question, Failure> {
    let method = args.text("method").unwrap_or("GET").to_ascii_uppercase();
    let follows = match args.text("follow_redirects").unwrap_or("safe") {
        "all" | "yes" | "urllib2" => true,
        "none" | "no" => false,
        _ => matches!(method.as_str(), "GET" | "HEAD"),
    };
    let (body, content_type) = body(args, view)?;
    Ok(Question { method, body, content_type, follows, headers: Vec::new() })
}

fn body(args: &Args<'_>, view: &View<'_>) -> Result<(Vec<u8>, Option<&'static str>), Failure> {
    if let (Some("form-multipart"), Some(body)) = (args.text("body_format"), args.raw("body")) {
        return Ok((multipart(body)?, Some(MULTIPART)));
    }
    if args.text("src").is_some() {
        return source(args, view).map(|bytes| (bytes, None));
    }
    let Some(body) = args.raw("body") else { return Ok((Vec::new(), None)) };
    Ok(match (args.text("body_format"), body) {
        (Some("json"), Value::String(text)) if serde_json::from_str::<Value>(text).is_ok() => {
            (text.clone().into_bytes(), Some("application/json"))
        }
        (Some("json"), body) => (body.to_string().into_bytes(), Some("application/json")),
        (Some("form-urlencoded"), body) => {
            (form(body)?.into_bytes(), Some("application/x-www-form-urlencoded"))
        }
        (_, Value::String(text)) => (text.clone().into_bytes(), None),
        (_, other) => (other.to_string().into_bytes(), None),
    })
}

fn source(args: &Args<'_>, view: &View<'_>) -> Result<Vec<u8>, Failure> {
    if !args.flag("remote_src") {
        let wanted =
            view.content_ref().ok_or_else(|| Failure::new("the controller sent no content for `src`"))?;
        return view
            .content(wanted)
            .map_err(|why| Failure::new(format!("the content did not arrive: {why}")));
    }
    let path = args.needed_path("src", view)?;
    view.read(&path).map_err(|error| Failure::new(format!("cannot read `{}`: {error}", path.display())))
}

const BOUNDARY: &str = "===============7330845974216740156==";
const MULTIPART: &str = "multipart/form-data; boundary=\"===============7330845974216740156==\"";

/// Each field a part of its own (RFC 7578); one with a file name has its content beside it.
fn multipart(body: &Value) -> Result<Vec<u8>, Failure> {
    let Value::Object(fields) = body else {
        return Err(Failure::new("`body` must be a mapping for `body_format: form-multipart`"));
    };
    let mut text = String::new();
    for (name, field) in fields {
        let plain = |key: &str| field.get(key).and_then(Value::as_str);
        let (content, file, kind) = match field {
            Value::String(value) => (value.as_str(), None, None),
            Value::Object(_) => {
                let content = plain("content").ok_or_else(|| {
                    Failure::new(format!(
                        "the field `{name}` of `body` needs `content`: files are not read for it"
                    ))
                })?;
                (content, plain("filename"), plain("mime_type"))
            }
            _ => {
                return Err(Failure::new(format!(
                    "value must be a string, or mapping, for `{name}` of `body`"
                )));
            }
        };
        let file = file.map(|file| format!("; filename=\"{file}\"")).unwrap_or_default();
        let kind = kind.unwrap_or(if file.is_empty() { "text/plain" } else { "application/octet-stream" });
        text.push_str(&format!(
            "--{BOUNDARY}\r\nContent-Type: {kind}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{content}\r\n"
        ));
    }
    text.push_str(&format!("--{BOUNDARY}--\r\n"));
    Ok(text.into_bytes())
}

/// A mapping, a list of pairs, or text that is encoded already.
fn form(body: &Value) -> Result<String, Failure> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let pairs: Vec<(String, String)> = match body {
        Value::String(encoded) => return Ok(encoded.clone()),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match value {
                Value::Array(items) => items.iter().map(|item| (name.clone(), text(item))).collect(),
                one => vec![(name.clone(), text(one))],
            })
            .collect(),
        Value::Array(items) => {
            items.iter().filter_map(|item| Some((text(item.get(0)?), text(item.get(1)?)))).collect()
        }
        _ => {
            return Err(Failure::new(
                "`body` must be a mapping or a list of pairs for `body_format: form-urlencoded`",
            ));
        }
    };
    let encoded = pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    Ok(encoded.collect::<Vec<_>>().join("&"))
}

/// As HTML forms are encoded: a space is `+`.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte))
            }
            b' ' => encoded.push('+'),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

/// The status codes that are fine; text and numbers, `[200, "201"]`.
fn fine_codes(args: &Args<'_>) -> Vec<u16> {
    let codes = args.raw("status_code").and_then(Value::as_array).cloned().unwrap_or_default();
    let number = |code: &Value| code.as_u64().or_else(|| code.as_str()?.trim().parse().ok());
    codes.iter().filter_map(number).filter_map(|code| u16::try_from(code).ok()).collect()
}

fn expected(args: &Args<'_>) -> String {
    format!("{:?}", fine_codes(args))
}

fn told(answer: &Answer, url: &str, args: &Args<'_>) -> Outcome {
    let failed = !fine_codes(args).contains(&answer.status);
    let mut result: Map<String, Value> = answer.headers.clone();
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let is_json = answer.content_type.split(';').next().is_some_and(|kind| {
        let kind = kind.trim();
        kind.ends_with("/json") || kind.ends_with("+json") || kind == "application/javascript"
    });
    if let Some(json) = is_json.then(|| serde_json::from_str(&text).ok()).flatten() {
        result.insert("json".into(), json);
    }
    if args.flag("return_content") || failed {
        result.insert("content".into(), text.into());
    }
    let msg = if failed {
        format!("Status code was {} and not {}: {}", answer.status, expected(args), answer.reason)
    } else {
        format!("{} ({} bytes)", answer.reason, answer.body.len())
    };
    let is_elsewhere = answer.url.trim_end_matches('/') != url.trim_end_matches('/');
    let values: [(&str, Value); 4] = [
        ("status", answer.status.into()),
        ("url", answer.url.clone().into()),
        ("msg", msg.into()),
        ("redirected", is_elsewhere.into()),
    ];
    result.extend(values.map(|(name, value)| (name.to_owned(), value)));
    let cookies = cookies(result.get("set_cookie").and_then(Value::as_str).unwrap_or(""));
    let line = cookies
        .iter()
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or("")))
        .collect::<Vec<_>>();
    result.insert("cookies_string".into(), line.join("; ").into());
    result.insert("cookies".into(), cookies.into());
    Outcome { failed, result, ..Outcome::default() }
}

fn cookies(header: &str) -> Map<String, Value> {
    let pairs = header.split(", ").filter_map(|cookie| cookie.split(';').next()?.split_once('='));
    let is_name = |name: &str| !name.is_empty() && !name.contains(' ');
    pairs.filter(|(name, _)| is_name(name)).map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// With `dest` the answer becomes a file.
fn write_down(
    answer: &Answer,
    args: &Args<'_>,
    hands: &mut Hands<'_>,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let view = hands.view();
    let Some(dest) = args.path("dest", &view) else { return Ok(()) };
    let path = http::file_of(dest, &answer.url, &view)?;
    let check = placing::place(&Before::at(&path, true, &view)?, answer.body.clone(), args, &view)?;
    hands.carry_out(&check.operations)?;
    outcome.changed = check.outcome.changed;
    outcome.diffs = check.outcome.diffs.clone();
    outcome.result.insert("path".into(), path.to_string_lossy().into());
    check.report.fill(outcome, &hands.view());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn plan_says_that_it_does_not_ask() {
        let planned = Trial::new("uri").check(json!({"url": "http://192.0.2.1/"}));
        assert!(planned.unknown.expect("a reason").contains("http://192.0.2.1/"));
    }

    #[test]
    fn forms_are_encoded_as_a_browser_does() {
        let body = json!({"a b": "c&d", "list": ["1", "2"]});
        assert_eq!(form(&body).expect("a form"), "a+b=c%26d&list=1&list=2");
    }

    #[test]
    fn wrong_address_is_a_failure_with_status_minus_one() {
        let outcome = Trial::new("uri").apply(json!({"url": "ftp://192.0.2.1/"}));
        assert!(outcome.failed && outcome.result["status"] == -1, "{outcome:?}");
        assert!(outcome.result["msg"].as_str().expect("a sentence").contains("neither http nor https"));
    }

    #[test]
    fn unexpected_status_is_told_with_the_content() {
        let answer = Answer {
            status: 404,
            reason: "Not Found".into(),
            headers: Map::new(),
            content_type: "application/json".into(),
            url: "http://web/".into(),
            body: br#"{"a": 1}"#.to_vec(),
        };
        let values = json!({"status_code": [200, "301"]});
        let outcome = told(&answer, "http://web", &Args { values: values.as_object().expect("a mapping") });
        assert!(outcome.failed);
        assert_eq!(outcome.result["msg"], "Status code was 404 and not [200, 301]: Not Found");
        assert_eq!((&outcome.result["json"]["a"], &outcome.result["redirected"]), (&json!(1), &json!(false)));
    }
}
