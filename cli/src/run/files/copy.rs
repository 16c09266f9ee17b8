//! `copy`: one file, a given text, or a whole directory as one part for each directory and file in it.

use crate::encoding::bytes_of_text;
use crate::load::Reader;
use crate::local_files::{LocalFiles, NoFile, Unread};
use crate::playbook::FileKind;
use crate::report::python_json;
use crate::run::arguments::{text, truth};
use crate::run::content::Contents;
use crate::run::layers::find_file;
use crate::run::task_run::Request;
use crate::vault::Problem;
use muster_api::step::ContentRef;
use serde_json::{Map, Value as Json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// One step of several that a task comes to.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) module: &'static str,
    pub(crate) args: Map<String, Json>,
    pub(crate) content: Option<ContentRef>,
}

/// The steps of a `copy`.
///
/// # Errors
///
/// A sentence: what is to be copied is not there or cannot be read.
pub(crate) fn copy_parts(
    request: &Request,
    contents: &Contents,
    reader: &Reader,
) -> Result<Vec<Part>, NoFile> {
    let args = &request.args;
    if truth(args, "remote_src") {
        return Ok(vec![Part { module: "copy", args: args.clone(), content: None }]);
    }
    if let Some(content) = args.get("content").filter(|content| !content.is_null()) {
        let bytes = bytes_of_text(&content_text(content));
        // A given text has no mode that could be kept: it gets that of a private file.
        let is_preserved = text(args, "mode") == Some("preserve");
        let mode = is_preserved.then(|| ("mode".to_owned(), Json::from("0600")));
        let own = Map::from_iter(mode);
        return Ok(vec![part(args, &own, contents.add_bytes(&bytes))]);
    }
    let name = text(args, "src").unwrap_or_default();
    if name.is_empty() {
        return Err("src (or content) is required".into());
    }
    let files = reader.files();
    let source = find_file(&request.task, FileKind::Files, name, files)?;
    if files.is_folder(&source).map_err(|why| why.of(&source))? {
        return directory(args, &source, name.ends_with('/'), contents, reader);
    }
    let content = file_content(&source, truth(args, "decrypt"), contents, reader)?;
    check_checksum(args, &source, files)?;
    let mut own = Map::from_iter([("src".to_owned(), Json::from(name))]);
    preserve(args, &source, &mut own);
    Ok(vec![part(args, &own, content)])
}

/// Text as it is; mappings and lists as JSON, as Ansible writes them.
fn content_text(content: &Json) -> String {
    match content {
        Json::String(text) => text.clone(),
        Json::Object(_) | Json::Array(_) => python_json(content),
        Json::Bool(value) => if *value { "True" } else { "False" }.into(),
        other => other.to_string(),
    }
}

/// The content of a file, decrypted where it is a vault.
pub(super) fn file_content(
    path: &Path,
    decrypt: bool,
    contents: &Contents,
    reader: &Reader,
) -> Result<ContentRef, NoFile> {
    if reader.files().is_as_it_is(path)
        && !(decrypt && is_vault(path).map_err(|cause| Unread::from(cause).of(path))?)
    {
        return contents.add_file(path).map_err(|cause| Unread::from(cause).of(path));
    }
    Ok(contents.add_bytes(&file_content_bytes(path, decrypt, reader)?))
}

/// The same as bytes.
pub(super) fn file_content_bytes(path: &Path, decrypt: bool, reader: &Reader) -> Result<Vec<u8>, NoFile> {
    let bytes = reader.files().read(path).map_err(|why| why.of(path))?;
    if decrypt && bytes.starts_with(VAULT_MARK) { Ok(decrypted(path, &bytes, reader)?) } else { Ok(bytes) }
}

fn decrypted(path: &Path, bytes: &[u8], reader: &Reader) -> Result<Vec<u8>, String> {
    let text = std::str::from_utf8(bytes).map_err(|cause| format!("{}: {cause}", path.display()))?;
    reader.keyring().decrypt_bytes(text).map_err(|problem| {
        if problem == Problem::NoPassword {
            let path = path.display();
            return format!("A vault password or secret must be specified to decrypt {path}");
        }
        problem.at("the file", &crate::source::Span::outside(&path.display().to_string())).to_string()
    })
}

