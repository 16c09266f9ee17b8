//! Names that no host takes for a user or group. Which of the others it takes is its own affair: distributions differ in that.

use super::Failure;

/// What a name may have at most: login(1) and its records know no more.
const LENGTH_MAX: usize = 32;

/// A name that useradd(8) and groupadd(8) refuse everywhere.
pub(super) fn refuse_impossible(what: &str, name: &str) -> Result<(), Failure> {
    let why = match name {
        "" => "it is empty".to_owned(),
        "." | ".." => "it is a folder's".to_owned(),
        name if name.len() > LENGTH_MAX => {
            format!("it has {} letters, and {LENGTH_MAX} is the most", name.len())
        }
        name if name.starts_with('-') => "it begins with `-`".to_owned(),
        name if name.contains([':', ',', '/', '\n']) || name.contains(char::is_whitespace) => {
            "it has a colon, comma, slash or space in it".to_owned()
        }
        _ => return Ok(()),
    };
    Err(Failure::new(format!("`{name}` cannot be the name of a {what}: {why}")).with("name", name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_host_takes_are_refused_with_the_reason() {
        let refused = |name: &str| refuse_impossible("user", name).err().map(|failure| failure.msg);
        assert_eq!(refused("web-1.x_y"), None);
        assert_eq!(refused(&"a".repeat(32)), None);
        let long = refused(&"a".repeat(33)).expect("refused");
        assert!(long.ends_with("it has 33 letters, and 32 is the most"), "{long}");
        for name in ["", "-x", "a b", "a:b", "a,b", "a/b", ".."] {
            assert!(refused(name).is_some(), "{name}");
        }
    }
}
