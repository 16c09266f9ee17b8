//! Inventory sources as `-i` takes them: files, folders of files, programs, and lists of hosts with a comma.

use super::{Inventory, VarsDir, address, adjacent, ini, plugin, script, toml, yaml};
use crate::error::{Diagnostic, Diagnostics, Result};
use crate::exit::Exit;
use crate::load::Reader;
use crate::source::{SourceFile, Span};
use crate::vars;
use crate::yaml::{Kind, Node};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

/// Files in an inventory folder that are none: notes, backups, configuration.
const IGNORED_ENDINGS: [&str; 11] =
    ["pyc", "pyo", "swp", "bak", "rpm", "md", "txt", "rst", "orig", "cfg", "retry"];
const IGNORED_NAMES: [&str; 3] = ["group_vars", "host_vars", "vars_plugins"];

/// Which sources may be bad without ending the run: what is wrong with them is a warning then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tolerance {
    /// None.
    Nothing,
    /// As long as one could be read.
    AllButOne,
    /// All of them.
    All,
}

/// Reads all sources, later ones over earlier ones. All mistakes are found; warnings go to `reader`. `extra` is what
/// `-e` gave, for plugins that use it.
pub(crate) fn load(
    sources: &[String],
    reader: &Reader,
    extra: &Arc<vars::Vars>,
    tolerance: Tolerance,
) -> Result<Inventory> {
    let mut inventory = Inventory { hash_behaviour: reader.hash_behaviour(), ..Inventory::default() };
    let mut mistakes = Diagnostics::default();
    let mut good = 0;
    for source in sources {
        let before = inventory.hosts.len();
        match add_source(source, &mut inventory, reader, extra) {
            Ok(()) => good += 1,
            Err(more) => mistakes.append(more),
        }
        let path = if is_list(source) { None } else { Some(Path::new(source)) };
        for host in inventory.hosts.values_mut().skip(before).filter(|host| host.source.is_none()) {
            host.source = path.map(Path::to_owned);
        }
        if let Some(path) = path {
            let base = if path.is_dir() { Some(path) } else { path.parent() };
            inventory.vars_dirs.extend(base.map(VarsDir::new));
        }
    }
    inventory.reconcile();
    warn_about_ambiguous_names(&inventory, reader);
    let is_tolerable = tolerance == Tolerance::All || (tolerance == Tolerance::AllButOne && good > 0);
    if is_tolerable {
        std::mem::take(&mut mistakes).into_iter().for_each(|mistake| reader.warn(mistake.into_warning()));
    }
    mistakes.or_value(inventory)
}

fn is_list(source: &str) -> bool {
    source.contains(',') && !Path::new(source).exists()
}

fn add_source(
    source: &str,
    inventory: &mut Inventory,
    reader: &Reader,
    extra: &Arc<vars::Vars>,
) -> Result<()> {
    let path = Path::new(source);
    if is_list(source) {
        add_list(source, inventory)
    } else if path.is_dir() {
        add_folder(path, inventory, reader, extra)
    } else if path.exists() {
        add_file(path, inventory, reader, extra)
    } else {
        Err(missing(source).into())
    }
}

fn missing(source: &str) -> Diagnostic {
    let mistake = Diagnostic::error(format!("there is no inventory `{source}`")).exits_with(Exit::Unexpected);
    if source.contains('/') || source.contains(char::is_whitespace) {
        return mistake
            .hint("give an inventory file or folder with `-i PATH`, or hosts with `-i HOST,HOST,`");
    }
    mistake.hint(format!("to name a host rather than a file, write `-i {source},` with a comma"))
}

fn add_list(source: &str, inventory: &mut Inventory) -> Result<()> {
    let file = SourceFile::new("--inventory", source);
    let mut mistakes = Diagnostics::default();
    let mut at = 0;
    for name in source.split(',') {
        let start = at + (name.len() - name.trim_start().len());
        at += name.len() + 1;
        let name = name.trim();
        if name.is_empty() {
            continue;
        }
        let span = Span::new(&file, start..start + name.len());
        match address::expand(name) {
            Ok((names, port)) => names.iter().for_each(|name| add_listed(name, port, &span, inventory)),
            Err(bad) => mistakes.push(Diagnostic::error(format!("`{name}` is not a host")).at(&span, bad.0)),
        }
    }
    mistakes.or_value(())
}

fn add_listed(name: &str, port: Option<u16>, span: &Span, inventory: &mut Inventory) {
    inventory.add_host(name, "ungrouped", Some(span));
    if let Some(port) = port {
        inventory.set_host_var(name, "ansible_port", Node::new(span, Kind::Int(port.into())));
    }
}

fn add_folder(
    folder: &Path,
    inventory: &mut Inventory,
    reader: &Reader,
    extra: &Arc<vars::Vars>,
) -> Result<()> {
    let mut mistakes = Diagnostics::default();
    for path in adjacent::sorted_entries(folder) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        if IGNORED_NAMES.contains(&name.as_str()) || IGNORED_ENDINGS.contains(&ending.as_str()) {
            continue;
        }
        let before = inventory.hosts.len();
        let added = if path.is_dir() {
            add_folder(&path, inventory, reader, extra)
        } else {
            add_file(&path, inventory, reader, extra)
        };
        mistakes.collect(added);
        for host in inventory.hosts.values_mut().skip(before).filter(|host| host.source.is_none()) {
            host.source = Some(path.clone());
        }
    }
    mistakes.or_value(())
}

