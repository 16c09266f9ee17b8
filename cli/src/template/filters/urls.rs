//! URLs: taken apart and decoded.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::Table;
use crate::template::args::Args;
use crate::template::python;
use crate::template::value::pairs;

pub(super) const TABLE: Table =
    &[("urldecode", url_decode), ("urlencode", url_encode), ("urlsplit", url_split)];

/// A URL's parts, as RFC 3986 separates them.
#[derive(Debug, Default)]
pub(crate) struct Url {
    pub(crate) scheme: String,
    pub(crate) netloc: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) fragment: String,
}

impl Url {
    pub(crate) fn parse(text: &str) -> Self {
        let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let is_scheme = |scheme: &str| {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        };
        let (scheme, rest) = match rest.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (scheme.to_lowercase(), rest),
            _ => (String::new(), rest),
        };
        let (netloc, path) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
            None => ("", rest),
        };
        Self {
            scheme,
            netloc: netloc.into(),
            path: path.into(),
            query: query.into(),
            fragment: fragment.into(),
        }
    }

    fn user_and_password(&self) -> (Option<&str>, Option<&str>) {
        let Some((login, _)) = self.netloc.rsplit_once('@') else { return (None, None) };
        match login.split_once(':') {
            Some((user, password)) => (Some(user), Some(password)),
            None => (Some(login), None),
        }
    }

    fn host_and_port(&self) -> (Option<String>, Option<&str>) {
        let place = self.netloc.rsplit_once('@').map_or(self.netloc.as_str(), |(_, place)| place);
        let (host, port) = match place.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        ((!host.is_empty()).then(|| host.to_lowercase()), port.filter(|port| !port.is_empty()))
    }
}

fn url_split(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let text = args.operand_text()?;
    let wanted = args.text("query")?.unwrap_or_default();
    let url = Url::parse(&text);
    let (user, password) = url.user_and_password();
    let (host, port) = url.host_and_port();
    let port = match port.map(str::parse::<u16>) {
        None => Value::from(()),
        Some(Ok(port)) => Value::from(port),
        Some(Err(_)) => return Err(args.refuse(format!("`{text}` has a port that is no number up to 65535"))),
    };
    let optional = |text: Option<&str>| text.map_or_else(|| Value::from(()), Value::from);
    let parts = [
        ("fragment", Value::from(url.fragment.as_str())),
        ("hostname", optional(host.as_deref())),
        ("netloc", Value::from(url.netloc.as_str())),
        ("password", optional(password)),
        ("path", Value::from(url.path.as_str())),
        ("port", port),
        ("query", Value::from(url.query.as_str())),
        ("scheme", Value::from(url.scheme.as_str())),
        ("username", optional(user)),
    ];
    if wanted.is_empty() {
        return Ok(Value::from_pairs(parts));
    }
    let found = parts.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone());
    found.ok_or_else(|| {
        let names = parts.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        args.refuse(format!("unknown URL component `{wanted}`; there are {names}"))
    })
}

/// Text is quoted as a path; the pairs of a dictionary or list as a query.
fn url_encode(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let value = args.operand()?;
    let entries = match value.kind() {
        ValueKind::Map => pairs(&value),
        ValueKind::Seq | ValueKind::Iterable => {
            let pair = |item: &Value| match args.items(item)?.as_slice() {
                [key, value] => Ok((key.clone(), value.clone())),
                _ => Err(args.refuse("a list of pairs is needed")),
            };
            args.items(&value)?.iter().map(pair).collect::<Result<_, Error>>()?
        }
        _ => return Ok(Value::from(percent_encoded(&python::text(&value), "/"))),
    };
    let query = |text: &Value| percent_encoded(&python::text(text), " ").replace(' ', "+");
    let parts = entries.iter().map(|(key, value)| format!("{}={}", query(key), query(value)));
    Ok(Value::from(parts.collect::<Vec<_>>().join("&")))
}

fn percent_encoded(text: &str, safe: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let char = char::from(byte);
        if byte.is_ascii_alphanumeric() || "_.-~".contains(char) || safe.contains(char) {
            out.push(char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn url_decode(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let text = args.operand_text()?.replace('+', " ");
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    Ok(Value::from(String::from_utf8_lossy(&out).into_owned()))
}
