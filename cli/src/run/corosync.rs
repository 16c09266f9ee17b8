//! Asks the corosync of this machine, where there is one, about a file that hosts would get.

use muster_api::corosync_conf::verdict::{ARGUMENTS, ENVIRONMENT, PATIENCE_MS, PROGRAM, answer, question};
use std::io::{self, Write};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Why it refuses the text; nothing where it cannot be asked.
#[expect(clippy::option_option, reason = "no verdict, a good one, a bad one")]
pub(super) fn refusal(text: &str) -> Option<Option<String>> {
    let output = ask(&question(text)).ok()?;
    let said = [output.stderr, output.stdout].concat();
    Some(answer(text, output.status.code()?, &String::from_utf8_lossy(&said))?.err())
}

fn ask(question: &str) -> io::Result<Output> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/local/sbin:/usr/sbin:/sbin";
    let mut command = Command::new(PROGRAM);
    command.args(ARGUMENTS).env("LC_ALL", "C").env(ENVIRONMENT.0, ENVIRONMENT.1).env("PATH", path);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    child.stdin.take().map_or(Ok(()), |mut pipe| pipe.write_all(question.as_bytes()))?;
    end(&mut child)?;
    child.wait_with_output()
}

/// Waits for its end. What it says fits into a pipe.
fn end(child: &mut Child) -> io::Result<()> {
    let deadline = Instant::now() + Duration::from_millis(PATIENCE_MS);
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            return child.kill();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}