fn add_file(path: &Path, inventory: &mut Inventory, reader: &Reader, extra: &Arc<vars::Vars>) -> Result<()> {
    if is_program(path) {
        return script::read(path, inventory, reader);
    }
    let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
    let file = reader.text(path)?;
    let is_yaml = matches!(ending.as_str(), "yml" | "yaml" | "json") || looks_like_yaml(file.text());
    let found = if ending == "toml" {
        yaml::read(&toml::parse(&file)?, inventory)
    } else if is_yaml {
        match reader.parse(&file)? {
            document if plugin::is_config(&document) => plugin::run(&document, inventory, extra),
            document => yaml::read(&document, inventory),
        }
    } else {
        ini::read(&file, inventory)
    };
    let mut errors = Diagnostics::default();
    for mistake in found {
        if mistake.severity() == crate::error::Severity::Warning {
            reader.warn(mistake)
        } else {
            errors.push(mistake)
        }
    }
    errors.or_value(())
}

/// A program is executable and says how: a text file that someone made executable by accident is none.
fn is_program(path: &Path) -> bool {
    let is_executable = path.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o111 != 0);
    is_executable
        && std::fs::read(path).is_ok_and(|head| head.starts_with(b"#!") || head.starts_with(b"\x7fELF"))
}

/// Whether the first line that says something is YAML: `---`, `{`, or a key at the start of the line.
fn looks_like_yaml(text: &str) -> bool {
    let is_content = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with(['#', ';']);
    let first = text.lines().find(is_content).unwrap_or_default();
    let is_key = first.trim_end().ends_with(':') && !first.contains(['[', '=', ' ']);
    first.starts_with("---") || first.starts_with('{') || is_key
}

fn warn_about_ambiguous_names(inventory: &Inventory, reader: &Reader) {
    for host in inventory.hosts.values().filter(|host| inventory.groups.contains_key(&host.name)) {
        let mut warning =
            Diagnostic::warning(format!("`{}` is the name of a host and of a group", host.name));
        let spans = [&host.span, &inventory.groups[&host.name].span];
        for (span, what) in spans.into_iter().zip(["a host here", "a group here"]) {
            if let Some(span) = span {
                warning = warning.at(span, what);
            }
        }
        reader.warn(warning);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn hosts(inventory: &Inventory) -> Vec<&str> {
        inventory.hosts.keys().map(String::as_str).collect()
    }

    #[test]
    fn a_list_with_a_comma_names_hosts() {
        let inventory =
            load(&["n1,n[2:3]:2222,".into()], &Reader::default(), &Arc::default(), Tolerance::Nothing)
                .unwrap();
        assert_eq!(hosts(&inventory), ["n1", "n2", "n3"]);
        assert_eq!(format!("{:?}", inventory.hosts["n2"].vars["ansible_port"]), "2222");
    }

    #[test]
    fn a_folder_is_read_by_name_and_later_files_win() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("group_vars")).unwrap();
        fs::write(dir.path().join("group_vars/web.yml"), "x: 1\n").unwrap();
        fs::write(dir.path().join("1.yml"), "web:\n  hosts:\n    n1: {x: 1}\n").unwrap();
        fs::write(dir.path().join("2"), "[web]\nn1 x=2\nn2\n").unwrap();
        fs::write(dir.path().join("README.md"), "# hosts\n").unwrap();
        let source = dir.path().display().to_string();
        let inventory = load(&[source], &Reader::default(), &Arc::default(), Tolerance::Nothing).unwrap();
        assert_eq!(hosts(&inventory), ["n1", "n2"]);
        assert_eq!(format!("{:?}", inventory.hosts["n1"].vars), r#"{"x": 2}"#);
        assert_eq!(inventory.vars_dirs, [VarsDir::new(dir.path())]);
        assert_eq!(inventory.hosts["n2"].source.as_deref(), Some(dir.path().join("2").as_path()));
    }

    #[test]
    fn a_program_prints_groups_and_variables() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hosts.sh");
        fs::write(
            &path,
            "#!/bin/sh\necho '{\"web\": {\"hosts\": [\"n1\"], \"vars\": {\"w\": 1}}, \"db\": [\"n2\"],\n\
             \"_meta\": {\"hostvars\": {\"n1\": {\"x\": \"yes\"}}}}'\n",
        )
        .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let inventory =
            load(&[path.display().to_string()], &Reader::default(), &Arc::default(), Tolerance::Nothing)
                .unwrap();
        assert_eq!(hosts(&inventory), ["n1", "n2"]);
        assert_eq!(format!("{:?}", inventory.hosts["n1"].vars), r#"{"x": "yes"}"#);
        assert_eq!(format!("{:?}", inventory.groups["web"].vars), r#"{"w": 1}"#);
    }

    #[test]
    fn a_missing_file_is_an_error_and_says_how_to_name_a_host() {
        let mistakes =
            load(&["web1".into()], &Reader::default(), &Arc::default(), Tolerance::Nothing).unwrap_err();
        assert_eq!(mistakes.exit(), Exit::Unexpected);
        insta::assert_snapshot!(mistakes.render(false));
    }
}
