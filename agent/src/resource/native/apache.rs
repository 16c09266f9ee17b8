//! The built-in `ocf:heartbeat:apache`. Nothing in it sleeps for a fixed time: a start is over when the server answers,
//! a stop when the last process of the server is gone.

use super::http::{self, Url};
use super::httpd::{Httpd, Missing};
use super::pid::{Process, group_members, read_pid_file};
use super::{actions, defaulted, parameter};
use crate::process::{self, last_line};
use crate::resource::ended::Ended;
use crate::resource::meta_data::MetaData;
use fancy_regex::Regex;
use muster_api::history::{ResourceAction, rc};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// What a status page is expected to have in it.
const TEST_REGEX: &str = "</ *html *>";
/// A server that starts is asked again after so long.
const ASK_AGAIN: Duration = Duration::from_millis(15);
/// How long the server's children may outlive it before they are killed.
const CHILDREN_MERCY: Duration = Duration::from_millis(500);
/// One question of a status page; the action's own timeout bounds the whole.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// What the parameters say.
#[derive(Debug, Clone)]
pub(crate) struct Apache {
    httpd: Httpd,
    status_url: Option<Url>,
    test_regex: Regex,
    port: Option<u16>,
    options: Option<String>,
}

/// What it says about itself.
pub(crate) fn meta_data() -> MetaData {
    MetaData {
        summary: "An Apache web server (built in)".into(),
        parameters: vec![
            parameter("configfile", false, "The main configuration file; the program's own where not given"),
            parameter("httpd", false, "The server's program; found where not given"),
            parameter(
                "port",
                false,
                "Where to connect to see whether it serves; from the configuration where not given",
            ),
            parameter(
                "statusurl",
                false,
                "The page that shows whether it serves; without one a connection must do",
            ),
            defaulted("testregex", TEST_REGEX, "What the page must have in it; case does not count"),
            parameter("options", false, "Further options for the program"),
            defaulted("envfiles", "/etc/apache2/envvars", "Files that set the server's environment"),
        ],
        actions: actions(40_000, 60_000),
    }
}

impl Apache {
    /// Reads the parameters and finds the installation.
    pub(crate) async fn find(params: &BTreeMap<String, String>) -> Result<Self, Ended> {
        let configured = |why| Ended::with(rc::CONFIGURED, why);
        let get = |name: &str| params.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
        let status_url = get("statusurl").map(Url::parse).transpose().map_err(configured)?;
        let regex = get("testregex").unwrap_or(TEST_REGEX);
        let test_regex = Regex::new(&format!("(?i){regex}"))
            .map_err(|error| configured(format!("`testregex` is not a regular expression: {error}")))?;
        let port = get("port").map(str::parse).transpose();
        let port = port.map_err(|_| configured("`port` must be a number from 1 to 65535".to_owned()))?;
        let httpd = Httpd::find(params).await.map_err(|missing| match missing {
            Missing::Program(why) | Missing::Config(why) => Ended::not_run(rc::INSTALLED, why),
        })?;
        Ok(Self { httpd, status_url, test_regex, port, options: get("options").map(str::to_owned) })
    }

    /// Runs one action.
    pub(crate) async fn run(&self, action: &ResourceAction) -> Ended {
        match action.operation.as_str() {
            "start" => self.start().await,
            "stop" => self.stop().await,
            "monitor" => self.monitor().await,
            other => Ended::with(rc::UNIMPLEMENTED, format!("the built-in apache has no action `{other}`")),
        }
    }

    /// The server's main process, where it runs.
    pub(crate) fn main_process(&self) -> Option<Process> {
        Process::of_pid_file(&self.httpd.pid_file, self.httpd.program_name())
    }

    async fn monitor(&self) -> Ended {
        if self.main_process().is_none() {
            return Ended::not_running();
        }
        match timeout(ASK_TIMEOUT, self.ask()).await {
            Ok(Ok(())) => Ended::ok(),
            Ok(Err(why)) => Ended::failed(why),
            Err(_) => Ended::failed(format!("no answer in {ASK_TIMEOUT:?}")),
        }
    }

