//! An Apache installation on this node: which program, with which environment and configuration, and where it writes
//! its number. Debian and RHEL differ in all of them.

use crate::process;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;

const PROGRAMS: [&str; 6] = [
    "/usr/sbin/apache2",
    "/usr/sbin/httpd",
    "/usr/sbin/httpd2",
    "/usr/bin/httpd",
    "/usr/local/apache2/bin/httpd",
    "/usr/local/sbin/httpd",
];
/// Debian keeps users, folders and the pid file in variables.
const ENVIRONMENT_FILES: &str = "/etc/apache2/envvars";
const ASK_TIMEOUT: Duration = Duration::from_secs(10);
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// One installation with one configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Httpd {
    /// The server's program.
    pub(crate) program: PathBuf,
    /// Its main configuration file.
    pub(crate) config: PathBuf,
    /// Where the running server writes its number.
    pub(crate) pid_file: PathBuf,
    /// Its environment.
    pub(crate) environment: BTreeMap<String, String>,
    /// Where it listens first.
    pub(crate) listen: Option<SocketAddr>,
}

/// Why the installation cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Missing {
    /// There is no such program on this node.
    Program(String),
    /// Its configuration cannot be read.
    Config(String),
}

impl Httpd {
    /// Finds the installation that the parameters `httpd`, `configfile` and `envfiles` mean.
    pub(crate) async fn find(params: &BTreeMap<String, String>) -> Result<Self, Missing> {
        let program = find_program(params.get("httpd").map(String::as_str))?;
        let files = params.get("envfiles").map_or(ENVIRONMENT_FILES, String::as_str);
        let environment = environment(files).await.map_err(Missing::Config)?;
        let given = params.get("configfile").filter(|file| !file.is_empty()).map(PathBuf::from);
        // Asking the program costs as much as a monitor: only where the parameters leave it open.
        let asked = if given.is_none() { Some(BuiltIn::ask(&program, &environment).await) } else { None };
        let config = given
            .or_else(|| asked.as_ref().map(|built_in| built_in.path("SERVER_CONFIG_FILE", "conf/httpd.conf")))
            .unwrap_or_default();
        let settings = Settings::read(&config, &environment)
            .map_err(|error| Missing::Config(format!("cannot read {}: {error}", config.display())))?;
        let pid_file = match (&settings.server_root, &settings.pid_file) {
            (_, Some(file)) if Path::new(file).is_absolute() => PathBuf::from(file),
            (root, file) => {
                let built_in = match asked {
                    Some(built_in) => built_in,
                    None => BuiltIn::ask(&program, &environment).await,
                };
                let file = file.as_deref().or(built_in.value("DEFAULT_PIDLOG")).unwrap_or("logs/httpd.pid");
                root.clone().unwrap_or_else(|| built_in.root()).join(file)
            }
        };
        Ok(Self { program, config, pid_file, environment, listen: settings.listen })
    }

    /// The program's name, as the kernel shows it for the running server.
    pub(crate) fn program_name(&self) -> &str {
        self.program.file_name().and_then(|name| name.to_str()).unwrap_or("httpd")
    }

    /// A command that runs the program with its environment and configuration.
    pub(crate) fn command(&self, options: Option<&str>) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().env("PATH", SEARCH_PATH).envs(&self.environment);
        command.args(options.unwrap_or_default().split_whitespace()).arg("-f").arg(&self.config);
        command
    }
}

fn find_program(given: Option<&str>) -> Result<PathBuf, Missing> {
    let candidates = given.map_or(PROGRAMS.to_vec(), |given| vec![given]);
    let found = candidates.iter().map(Path::new).find(|path| path.is_file());
    found.map(Path::to_path_buf).ok_or_else(|| {
        Missing::Program(format!(
            "no Apache here: there is no {}; install apache2 or httpd",
            candidates.join(", ")
        ))
    })
}