/// How an encrypted file begins.
const VAULT_MARK: &[u8] = b"$ANSIBLE_VAULT";

fn is_vault(path: &Path) -> std::io::Result<bool> {
    use std::io::Read;
    let mut head = Vec::new();
    fs::File::open(path)?.take(VAULT_MARK.len() as u64).read_to_end(&mut head)?;
    Ok(head == VAULT_MARK)
}

fn check_checksum(args: &Map<String, Json>, source: &Path, files: &LocalFiles) -> Result<(), NoFile> {
    let Some(wanted) = text(args, "checksum") else { return Ok(()) };
    use sha1::{Digest, Sha1};
    let bytes = files.read(source).map_err(|why| why.of(source))?;
    let found = crate::run::content::hex(&Sha1::digest(&bytes));
    if found == wanted {
        return Ok(());
    }
    Err(format!("`{}` has the checksum {found}, not {wanted}", source.display()).into())
}

/// `mode: preserve` is the mode of the file on the controller.
pub(super) fn preserve(args: &Map<String, Json>, source: &Path, own: &mut Map<String, Json>) {
    if text(args, "mode") == Some("preserve")
        && let Ok(metadata) = fs::metadata(source)
    {
        own.insert("mode".into(), format!("{:04o}", metadata.permissions().mode() & 0o7777).into());
    }
}

fn part(args: &Map<String, Json>, own: &Map<String, Json>, content: ContentRef) -> Part {
    let mut args = args.clone();
    for name in ["content", "checksum", "decrypt", "local_follow"] {
        args.remove(name);
    }
    args.extend(own.clone());
    Part { module: "copy", args, content: Some(content) }
}

/// Each directory, then each file in it. Without a slash at the end of `src` the directory itself is copied.
fn directory(
    args: &Map<String, Json>,
    source: &Path,
    only_content: bool,
    contents: &Contents,
    reader: &Reader,
) -> Result<Vec<Part>, NoFile> {
    let mut dest = PathBuf::from(text(args, "dest").unwrap_or_default());
    if !only_content {
        dest.push(file_name(source));
    }
    let mut parts = Vec::new();
    let says_mode = args.get("directory_mode").is_some_and(|mode| !mode.is_null());
    match only_content && !says_mode {
        // Where only what is in the directory is copied, the one that it goes to just has to be there.
        true => parts.push(make_directory(&Map::new(), &dest, source)),
        false => parts.push(make_directory(args, &dest, source)),
    }
    add_directory(args, source, &dest, &Taken { contents, reader, above: Vec::new() }, &mut parts)?;
    Ok(parts)
}

/// Where the contents of files come from and go to.
struct Taken<'a> {
    contents: &'a Contents,
    reader: &'a Reader,
    /// The directories around, without links in them.
    above: Vec<PathBuf>,
}

impl Taken<'_> {
    /// The same inside of a directory.
    fn inside(&self, folder: &Path) -> Self {
        let own = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        Self { above: self.above.iter().cloned().chain([own]).collect(), ..*self }
    }

    /// Whether a link leads back to a directory that it is in: to follow it would never end.
    fn is_circle(&self, link: &Path) -> bool {
        link.canonicalize().is_ok_and(|target| self.above.contains(&target))
    }
}

fn add_directory(
    args: &Map<String, Json>,
    source: &Path,
    dest: &Path,
    taken: &Taken<'_>,
    parts: &mut Vec<Part>,
) -> Result<(), NoFile> {
    let files = taken.reader.files();
    let taken = &taken.inside(source);
    for name in files.names(source).map_err(|why| why.of(source))? {
        let entry = source.join(name);
        let unread = |why: Unread| why.of(&entry);
        let target = dest.join(file_name(&entry));
        let is_link = files.is_link(&entry).map_err(unread)?;
        // One that leads nowhere can only be copied as it is.
        if is_link
            && (!truth(args, "local_follow")
                || taken.is_circle(&entry)
                || !files.exists(&entry).map_err(unread)?)
        {
            parts.push(make_link(&files.link_target(&entry).map_err(unread)?, &target));
        } else if files.is_folder(&entry).map_err(unread)? {
            parts.push(make_directory(args, &target, &entry));
            add_directory(args, &entry, &target, taken, parts)?;
        } else {
            let content = file_content(&entry, truth(args, "decrypt"), taken.contents, taken.reader)?;
            let mut own =
                Map::from_iter([("dest".to_owned(), Json::from(target.to_string_lossy().as_ref()))]);
            preserve(args, &entry, &mut own);
            parts.push(part(args, &own, content));
        }
    }
    Ok(())
}

