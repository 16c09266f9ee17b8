//! The host's own facts: files `NAME.fact` in a folder, each JSON, INI, or a program that prints one of the two.

use crate::worker::View;
use serde_json::{Map, Value};
use std::path::Path;

/// Every fact file by its name; one that cannot be read becomes the reason.
pub(super) fn local(folder: &Path, view: &View<'_>) -> Map<String, Value> {
    let names = view.list(folder).unwrap_or_default();
    names
        .into_iter()
        .filter_map(|name| {
            let path = folder.join(&name);
            let fact = name.to_string_lossy().strip_suffix(".fact")?.to_owned();
            Some((fact, read(&path, view).unwrap_or_else(Value::from)))
        })
        .collect()
}

fn read(path: &Path, view: &View<'_>) -> Result<Value, String> {
    let stat =
        view.stat(path).ok().flatten().ok_or_else(|| format!("Could not stat fact ({})", path.display()))?;
    // In a plan a program that is not there yet cannot be asked.
    let text = if stat.mode & 0o111 != 0 && path.exists() {
        let ran = view
            .ask(&path.to_string_lossy(), &[])
            .map_err(|error| format!("Could not execute fact script ({}): {error}", path.display()))?;
        if !ran.is_fine() {
            return Err(format!(
                "Failure executing fact script ({}), rc: {}, err: {}",
                path.display(),
                ran.rc,
                ran.complaint()
            ));
        }
        ran.out()
    } else {
        let read = view
            .read(path)
            .map_err(|error| format!("error loading facts from {}: {error}", path.display()))?;
        String::from_utf8_lossy(&read).into_owned()
    };
    serde_json::from_str(&text)
        .ok()
        .or_else(|| ini(&text))
        .ok_or_else(|| format!("error loading facts as ini - please check content: {}", path.display()))
}

fn ini(text: &str) -> Option<Value> {
    let mut sections: Map<String, Value> = Map::new();
    let mut current: Option<String> = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            sections.insert(name.to_owned(), Value::Object(Map::new()));
            current = Some(name.to_owned());
            continue;
        }
        let (key, value) = line.split_once(['=', ':'])?;
        let Some(Value::Object(section)) = current.as_ref().and_then(|name| sections.get_mut(name)) else {
            return None;
        };
        section.insert(key.trim().to_lowercase(), interpolated(value.trim())?.into());
    }
    Some(sections.into())
}

/// Python's reader takes `%%` for a percent sign, and refuses one alone.
fn interpolated(value: &str) -> Option<String> {
    let rest = value.replace("%%", "");
    (!rest.contains('%')).then(|| value.replace("%%", "%"))
}

#[cfg(test)]
mod tests {
    use super::ini;
    use serde_json::json;

    #[test]
    fn sections_become_maps_and_anything_else_is_refused() {
        assert_eq!(ini("# x\n[a]\nKey = 1\n[b]\n"), Some(json!({"a": {"key": "1"}, "b": {}})));
        assert_eq!(ini("no section = 1"), None);
    }
}
