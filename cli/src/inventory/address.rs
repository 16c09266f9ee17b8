//! Host names as inventories write them: `web[01:20:2].example.org:2222`.

use std::net::Ipv6Addr;

/// More hosts than this in one range are a typing mistake.
const MOST_HOSTS: usize = 1 << 20;

/// What is wrong with a range; a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadRange(pub(super) String);

/// The names that a pattern stands for, and its port.
pub(super) fn expand(pattern: &str) -> Result<(Vec<String>, Option<u16>), BadRange> {
    let (name, port) = split_port(pattern);
    let mut names = vec![String::new()];
    let mut rest = name;
    while let Some(open) = rest.find('[') {
        let close = rest[open..].find(']').map(|close| open + close);
        let close = close.ok_or_else(|| BadRange("`[` is not closed".into()))?;
        let values = range(&rest[open + 1..close])?;
        if names.len().saturating_mul(values.len()) > MOST_HOSTS {
            return Err(BadRange(format!("it stands for more than {MOST_HOSTS} hosts")));
        }
        let head = &rest[..open];
        let extended = names.iter().flat_map(|name| values.iter().map(move |v| format!("{name}{head}{v}")));
        names = extended.collect();
        rest = &rest[close + 1..];
    }
    names.iter_mut().for_each(|name| name.push_str(rest));
    Ok((names, port))
}

/// `host:2222` and `[::1]:2222`; other colons belong to the name.
pub(crate) fn split_port(pattern: &str) -> (&str, Option<u16>) {
    let Some((host, port)) = pattern.rsplit_once(':') else { return (pattern, None) };
    let digits = !port.is_empty() && port.chars().all(|c| c.is_ascii_digit());
    let Some(port) = port.parse().ok().filter(|_| digits) else { return (pattern, None) };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match bracketed {
        Some(inner) if !inner.contains(['[', ']']) => (inner, Some(port)),
        _ if !outside_brackets(host).contains(':') => (host, Some(port)),
        _ => (pattern, None),
    }
}

/// Whether it can be the name of one host, or a range of them, rather than several patterns with colons.
pub(super) fn is_address(pattern: &str) -> bool {
    let (host, _) = split_port(pattern);
    if host.parse::<Ipv6Addr>().is_ok() {
        return true;
    }
    let plain = outside_brackets(host);
    let is_name = plain.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'));
    is_name && host.matches('[').count() == host.matches(']').count() && !host.is_empty()
}

fn outside_brackets(text: &str) -> String {
    let mut depth = 0_usize;
    let outside = |c: &char| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => return depth == 0,
        }
        false
    };
    text.chars().filter(outside).collect()
}

fn range(text: &str) -> Result<Vec<String>, BadRange> {
    let bounds: Vec<&str> = text.split(':').collect();
    let (begin, end, step) = match bounds.as_slice() {
        [begin, end] => (*begin, *end, "1"),
        [begin, end, step] => (*begin, *end, *step),
        _ => {
            return Err(BadRange(format!(
                "`[{text}]` is no range, expected `[begin:end]` or `[begin:end:step]`"
            )));
        }
    };
    let begin = if begin.is_empty() { "0" } else { begin };
    if end.is_empty() {
        return Err(BadRange(format!("the range `[{text}]` has no end")));
    }
    let step: usize = step.parse().unwrap_or(0);
    if step == 0 {
        return Err(BadRange(format!("the step of the range `[{text}]` is not a number above 0")));
    }
    let is_padded = begin.len() > 1 && begin.starts_with('0');
    if is_padded && begin.len() != end.len() {
        return Err(BadRange(format!("begin and end of the range `[{text}]` have different lengths")));
    }
    let width = if is_padded { begin.len() } else { 0 };
    let backwards = || BadRange(format!("the range `[{text}]` ends before it begins"));
    if let (Some(begin), Some(end)) = (letter(begin), letter(end)) {
        let values: Vec<String> =
            LETTERS.chars().take(end + 1).skip(begin).step_by(step).map(String::from).collect();
        return if values.is_empty() { Err(backwards()) } else { Ok(values) };
    }
    let number = |bound: &str| {
        bound
            .parse::<usize>()
            .map_err(|_| BadRange(format!("`{bound}` in `[{text}]` is neither a number nor a letter")))
    };
    let (begin, end) = (number(begin)?, number(end)?);
    if begin > end {
        return Err(backwards());
    }
    if (end - begin) / step >= MOST_HOSTS {
        return Err(BadRange(format!("the range `[{text}]` stands for more than {MOST_HOSTS} hosts")));
    }
    Ok((begin..=end).step_by(step).map(|value| format!("{value:0width$}")).collect())
}

/// In the order of the ASCII alphabet, small letters first.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

fn letter(bound: &str) -> Option<usize> {
    if bound.len() == 1 { LETTERS.find(bound) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(pattern: &str) -> Vec<String> {
        expand(pattern).unwrap().0
    }

    #[test]
    fn ranges_count_with_steps_and_leading_zeros() {
        assert_eq!(names("web[01:05:2].a"), ["web01.a", "web03.a", "web05.a"]);
        assert_eq!(names("[:2]"), ["0", "1", "2"]);
        assert_eq!(names("db-[a:c]"), ["db-a", "db-b", "db-c"]);
        assert_eq!(names("r[1:2]n[8:9]"), ["r1n8", "r1n9", "r2n8", "r2n9"]);
    }

    #[test]
    fn a_port_is_split_off_but_not_a_part_of_an_ipv6_address() {
        assert_eq!(split_port("web:2222"), ("web", Some(2222)));
        assert_eq!(split_port("[2001:db8::1]:22"), ("2001:db8::1", Some(22)));
        assert_eq!(split_port("2001:db8::1"), ("2001:db8::1", None));
        assert_eq!(split_port("web[1:3]"), ("web[1:3]", None));
        assert_eq!(split_port("web[1:3]:22"), ("web[1:3]", Some(22)));
    }

    #[test]
    fn a_bad_range_says_what_is_wrong_with_it() {
        assert_eq!(expand("a[5:1]").unwrap_err().0, "the range `[5:1]` ends before it begins");
        assert_eq!(expand("a[1:]").unwrap_err().0, "the range `[1:]` has no end");
        assert_eq!(expand("a[1:5").unwrap_err().0, "`[` is not closed");
        assert_eq!(
            expand("a[01:100]").unwrap_err().0,
            "begin and end of the range `[01:100]` have different lengths"
        );
        assert_eq!(
            expand("a[1:999999999]").unwrap_err().0,
            "the range `[1:999999999]` stands for more than 1048576 hosts"
        );
    }

    #[test]
    fn two_patterns_with_a_colon_are_no_address() {
        assert!(is_address("web[1:3].example.org"));
        assert!(is_address("::1"));
        assert!(!is_address("web:db"));
        assert!(!is_address("all:!db"));
    }
}
