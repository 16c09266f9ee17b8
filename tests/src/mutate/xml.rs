//! Changes of elements and attributes in an XML document. Its elements are found by their brackets: comments and sections of
//! raw text are no part of what is looked for.

use super::bytes::edge;
use crate::random::Random;
use std::ops::Range;

/// One change; nothing where there is no element.
pub(super) fn change(bytes: &[u8], other: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let (text, other) = (std::str::from_utf8(bytes).ok()?, std::str::from_utf8(other).ok()?);
    let here = random.pick(&elements(text))?.clone();
    let there = random.pick(&elements(other)).cloned().unwrap_or(0..0);
    let mut made = text.to_string();
    match random.below(8) {
        0 => made.replace_range(here, ""),
        1 => made.insert_str(here.end, &text[here.clone()]),
        2 => made.insert_str(here.start, &other[there]),
        3 => made.replace_range(here, &other[there]),
        4 => nest(&mut made, here, random),
        5 => change_attribute(&mut made, other, random, |name, value, donor| match donor {
            Some(donor) => format!("{name}=\"{donor}\""),
            None => format!("{name}=\"{value}{value}\""),
        })?,
        6 => change_attribute(&mut made, other, random, |_, _, _| String::new())?,
        _ => {
            let number = String::from_utf8_lossy(edge(random)).into_owned();
            change_attribute(&mut made, other, random, |name, _, _| format!("{name}=\"{number}\""))?;
        }
    }
    Some(made.into_bytes())
}

/// From the bracket that opens an element to the one that closes it; elements that nothing closes are left out.
fn elements(text: &str) -> Vec<Range<usize>> {
    let (mut open, mut found) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(start) = text[at..].find('<').map(|found| at + found) {
        let Some(end) = text[start..].find('>').map(|found| start + found + 1) else { break };
        let tag = &text[start..end];
        if tag.starts_with("</") {
            found.extend(open.pop().map(|from: usize| from..end));
        } else if tag.ends_with("/>") {
            found.push(start..end);
        } else if !tag.starts_with("<?") && !tag.starts_with("<!") {
            open.push(start);
        }
        at = end;
    }
    found
}

/// The element inside itself, many times.
fn nest(text: &mut String, here: Range<usize>, random: &mut Random) {
    let element = text[here.clone()].to_string();
    let Some(end) = element.find('>').map(|end| end + 1).filter(|end| !element[..*end].ends_with("/>"))
    else {
        return;
    };
    let name: String =
        element[1..].chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    let times = 1 + random.index(30);
    let nested = format!("{}{}{}", element[..end].repeat(times), element, format!("</{name}>").repeat(times));
    text.replace_range(here, &nested);
}

/// `name="value"` in a tag, and where its value is.
fn attributes(text: &str) -> Vec<(Range<usize>, usize)> {
    let mut found = Vec::new();
    for (equals, _) in text.match_indices("=\"") {
        let name = text[..equals].rfind(|letter: char| letter.is_whitespace() || letter == '<');
        let end = text[equals + 2..].find('"').map(|end| equals + 2 + end + 1);
        if let (Some(name), Some(end)) = (name, end) {
            found.push((name + 1..end, equals));
        }
    }
    found
}

fn change_attribute(
    text: &mut String,
    other: &str,
    random: &mut Random,
    write: impl Fn(&str, &str, Option<&str>) -> String,
) -> Option<()> {
    let (range, equals) = random.pick(&attributes(text))?.clone();
    let name = text[range.start..equals].to_string();
    let donors: Vec<&str> =
        attributes(other).into_iter().map(|(range, equals)| &other[equals + 2..range.end - 1]).collect();
    let donor = random.pick(&donors).copied().filter(|_| random.chance(800));
    let value = text[equals + 2..range.end - 1].to_string();
    text.replace_range(range, &write(&name, &value, donor));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_with_what_is_inside() {
        let text = r#"<?xml version="1.0"?><a><b c="1"/><d>x</d></a>"#;
        let found: Vec<&str> = elements(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, [r#"<b c="1"/>"#, "<d>x</d>", r#"<a><b c="1"/><d>x</d></a>"#]);
    }

    #[test]
    fn an_attribute_is_found_with_its_name() {
        let text = r#"<b c="1" de="2"/>"#;
        let found: Vec<&str> = attributes(text).into_iter().map(|(range, _)| &text[range]).collect();
        assert_eq!(found, [r#"c="1""#, r#"de="2""#]);
    }
}