/// The variables that the environment files set; files that do not exist set none.
async fn environment(files: &str) -> Result<BTreeMap<String, String>, String> {
    let files: Vec<&str> = files.split_whitespace().filter(|file| Path::new(file).is_file()).collect();
    if files.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut command = Command::new("/bin/sh");
    command.env_clear().env("PATH", SEARCH_PATH).env("LANG", "C");
    command.args(["-c", "for file; do . \"$file\" >&2; done; exec env -0", "sh"]).args(files);
    let finished = process::run(command, &[], ASK_TIMEOUT).await.map_err(|error| error.to_string())?;
    let pairs = finished.stdout.split('\0').filter_map(|pair| pair.split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// What was chosen when the program was built: `-V`.
struct BuiltIn(BTreeMap<String, String>);

impl BuiltIn {
    async fn ask(program: &Path, environment: &BTreeMap<String, String>) -> Self {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", SEARCH_PATH).envs(environment).arg("-V");
        let output = process::run(command, &[], ASK_TIMEOUT).await;
        Self(output.map(|finished| parse_defines(&finished.stdout)).unwrap_or_default())
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn root(&self) -> PathBuf {
        PathBuf::from(self.value("HTTPD_ROOT").unwrap_or("/etc/httpd"))
    }

    fn path(&self, name: &str, default: &str) -> PathBuf {
        self.root().join(self.value(name).unwrap_or(default))
    }
}

/// Lines like `-D DEFAULT_PIDLOG="/run/httpd/httpd.pid"`.
fn parse_defines(text: &str) -> BTreeMap<String, String> {
    let define = |line: &str| {
        let (name, value) = line.trim().strip_prefix("-D ")?.split_once('=')?;
        Some((name.to_owned(), value.trim_matches('"').to_owned()))
    };
    text.lines().filter_map(define).collect()
}

/// The directives that matter here, as the main file sets them; included files only for `Listen`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Settings {
    server_root: Option<PathBuf>,
    pid_file: Option<String>,
    listen: Option<SocketAddr>,
}

impl Settings {
    fn read(config: &Path, environment: &BTreeMap<String, String>) -> std::io::Result<Self> {
        let text = std::fs::read_to_string(config)?;
        let mut settings = Self::parse(&text, environment);
        if settings.listen.is_none() {
            let root = settings.server_root.clone().or_else(|| config.parent().map(Path::to_path_buf));
            settings.listen = included(&text, &root.unwrap_or_default())
                .filter_map(|file| std::fs::read_to_string(file).ok())
                .find_map(|text| Self::parse(&text, environment).listen);
        }
        Ok(settings)
    }

    fn parse(text: &str, environment: &BTreeMap<String, String>) -> Self {
        let mut settings = Self::default();
        for (name, value) in directives(text) {
            let value = expand(value, environment);
            match name.to_ascii_lowercase().as_str() {
                "serverroot" => settings.server_root = Some(PathBuf::from(value)),
                "pidfile" => settings.pid_file = Some(value),
                "listen" if settings.listen.is_none() => settings.listen = parse_listen(&value),
                _ => {}
            }
        }
        settings
    }
}

fn directives(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once(char::is_whitespace))
        .map(|(name, value)| (name, value.trim().trim_matches('"')))
}

/// Files that are included by their name; patterns do not hold a server's first `Listen`.
fn included<'a>(text: &'a str, root: &'a Path) -> impl Iterator<Item = PathBuf> + 'a {
    directives(text)
        .filter(|(name, _)| name.to_ascii_lowercase().starts_with("include"))
        .map(|(_, file)| root.join(file))
}

fn parse_listen(value: &str) -> Option<SocketAddr> {
    let value = value.split_whitespace().next()?;
    if let Ok(port) = value.parse() {
        return Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    let value = value.strip_prefix("*:").map_or(value.to_owned(), |port| format!("127.0.0.1:{port}"));
    let mut address: SocketAddr = value.parse().ok()?;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    Some(address)
}

/// Replaces `${NAME}` by the variable; one that is not set stays as it is, as Apache does.
fn expand(value: &str, environment: &BTreeMap<String, String>) -> String {
    let mut parts = value.split("${");
    let mut expanded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('}') {
            Some((name, rest)) if environment.contains_key(name) => {
                expanded.push_str(&environment[name]);
                expanded.push_str(rest);
            }
            _ => {
                expanded.push_str("${");
                expanded.push_str(part);
            }
        }
    }
    expanded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> BTreeMap<String, String> {
        [("APACHE_PID_FILE".to_owned(), "/run/apache2/apache2.pid".to_owned())].into()
    }

    #[test]
    fn debian_keeps_the_pid_file_in_a_variable() {
        let text =
            "# PidFile no\nServerRoot \"/etc/apache2\"\nPidFile ${APACHE_PID_FILE}\nInclude ports.conf\n";
        let settings = Settings::parse(text, &environment());
        assert_eq!(settings.pid_file.as_deref(), Some("/run/apache2/apache2.pid"));
        assert_eq!(settings.server_root, Some("/etc/apache2".into()));
        assert_eq!(
            included(text, Path::new("/etc/apache2")).collect::<Vec<_>>(),
            [Path::new("/etc/apache2/ports.conf")]
        );
    }

    #[test]
    fn a_listen_line_is_an_address_to_connect_to() {
        let listen = |text| parse_listen(text).map(|address| address.to_string());
        assert_eq!(listen("80").as_deref(), Some("127.0.0.1:80"));
        assert_eq!(listen("*:8080").as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(listen("10.0.0.9:80 http").as_deref(), Some("10.0.0.9:80"));
        assert_eq!(listen("[::]:80").as_deref(), Some("[::1]:80"));
    }

    #[test]
    fn what_the_program_was_built_with_is_read() {
        let defines = parse_defines("Server MPM: event\n -D HTTPD_ROOT=\"/etc/httpd\"\n -D APR_HAS_MMAP\n");
        assert_eq!(defines.get("HTTPD_ROOT").map(String::as_str), Some("/etc/httpd"));
    }

    #[test]
    fn a_variable_that_is_not_set_stays_as_it_is() {
        assert_eq!(
            expand("a ${NONE} ${APACHE_PID_FILE}", &environment()),
            "a ${NONE} /run/apache2/apache2.pid"
        );
    }
}
