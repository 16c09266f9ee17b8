//! A line split into words as a POSIX shell splits it: quotes and backslashes, and nothing expanded.

/// The words, or what is wrong with the line.
pub(super) fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => quoted(&mut letters, word.get_or_insert_default())?,
            '"' => double_quoted(&mut letters, word.get_or_insert_default())?,
            '\\' => {
                let next = letters.next().ok_or("it ends with a single backslash")?;
                word.get_or_insert_default().push(next);
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(letters: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), String> {
    for letter in letters.by_ref() {
        if letter == '\'' {
            return Ok(());
        }
        word.push(letter);
    }
    Err("a single quote is not closed".to_owned())
}

fn double_quoted(letters: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), String> {
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return Ok(()),
            '\\' => match letters.next() {
                Some(plain @ ('"' | '\\')) => word.push(plain),
                Some(other) => word.extend(['\\', other]),
                None => break,
            },
            other => word.push(other),
        }
    }
    Err("a double quote is not closed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn quotes_and_backslashes_keep_words_together() {
        assert_eq!(
            split(r#"a 'b c' "d \"e\" \n" f\ g ''"#),
            Ok(vec!["a".into(), "b c".into(), r#"d "e" \n"#.into(), "f g".into(), String::new()])
        );
        assert!(split("'a").is_err() && split("\"a").is_err() && split("a\\").is_err());
    }
}
