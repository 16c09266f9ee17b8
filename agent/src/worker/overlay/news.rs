//! What the steps of a dry run would have done to the files, one after the other: for a controller on the same machine, which reads
//! them too.

use super::{Content, Entry, Overlay};
use crate::worker::file::Kind;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use muster_api::foreseen::Foreseen;
use std::path::{Path, PathBuf};

/// The content of a file that is longer is not told to the controller: no variable is made of that much.
const TOLD_MAX: usize = 16 * 1024 * 1024;

/// What a step would have done to the files.
#[derive(Debug, Clone)]
pub(super) enum News {
    Removed(PathBuf),
    Put(PathBuf),
    Perhaps { path: PathBuf, why: String },
    Doubt(String),
}

impl Overlay {
    /// One of which a controller on the same machine hears what would become of the files.
    pub(in crate::worker) fn that_is_told() -> Self {
        Self { news: Some(Vec::new()), ..Self::default() }
    }

    /// What was done to the files since the last call, for a controller that reads them too.
    pub(in crate::worker) fn take_news(&mut self) -> Vec<Foreseen> {
        let news = self.news.as_mut().map(std::mem::take).unwrap_or_default();
        news.into_iter().filter_map(|news| self.told(news)).collect()
    }

    pub(super) fn note(&mut self, news: News) {
        if let Some(all) = &mut self.news {
            all.push(news);
        }
    }

    fn told(&self, news: News) -> Option<Foreseen> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        Some(match news {
            News::Removed(path) => Foreseen::Absent { path: text(&path) },
            News::Perhaps { path, why } => Foreseen::Perhaps { path: text(&path), why },
            News::Doubt(why) => Foreseen::Doubt { why },
            News::Put(path) => {
                // One that is gone by now has news of its own.
                let Entry::There { stat, content } = self.files.get(&path)? else { return None };
                let path = text(&path);
                match (content, &stat.target) {
                    (_, Some(target)) => Foreseen::Link { path, target: text(target) },
                    (Content::Own(bytes), _) if bytes.len() > TOLD_MAX => Foreseen::Later {
                        path,
                        why: "what would be written there is too long to be looked at".into(),
                    },
                    (Content::Own(bytes), _) => {
                        Foreseen::File { path, content: BASE64_STANDARD.encode(bytes) }
                    }
                    (Content::Real(real), _) => Foreseen::SameAs { path, real: text(real) },
                    (Content::Later(why), _) => Foreseen::Later { path, why: why.to_string() },
                    (Content::Fresh | Content::None, _) if stat.is_directory() => {
                        Foreseen::Folder { path, is_fresh: matches!(content, Content::Fresh) }
                    }
                    (Content::None, _) if stat.kind == Kind::File => {
                        Foreseen::File { path, content: String::new() }
                    }
                    _ => return None,
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::operation::Operation;
    use crate::worker::overlay::tests::put;

    #[test]
    fn a_controller_on_the_same_machine_hears_of_each_file_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it exists");
        std::fs::write(root.join("old"), "x").expect("written");
        let at = |name: &str| root.join(name).to_string_lossy().into_owned();
        let mut overlay = Overlay::that_is_told();
        overlay.predict(&Operation::MakeDirectory { path: root.join("d") }, 0).expect("predicted");
        overlay.predict(&put(&root.join("d/f"), b"text"), 0).expect("predicted");
        overlay.predict(&Operation::Remove { path: root.join("old") }, 0).expect("predicted");
        overlay.doubt("`make` is not run".to_owned());
        let told = [
            Foreseen::Folder { path: at("d"), is_fresh: true },
            Foreseen::File { path: at("d/f"), content: "dGV4dA==".to_owned() },
            Foreseen::Absent { path: at("old") },
            Foreseen::Doubt { why: "`make` is not run".to_owned() },
        ];
        assert_eq!(overlay.take_news(), told);
        assert!(overlay.take_news().is_empty());
    }
}
