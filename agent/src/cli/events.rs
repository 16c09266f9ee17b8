//! `musterd events`: what happened, one line each.

use super::Output;
use super::answer::{Failure, print, print_json};
use super::moment::utc;
use super::paint::{Paint, Tone};
use crate::control::client::{Client, ClientError};
use muster_api::control::{Request, Response};
use muster_api::status::{Event, Level};
use std::path::Path;

/// Asks and prints, for ever where `follow` is set.
pub(super) fn show(socket: &Path, since: u64, follow: bool, output: Output) -> Result<(), Failure> {
    let mut client = Client::connect(socket)?;
    let paint = Paint::for_stdout();
    let mut response = client.ask(&Request::Events { since, follow });
    loop {
        match response {
            Ok(Response::Event { event }) if output == Output::Json => print_json(&event)?,
            Ok(Response::Event { event }) => print(&line(&event, paint)),
            Ok(Response::EndOfEvents) => return Ok(()),
            Ok(Response::Refused { why }) => return Err(Failure::Refused(why)),
            // Who follows sees the agent's last word.
            Err(ClientError::NoAnswer) if follow => return Ok(()),
            Ok(_) => return Err(Failure::Unexpected),
            Err(error) => return Err(error.into()),
        }
        response = client.next();
    }
}

fn line(event: &Event, paint: Paint) -> String {
    let text = match event.level {
        Level::Debug => paint.tone(Tone::Faint, &event.text),
        Level::Info => event.text.clone(),
        Level::Warning => paint.tone(Tone::Warning, &event.text),
        Level::Error => paint.tone(Tone::Bad, &event.text),
    };
    format!("{} {:10} {text}\n", utc(event.at_ms), event.kind)
}
