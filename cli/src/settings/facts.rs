//! Where facts are kept between runs: `fact_caching` and what belongs to it.

use super::{Setting, Settings, expand};
use crate::error::{Diagnostic, Result};
use crate::exit::Exit;
use crate::vars::FactCache;
use std::time::Duration;

const KIND: Setting =
    Setting { section: "defaults", name: "fact_caching", environment: &["ANSIBLE_CACHE_PLUGIN"] };
const PLACE: Setting = Setting {
    section: "defaults",
    name: "fact_caching_connection",
    environment: &["ANSIBLE_CACHE_PLUGIN_CONNECTION"],
};
const PREFIX: Setting = Setting {
    section: "defaults",
    name: "fact_caching_prefix",
    environment: &["ANSIBLE_CACHE_PLUGIN_PREFIX"],
};
const TIMEOUT: Setting = Setting {
    section: "defaults",
    name: "fact_caching_timeout",
    environment: &["ANSIBLE_CACHE_PLUGIN_TIMEOUT"],
};

/// A day, as in Ansible.
const USUAL_TIMEOUT: Duration = Duration::from_secs(86_400);

impl Settings {
    /// The place; none where facts are known for one run only.
    ///
    /// # Errors
    ///
    /// Another kind of cache than files of JSON, or one without a folder.
    pub(crate) fn fact_cache(&self) -> Result<Option<FactCache>> {
        let wrong = |why: String, next: &str| Diagnostic::error(why).exits_with(Exit::WrongUse).hint(next);
        let kind = self.text(&KIND).unwrap_or_else(|| "memory".into());
        match kind.strip_prefix("ansible.builtin.").unwrap_or(&kind) {
            "memory" => return Ok(None),
            "jsonfile" => {}
            other => {
                let why = format!("the setting `fact_caching` is `{other}`, which is not supported");
                return Err(wrong(why, "it is `memory` or `jsonfile`").into());
            }
        }
        let place = self.find(&PLACE).map(|(place, is_from_file)| match is_from_file {
            true => self.in_folder(&place),
            false => expand(&place),
        });
        let place = place.ok_or_else(|| {
            let why =
                "the setting `fact_caching` is `jsonfile`, and nothing says where the files are".to_owned();
            wrong(why, "set `fact_caching_connection` (`ANSIBLE_CACHE_PLUGIN_CONNECTION`) to a folder")
        })?;
        Ok(Some(FactCache {
            folder: place.into(),
            prefix: self.text(&PREFIX).unwrap_or_else(|| "ansible_facts".into()),
            timeout: self.fact_timeout()?,
        }))
    }

    /// Seconds; 0 is for ever.
    fn fact_timeout(&self) -> Result<Option<Duration>> {
        let Some(text) = self.text(&TIMEOUT) else { return Ok(Some(USUAL_TIMEOUT)) };
        let seconds: u64 = text.parse().map_err(|_| {
            Diagnostic::error(format!("the setting `fact_caching_timeout` is `{text}`"))
                .exits_with(Exit::WrongUse)
                .hint("it is a number of seconds, 0 for ever")
        })?;
        Ok((seconds > 0).then(|| Duration::from_secs(seconds)))
    }
}
