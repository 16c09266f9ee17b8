//! The command of a run as it may be shown: values that may be secrets are left out.

/// Options whose value may hold anything, and is not shown.
const HIDDEN: &[&str] = &["-a", "--args"];
/// Options with variables: their names are shown.
const VARIABLES: &[&str] = &["-e", "--extra-vars"];

/// The words of a command, to be shown.
pub(super) fn shown(words: &[String]) -> Vec<String> {
    let mut shown = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value)),
            _ => (word.as_str(), None),
        };
        let short = ["-a", "-e"].into_iter().find(|short| word.starts_with(short) && word.len() > 2);
        if HIDDEN.contains(&name) || VARIABLES.contains(&name) {
            let hide = if HIDDEN.contains(&name) { hidden } else { names };
            match value {
                Some(value) => shown.push(format!("{name}={}", hide(value))),
                None => {
                    shown.push(name.to_owned());
                    shown.extend(words.next().map(|value| hide(value)));
                }
            }
        } else if let Some(short) = short.filter(|_| !word.starts_with("--")) {
            let hide = if short == "-a" { hidden } else { names };
            shown.push(format!("{short}{}", hide(&word[2..])));
        } else {
            shown.push(word.clone());
        }
    }
    shown
}

fn hidden(_: &str) -> String {
    "…".to_owned()
}

/// `a=1 b=2` as `a=… b=…`; a file stays, anything else goes.
fn names(value: &str) -> String {
    if value.starts_with('@') {
        return value.to_owned();
    }
    let name = |word: &str| word.split_once('=').map(|(name, _)| format!("{name}=…"));
    let names: Option<Vec<String>> = value.split_whitespace().map(name).collect();
    let is_plain = !value.contains(['"', '\'', '{']);
    names.filter(|names| is_plain && !names.is_empty()).map_or_else(|| hidden(value), |names| names.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &[&str]) -> String {
        let words: Vec<String> = text.iter().map(|word| (*word).to_owned()).collect();
        shown(&words).join(" ")
    }

    #[test]
    fn values_of_variables_and_arguments_are_not_shown() {
        assert_eq!(line(&["apply", "site.yml", "-e", "pass=x tag=y"]), "apply site.yml -e pass=… tag=…");
        assert_eq!(
            line(&["apply", "--extra-vars={\"a\": 1}", "-e@vars.yml"]),
            "apply --extra-vars=… -e@vars.yml"
        );
        assert_eq!(line(&["apply", "-e", "motto='a b=c'"]), "apply -e …");
        assert_eq!(line(&["run", "all", "-m", "user", "-a", "password=x"]), "run all -m user -a …");
        assert_eq!(line(&["run", "all", "-apassword=x", "--args=y"]), "run all -a… --args=…");
    }

    #[test]
    fn everything_else_is_shown() {
        assert_eq!(
            line(&["apply", "site.yml", "-i", "hosts", "--limit", "a=b"]),
            "apply site.yml -i hosts --limit a=b"
        );
    }
}
