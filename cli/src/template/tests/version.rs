//! `version`: versions compared as Python's packaging tools, Semantic Versioning or plain reading have them.

use std::cmp::Ordering;

use minijinja::{Error, State, Value};

use crate::template::args::Args;
use crate::template::filters::Table;
use crate::template::python;

pub(super) const TABLE: Table = &[("version", version), ("version_compare", version)];

fn version(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let left = args.operand_text()?;
    let right = args.need_text("version")?;
    let operator = args.text("operator")?.unwrap_or_else(|| "eq".into());
    let strict = args.take("strict").filter(|strict| !strict.is_none());
    let kind = args.take("version_type").filter(|kind| !kind.is_none()).map(|kind| python::text(&kind));
    if strict.is_some() && kind.is_some() {
        return Err(args.refuse("`strict` and `version_type` cannot be given both"));
    }
    if left.is_empty() {
        return Err(args.refuse("Input version value cannot be empty"));
    }
    if right.is_empty() {
        return Err(args.refuse("Version parameter to compare against cannot be empty"));
    }
    let is_strict = strict.is_some_and(|strict| strict.is_true());
    let kind = kind.unwrap_or_else(|| if is_strict { "strict" } else { "loose" }.into());
    let ordering = compare(&left, &right, &kind).map_err(|err| args.refuse(err))?;
    let holds = match operator.as_str() {
        "==" | "=" | "eq" => ordering.is_eq(),
        "!=" | "<>" | "ne" => ordering.is_ne(),
        "<" | "lt" => ordering.is_lt(),
        "<=" | "le" => ordering.is_le(),
        ">" | "gt" => ordering.is_gt(),
        ">=" | "ge" => ordering.is_ge(),
        other => {
            return Err(args.refuse(format!("the operator is one of ==, !=, <, <=, >, >=, not `{other}`")));
        }
    };
    Ok(Value::from(holds))
}

fn compare(left: &str, right: &str, kind: &str) -> Result<Ordering, String> {
    match kind {
        "loose" => Ok(loose(left).cmp(&loose(right))),
        "strict" => Ok(strict(left)?.cmp(&strict(right)?)),
        "semver" | "semantic" => Ok(semantic(left)?.cmp(&semantic(right)?)),
        "pep440" => Ok(python_version(left)?.cmp(&python_version(right)?)),
        other => Err(format!("`version_type` is loose, strict, semver, semantic or pep440, not `{other}`")),
    }
}

/// A part of a version. Numbers come before letters, which Python refuses to compare at all.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u128),
    Letters(String),
}

/// Runs of digits and of lower-case letters; everything else separates.
fn loose(version: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut run = String::new();
    let mut flush = |run: &mut String| {
        if run.is_empty() {
            return;
        }
        let text = std::mem::take(run);
        parts.push(text.parse().map_or_else(|_| Part::Letters(text), Part::Number));
    };
    for char in version.chars() {
        let continues = run.chars().last().is_some_and(|last| {
            (last.is_ascii_digit() && char.is_ascii_digit())
                || (!last.is_ascii_digit() && !char.is_ascii_digit())
        });
        if char == '.' || !continues {
            flush(&mut run);
        }
        if char != '.' {
            run.push(char);
        }
    }
    flush(&mut run);
    parts
}

/// `N.N[.N][abN]`.
fn strict(version: &str) -> Result<(u64, u64, u64, bool, u8, u64), String> {
    let wrong = || format!("`{version}` is no strict version such as 1.2, 1.2.3 or 1.2a1");
    let (numbers, stage) = match version.find(['a', 'b']) {
        Some(at) => (&version[..at], &version[at..]),
        None => (version, ""),
    };
    let parts: Vec<u64> =
        numbers.split('.').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
    let patch = match parts.len() {
        2 => 0,
        3 => parts[2],
        _ => return Err(wrong()),
    };
    if stage.is_empty() {
        return Ok((parts[0], parts[1], patch, true, 0, 0));
    }
    let number = stage[1..].parse().map_err(|_| wrong())?;
    Ok((parts[0], parts[1], patch, false, stage.as_bytes()[0], number))
}

