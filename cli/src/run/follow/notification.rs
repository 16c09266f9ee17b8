//! What a task notifies: the handlers that answer, and what is said where none does.

use super::Follow;
use crate::error::Diagnostic;
use crate::exit::Exit;
use crate::playbook::keyword::Keyword;
use crate::playbook::missing_handler;
use crate::report::Event;
use crate::run::conduct::Finished;
use crate::run::room::lock;
use crate::suggest;

impl Follow<'_> {
    /// Marks the handlers that a task notifies on its host.
    pub(super) fn notify(&self, one: &Finished) {
        for name in &one.result.notify {
            let (is_known, unusable) = {
                let mut run = lock(&self.conductor.run);
                (run.notify(&one.host, name), run.unusable_handlers())
            };
            for handler in unusable {
                let text = format!(
                    "Handler '{handler}' is unusable: its name is a template of what is not known before the run, and it \
                     listens to nothing"
                );
                self.conductor.room.events.tell(Event::Warning { text });
            }
            if !is_known {
                self.miss_handler(name);
            }
        }
    }

    /// Marks the handlers that are notified on the host if a task turns out to change something.
    pub(super) fn may_notify(&self, one: &Finished) {
        let Some(why) = &one.result.unknown else { return };
        let mut run = lock(&self.conductor.run);
        for name in &one.result.may_notify {
            run.may_notify(&one.host, name, why);
        }
    }

    /// Nobody answers to a notification: the end of the run, or a warning where the settings say so.
    fn miss_handler(&self, name: &str) {
        let room = &self.conductor.room;
        let names = lock(&self.conductor.run).handler_names();
        let hint = suggest::did_you_mean(name, names.iter().map(String::as_str));
        if room.loader.minds_missing_handlers() {
            let task = &self.batch.position.task;
            let place = task.keyword(Keyword::Notify).map_or(task.span(), |notify| &notify.span);
            let mistake =
                Diagnostic::error(format!("there is no handler `{name}`, and none that listens to it"))
                    .at(&place.first_line(), "notified here")
                    .known_as(missing_handler(name))
                    .maybe_hint(hint)
                    .exits_with(Exit::Unexpected);
            return room.break_off(mistake.into());
        }
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        let text = format!("{}{hint}", missing_handler(name));
        room.events.tell(Event::Warning { text });
    }
}