fn make_directory(args: &Map<String, Json>, dest: &Path, source: &Path) -> Part {
    let mut own = Map::from_iter([
        ("path".to_owned(), Json::from(dest.to_string_lossy().as_ref())),
        ("state".to_owned(), Json::from("directory")),
    ]);
    for name in ["owner", "group"] {
        if let Some(value) = args.get(name).filter(|value| !value.is_null()) {
            own.insert(name.into(), value.clone());
        }
    }
    let mode = args.get("directory_mode").filter(|mode| !mode.is_null()).cloned();
    match mode {
        Some(mode) if mode == "preserve" => {
            let mode = fs::metadata(source).map(|metadata| metadata.permissions().mode() & 0o7777);
            own.extend(mode.ok().map(|mode| ("mode".to_owned(), Json::from(format!("{mode:04o}")))));
        }
        Some(mode) => drop(own.insert("mode".into(), mode)),
        None => {}
    }
    Part { module: "file", args: coerced("file", own), content: None }
}

fn make_link(to: &Path, target: &Path) -> Part {
    let own = Map::from_iter([
        ("path".to_owned(), Json::from(target.to_string_lossy().as_ref())),
        ("state".to_owned(), Json::from("link")),
        ("src".to_owned(), Json::from(to.to_string_lossy().as_ref())),
        ("force".to_owned(), Json::from(true)),
    ]);
    Part { module: "file", args: coerced("file", own), content: None }
}

/// Arguments of our own with the defaults of the module filled in.
pub(super) fn coerced(module: &str, args: Map<String, Json>) -> Map<String, Json> {
    let spec = muster_api::module::find(module);
    spec.and_then(|spec| muster_api::module::coerce(spec, &args).ok()).unwrap_or(args)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_written_as_python_writes_json() {
        let value = serde_json::json!({"a": [1, true, null], "b": "x"});
        assert_eq!(content_text(&value), r#"{"a": [1, true, null], "b": "x"}"#);
    }

    #[test]
    fn a_link_that_leads_back_up_is_copied_as_a_link_also_where_links_are_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let sub = folder.path().join("sub");
        fs::create_dir(&sub).expect("a folder in it");
        fs::write(sub.join("f"), "").expect("a file in that");
        std::os::unix::fs::symlink("../sub", sub.join("circle")).expect("a link");
        std::os::unix::fs::symlink("sub", folder.path().join("twin")).expect("a link");
        std::os::unix::fs::symlink("gone", folder.path().join("nowhere")).expect("a link");
        let args =
            Map::from_iter([("dest".to_owned(), "/srv".into()), ("local_follow".to_owned(), true.into())]);
        let parts = directory(&args, folder.path(), true, &Contents::default(), &Reader::default());
        let parts = parts.expect("it comes to an end");
        let links: Vec<&str> = parts
            .iter()
            .filter(|part| text(&part.args, "state") == Some("link"))
            .filter_map(|part| text(&part.args, "path"))
            .collect();
        assert_eq!(links, ["/srv/nowhere", "/srv/sub/circle", "/srv/twin/circle"]);
    }

    #[test]
    fn a_directory_becomes_its_directories_and_files_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("sub")).expect("a folder in it");
        for name in ["b.txt", "sub/a.txt"] {
            fs::write(folder.path().join(name), name).expect("a file in it");
        }
        let args = Map::from_iter([("dest".to_owned(), Json::from("/srv"))]);
        let contents = Contents::default();
        let parts =
            directory(&args, folder.path(), true, &contents, &Reader::default()).expect("all can be read");
        let shown: Vec<(&str, &str)> = parts
            .iter()
            .map(|part| {
                (part.module, text(&part.args, "dest").or(text(&part.args, "path")).unwrap_or_default())
            })
            .collect();
        assert_eq!(
            shown,
            [("file", "/srv"), ("copy", "/srv/b.txt"), ("file", "/srv/sub"), ("copy", "/srv/sub/a.txt")]
        );
    }
}