/// <https://semver.org/>: the order of numbers, then a release after its pre-releases.
fn semantic(version: &str) -> Result<(Vec<u64>, bool, Vec<Part>), String> {
    let wrong = || format!("`{version}` is no semantic version such as 1.2.3 or 1.2.3-rc.1");
    let core = version.split('+').next().unwrap_or_default();
    let (numbers, pre) = core.split_once('-').unwrap_or((core, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()) && !part.is_empty();
    let parts: Vec<&str> = numbers.split('.').collect();
    let has_zero = |part: &&str| part.len() > 1 && part.starts_with('0');
    if parts.len() != 3 || !parts.iter().all(|part| is_number(part)) || parts.iter().any(has_zero) {
        return Err(wrong());
    }
    let numbers = parts.iter().map(|part| part.parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
    let pre_parts = pre
        .split('.')
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().map_or_else(|_| Part::Letters(part.to_owned()), Part::Number));
    Ok((numbers, pre.is_empty(), pre_parts.collect()))
}

/// What PEP 440 orders by: epoch, release without its last zeros, then dev, pre, final and post releases.
type PythonVersion = (u64, Vec<u64>, (i8, u64), Option<u64>, (bool, u64), Vec<Part>);

/// PEP 440.
fn python_version(version: &str) -> Result<PythonVersion, String> {
    let wrong = || format!("`{version}` is no version as PEP 440 has them");
    let text = version.trim().to_lowercase();
    let text = text.trim_start_matches('v');
    let (public, local) = text.split_once('+').unwrap_or((text, ""));
    let (epoch, rest) = public.split_once('!').unwrap_or(("0", public));
    let epoch = epoch.parse().map_err(|_| wrong())?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (release, suffix) = rest.split_at(end);
    let mut release: Vec<u64> = release
        .trim_end_matches('.')
        .split('.')
        .map(|part| part.parse().map_err(|_| wrong()))
        .collect::<Result<_, _>>()?;
    while release.len() > 1 && release.last() == Some(&0) {
        release.pop();
    }
    let (pre, post, dev) = suffixes(suffix).ok_or_else(wrong)?;
    let stage = match (pre, post, dev) {
        (Some((stage, number)), _, _) => (stage, number),
        (None, None, Some(_)) => (-1, 0),
        _ => (3, 0),
    };
    let dev = (dev.is_none(), dev.unwrap_or(0));
    Ok((epoch, release, stage, post, dev, loose(local)))
}

type Suffixes = (Option<(i8, u64)>, Option<u64>, Option<u64>);

/// `a1`, `rc1`, `.post1`, `.dev1`, in their spellings.
fn suffixes(text: &str) -> Option<Suffixes> {
    let (mut pre, mut post, mut dev) = (None, None, None);
    let mut parts = loose(&text.replace(['-', '_'], ".")).into_iter().peekable();
    while let Some(part) = parts.next() {
        let number = match parts.peek() {
            Some(Part::Number(number)) => u64::try_from(*number).ok(),
            _ => None,
        };
        let Part::Letters(word) = part else {
            let Part::Number(number) = part else { return None };
            post = Some(u64::try_from(number).ok()?);
            continue;
        };
        if number.is_some() {
            parts.next();
        }
        let number = number.unwrap_or(0);
        match word.as_str() {
            "a" | "alpha" => pre = Some((0, number)),
            "b" | "beta" => pre = Some((1, number)),
            "c" | "rc" | "pre" | "preview" => pre = Some((2, number)),
            "post" | "rev" | "r" => post = Some(number),
            "dev" => dev = Some(number),
            _ => return None,
        }
    }
    Some((pre, post, dev))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ascending(kind: &str, versions: &[&str]) {
        for pair in versions.windows(2) {
            assert_eq!(compare(pair[0], pair[1], kind), Ok(Ordering::Less), "{} < {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn each_kind_orders_its_own_way() {
        ascending("loose", &["1.2", "1.2.1", "1.10", "2.0rc1"]);
        ascending("strict", &["1.2a1", "1.2b1", "1.2", "1.2.1"]);
        ascending("semver", &["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-beta", "1.0.0-rc.1", "1.0.0", "1.0.1"]);
        ascending("pep440", &["1.0.dev1", "1.0a1", "1.0rc1", "1.0", "1.0.post1", "1.1", "1!0.1"]);
    }

    #[test]
    fn a_version_of_the_wrong_kind_is_refused() {
        assert!(compare("1.2", "1.2.3", "semver").is_err());
        assert!(compare("1.2.3.4", "1.2", "strict").is_err());
    }
}