    /// Whether the server serves: its status page says what it should, or it takes a connection.
    async fn ask(&self) -> Result<(), String> {
        let Some(url) = &self.status_url else {
            let address = self.listen();
            let connected = TcpStream::connect(address).await;
            return connected.map(drop).map_err(|error| format!("cannot connect to {address}: {error}"));
        };
        let page = http::get(url).await?;
        if page.status != 200 {
            return Err(format!("the status page answers {}", page.status));
        }
        match self.test_regex.is_match(&page.body) {
            Ok(true) => Ok(()),
            _ => Err(format!("the status page has no match of `{}`", self.test_regex.as_str())),
        }
    }

    fn listen(&self) -> SocketAddr {
        let default = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 80);
        let mut address = self.httpd.listen.unwrap_or(default);
        if let Some(port) = self.port {
            address.set_port(port);
        }
        address
    }

    async fn start(&self) -> Ended {
        if self.main_process().is_none() {
            self.end_orphans().await;
            self.make_folders().await;
            if let Err(ended) = self.launch().await {
                return ended;
            }
        }
        loop {
            match timeout(ASK_TIMEOUT, self.ask()).await {
                Ok(Ok(())) => return Ended::ok(),
                // The pid file is written a moment after the program has returned, and gone as soon as it fails.
                _ if self.main_process().is_none() && read_pid_file(&self.httpd.pid_file).is_some() => {
                    return Ended::failed("the server ended while it started; its error log says why");
                }
                _ => sleep(ASK_AGAIN).await,
            }
        }
    }

    async fn launch(&self) -> Result<(), Ended> {
        let mut command = self.httpd.command(self.options.as_deref());
        command.args(["-k", "start"]);
        // The caller bounds the whole action.
        let finished = process::run(command, &[], Duration::from_secs(3600)).await;
        match finished {
            Ok(finished) if finished.status.success() => Ok(()),
            Ok(finished) => {
                let said = [&finished.stderr, &finished.stdout].map(|text| last_line(text));
                Err(Ended::failed(
                    said.into_iter()
                        .find(|line| !line.is_empty())
                        .unwrap_or("the start failed without a word"),
                ))
            }
            Err(error) => Err(Ended::not_run(rc::INSTALLED, error.to_string())),
        }
    }

    /// Makes the folders that Debian's start script makes: after a boot they are not there.
    async fn make_folders(&self) {
        let variable = |name: &str| self.httpd.environment.get(name);
        let pid_folder = self.httpd.pid_file.parent().map(std::path::Path::to_path_buf);
        for folder in variable("APACHE_RUN_DIR").map(Into::into).into_iter().chain(pid_folder) {
            // Where it cannot be made the server says so better.
            let _ = std::fs::create_dir_all(folder);
        }
        if let (Some(folder), Some(user)) = (variable("APACHE_LOCK_DIR"), variable("APACHE_RUN_USER"))
            && !std::path::Path::new(folder).is_dir()
        {
            let mut command = tokio::process::Command::new("install");
            command.args(["-d", "-o", user, folder]);
            let _ = process::run(command, &[], ASK_TIMEOUT).await;
        }
    }

    async fn stop(&self) -> Ended {
        if let Some(main) = self.main_process() {
            main.signal(Signal::TERM);
            main.ended().await;
            self.end_group(main.pid(), CHILDREN_MERCY).await;
        } else {
            self.end_orphans().await;
        }
        Ended::ok()
    }

    /// Ends what is left of a server whose main process was killed: its children still hold the port.
    async fn end_orphans(&self) {
        if let Some(group) = read_pid_file(&self.httpd.pid_file) {
            // Without their parent they do not heed anything else.
            self.end_group(group, Duration::ZERO).await;
            // A file that names a process of the past would hide a failed start.
            let _ = std::fs::remove_file(&self.httpd.pid_file);
        }
    }

    /// Returns when no process of the server is left in the group that its main process led.
    async fn end_group(&self, group: Pid, mercy: Duration) {
        let mut waited = Duration::ZERO;
        loop {
            let members = group_members(group, self.httpd.program_name());
            if members.is_empty() {
                return;
            }
            let signal = if waited < mercy { Signal::TERM } else { Signal::KILL };
            for member in members {
                let _ = kill_process(member, signal);
            }
            sleep(ASK_AGAIN).await;
            waited += ASK_AGAIN;
        }
    }
}
