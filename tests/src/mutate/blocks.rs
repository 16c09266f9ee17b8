//! Changes of text in which a line holds what is below it: by a deeper indent (YAML) or by braces (corosync.conf).

use super::bytes::edge;
use crate::random::Random;

/// One change; nothing where the bytes are not text.
pub(super) fn change(bytes: &[u8], other: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    let others: Vec<String> = std::str::from_utf8(other).ok()?.lines().map(str::to_string).collect();
    if lines.is_empty() || others.is_empty() {
        return None;
    }
    let at = random.index(lines.len());
    let end = block_end(&lines, at);
    match random.below(9) {
        0 => drop(lines.drain(at..end)),
        1 => drop(lines.splice(end..end, lines[at..end].to_vec())),
        2 | 3 => insert(&mut lines, at, &others, random),
        4 => change_value(&mut lines[at], &others, random),
        5 => change_key(&mut lines[at], &others, random),
        6 => move_block(&mut lines, at, end, random),
        7 => indent(&mut lines[at..end], random),
        _ => lines[at] = format!("{}- {}", " ".repeat(depth(&lines[at])), lines[at].trim_start()),
    }
    let mut text = lines.join("\n");
    text.push('\n');
    Some(text.into_bytes())
}

fn depth(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Where the block that begins with that line ends.
fn block_end(lines: &[String], at: usize) -> usize {
    let depth_here = depth(&lines[at]);
    let is_inside = |line: &String| line.trim().is_empty() || depth(line) > depth_here;
    let end = at + 1 + lines[at + 1..].iter().take_while(|line| is_inside(line)).count();
    let closes = lines[at].trim_end().ends_with('{') && lines.get(end).is_some_and(|line| line.trim() == "}");
    end + usize::from(closes)
}

/// A block from elsewhere, at the indent that is found here.
fn insert(lines: &mut Vec<String>, at: usize, others: &[String], random: &mut Random) {
    let from = random.index(others.len());
    let block = &others[from..block_end(others, from)];
    let (here, there) = (depth(&lines[at]), depth(&block[0]));
    let moved = block.iter().map(|line| {
        let indent = (depth(line) + here).saturating_sub(there);
        format!("{}{}", " ".repeat(indent), line.trim_start())
    });
    let moved: Vec<String> = moved.collect();
    lines.splice(at..at, moved);
}

fn change_value(line: &mut String, others: &[String], random: &mut Random) {
    let Some((key, _)) = split(line) else { return };
    let values: Vec<&str> = others.iter().filter_map(|line| split(line)).map(|(_, value)| value).collect();
    let value = match random.below(3) {
        0 => String::from_utf8_lossy(edge(random)).into_owned(),
        1 => String::new(),
        _ => random.pick(&values).copied().unwrap_or_default().to_string(),
    };
    *line = format!("{key}{value}");
}

fn change_key(line: &mut String, others: &[String], random: &mut Random) {
    let Some((_, value)) = split(line) else { return };
    let keys: Vec<&str> = others.iter().filter_map(|line| split(line)).map(|(key, _)| key).collect();
    let key = random.pick(&keys).copied().unwrap_or_default().trim_start();
    *line = format!("{}{key}{value}", " ".repeat(depth(line)));
}

/// What stands before a value, with its separator, and the value.
fn split(line: &str) -> Option<(&str, &str)> {
    let at = line.find(": ").map(|at| at + 2).or_else(|| line.find('=').map(|at| at + 1))?;
    Some(line.split_at(at))
}

fn move_block(lines: &mut Vec<String>, at: usize, end: usize, random: &mut Random) {
    let block: Vec<String> = lines.drain(at..end).collect();
    let to = random.index(lines.len() + 1);
    lines.splice(to..to, block);
}

fn indent(lines: &mut [String], random: &mut Random) {
    let is_deeper = random.chance(500);
    for line in lines {
        *line =
            if is_deeper { format!("  {line}") } else { line.strip_prefix("  ").unwrap_or(line).to_string() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_string).collect()
    }

    #[test]
    fn a_block_holds_what_is_deeper_and_the_brace_that_ends_it() {
        let yaml = lines("a:\n  b: 1\n\n  c: 2\nd: 3");
        assert_eq!([0, 1, 4].map(|at| block_end(&yaml, at)), [4, 3, 5]);
        let conf = lines("totem {\n    token: 1\n}\nquorum {\n}");
        assert_eq!([0, 1, 3].map(|at| block_end(&conf, at)), [3, 2, 5]);
    }

    #[test]
    fn an_inserted_block_takes_the_indent_of_its_place() {
        let mut here = lines("a:\n    b: 1");
        insert(&mut here, 1, &lines("x: 9"), &mut Random::new(1));
        assert_eq!(here, lines("a:\n    x: 9\n    b: 1"));
    }
}
