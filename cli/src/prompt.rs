//! Asking the user: a line from the terminal, hidden where it is a secret.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};

/// A line from standard input, without its end. Without `echo` a terminal does not show what is typed.
pub(crate) fn read_line(echo: bool) -> io::Result<String> {
    let stdin = io::stdin();
    if echo || !stdin.is_terminal() {
        let mut line = String::new();
        stdin.lock().read_line(&mut line)?;
        return Ok(line.trim_end_matches(['\n', '\r']).to_owned());
    }
    hidden(&mut BufReader::new(stdin.lock()), &io::stdin())
}

/// Asks for a password on the terminal, even where standard input is something else.
pub(crate) fn password(question: &str) -> io::Result<String> {
    match OpenOptions::new().read(true).write(true).open("/dev/tty") {
        Ok(mut terminal) => {
            terminal.write_all(question.as_bytes())?;
            terminal.flush()?;
            let answer = hidden(&mut BufReader::new(terminal.try_clone()?), &terminal);
            terminal.write_all(b"\n")?;
            answer
        }
        Err(_) => {
            eprint!("{question}");
            read_line(false)
        }
    }
}

fn hidden(from: &mut impl BufRead, terminal: &impl rustix::fd::AsFd) -> io::Result<String> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let before = tcgetattr(terminal)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(terminal, OptionalActions::Flush, &silent)?;
    let mut line = String::new();
    let read = from.read_line(&mut line);
    tcsetattr(terminal, OptionalActions::Now, &before)?;
    read?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}
