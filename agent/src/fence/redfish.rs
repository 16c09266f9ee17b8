//! The built-in Redfish client (DMTF DSP0266): resets a computer system and looks at its power state. It takes the
//! parameters of fence_redfish.
//!
//! It runs in a thread of its own with a hard deadline: a device that hangs holds up nothing but itself.

use crate::host;
use crate::resource::meta_data::{AdvisedAction, MetaData, Parameter};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use muster_api::cluster::parse_bool;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

const STACK_SIZE: usize = 512 * 1024;
/// A machine is off within milliseconds of its order, or within seconds: ask often, an answer costs nothing.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// What one answer may take; a device that is slower is asked again while there is time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Certificates that this node trusts, by distribution.
const TRUST_STORES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];

/// What the parameters say.
#[derive(Clone)]
pub(crate) struct Redfish {
    authority: String,
    host: String,
    port: u16,
    authorization: String,
    verify: bool,
    service: String,
    system: Option<String>,
    plug: String,
}

impl std::fmt::Debug for Redfish {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the password.
        formatter
            .debug_struct("Redfish")
            .field("authority", &self.authority)
            .field("system", &self.system)
            .finish()
    }
}

/// A system's power state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Power {
    Off,
    /// On, or on its way between the two.
    On,
}

/// What it says about itself.
pub(crate) fn meta_data() -> MetaData {
    let parameter = |name: &str, is_required, default: Option<&str>, summary: &str| Parameter {
        name: name.into(),
        is_required,
        default: default.map(str::to_owned),
        summary: summary.into(),
        ..Parameter::default()
    };
    let action = |name: &str| AdvisedAction { name: name.into(), timeout_ms: None, interval_ms: None };
    MetaData {
        summary: "A Redfish service (built in)".into(),
        parameters: vec![
            parameter("ip", true, None, "Its address, or a name in /etc/hosts"),
            parameter("ipport", false, Some("443"), "Its port"),
            parameter("username", false, None, "The user"),
            parameter("password", false, None, "The user's password"),
            parameter(
                "systems_uri",
                false,
                None,
                "The system, as a path; found by the plug's name where not given",
            ),
            parameter("redfish_uri", false, Some("/redfish/v1"), "The service, as a path"),
            parameter(
                "plug",
                false,
                None,
                "What the service calls the node; the node's name where not given",
            ),
            parameter("ssl", false, Some("1"), "0: HTTP without TLS"),
            parameter("ssl_secure", false, Some("1"), "Check the certificate"),
            parameter("ssl_insecure", false, Some("0"), "Do not check the certificate"),
        ],
        actions: ["on", "off", "reboot", "status", "monitor"].map(action).into(),
    }
}

impl Redfish {
    /// Reads the parameters; one that it does not have is an error.
    pub(crate) fn parse(params: &BTreeMap<String, String>, plug: &str) -> Result<Self, String> {
        let mut left: BTreeMap<String, &str> = params
            .iter()
            .filter(|(name, _)| !name.starts_with("pcmk_"))
            .map(|(name, value)| (name.replace('-', "_"), value.as_str()))
            .collect();
        let mut take = |names: &[&str]| names.iter().filter_map(|name| left.remove(*name)).next();
        let host = take(&["ip", "ipaddr"]).ok_or("the parameter `ip` is missing")?.to_owned();
        let port = take(&["ipport"]).unwrap_or("443");
        let port = port.parse().map_err(|_| format!("`ipport` is `{port}`, a port was expected"))?;
        let username = take(&["username", "login"]).unwrap_or_default().to_owned();
        let password = take(&["password", "passwd"]).unwrap_or_default().to_owned();
        let service = take(&["redfish_uri"]).unwrap_or("/redfish/v1").to_owned();
        let system = take(&["systems_uri"]).map(str::to_owned);
        let plug = take(&["plug", "port"]).unwrap_or(plug).to_owned();
        let is_plain = take(&["ssl"]).is_some_and(|text| parse_bool(text) == Some(false));
        let is_insecure = take(&["ssl_insecure"]).is_some_and(|text| parse_bool(text) != Some(false));
        let is_secure = take(&["ssl_secure"]).is_some_and(|text| parse_bool(text) != Some(false));
        if let Some(unknown) = left.keys().next() {
            return Err(format!(
                "the built-in Redfish client has no parameter `{unknown}`; install fence-agents for the program that has"
            ));
        }
        if is_plain && (is_secure || is_insecure) {
            return Err("`ssl` is off, and `ssl_secure` or `ssl_insecure` says how to use it".into());
        }
        let scheme = if is_plain { "http" } else { "https" };
        let authority = match host.contains(':') {
            true => format!("{scheme}://[{host}]:{port}"),
            false => format!("{scheme}://{host}:{port}"),
        };
        Ok(Self {
            authority,
            host,
            port,
            authorization: format!("Basic {}", BASE64.encode(format!("{username}:{password}"))),
            verify: !is_insecure,
            service,
            system,
            plug,
        })
    }

    /// Runs one action; `off` has succeeded when the system is seen off, `on` when it is seen on.
    pub(crate) async fn run(&self, action: &str, limit: Duration) -> Result<(), String> {
        let (sender, result) = tokio::sync::oneshot::channel();
        let (redfish, action) = (self.clone(), action.to_owned());
        let deadline = Instant::now() + limit;
        std::thread::Builder::new()
            .name("redfish".into())
            .stack_size(STACK_SIZE)
            // Where the time is over nobody waits for the result.
            .spawn(move || drop(sender.send(redfish.act(&action, deadline))))
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        result.await.unwrap_or_else(|_| Err("the Redfish client failed".into()))
    }

    fn act(&self, action: &str, deadline: Instant) -> Result<(), String> {
        let session = Session { redfish: self, agent: self.agent()?, deadline };
        let system = session.system()?;
        match action {
            "off" => session.reach(&system, Power::Off, "ForceOff"),
            "on" => session.reach(&system, Power::On, "On"),
            "reboot" => session.reset(&system, "ForceRestart"),
            "monitor" | "status" => session.power(&system).map(drop),
            other => Err(format!("the built-in Redfish client has no action `{other}`")),
        }
    }

    fn agent(&self) -> Result<ureq::Agent, String> {
        let address = host::resolve(&self.host)
            .ok_or_else(|| format!("`{}` is neither an address nor a name in /etc/hosts", self.host))?;
        let roots = if self.verify && self.authority.starts_with("https") { trusted()? } else { Vec::new() };
        let tls = TlsConfig::builder()
            .disable_verification(!self.verify)
            .root_certs(RootCerts::new_with_certs(&roots))
            .build();
        let config = Config::builder()
            .tls_config(tls)
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("musterd/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(ureq::Agent::with_parts(
            config,
            DefaultConnector::default(),
            Fixed(SocketAddr::new(address, self.port)),
        ))
    }
}

/// The address is known: nothing asks a name service.
#[derive(Debug)]
struct Fixed(SocketAddr);

impl Resolver for Fixed {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut addresses = self.empty();
        addresses.push(self.0);
        Ok(addresses)
    }
}

fn trusted() -> Result<Vec<Certificate<'static>>, String> {
    let pem = TRUST_STORES.iter().find_map(|file| std::fs::read(file).ok());
    let pem = pem.ok_or(
        "this node has no certificates to check the device's with (package ca-certificates); \
         `ssl_insecure: true` does without",
    )?;
    let certificates = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    Ok(certificates.collect())
}

/// One action's exchange with the device.
struct Session<'a> {
    redfish: &'a Redfish,
    agent: ureq::Agent,
    deadline: Instant,
}

impl Session<'_> {
    /// Orders a power state and returns when it is seen.
    fn reach(&self, system: &str, wanted: Power, reset: &str) -> Result<(), String> {
        if self.power(system)? == wanted {
            return Ok(());
        }
        self.reset(system, reset)?;
        loop {
            match self.power(system) {
                Ok(power) if power == wanted => return Ok(()),
                // A controller may be deaf for a moment while it switches.
                Ok(_) | Err(_) if self.has_time() => std::thread::sleep(ASK_AGAIN),
                Ok(_) => {
                    return Err(format!(
                        "{reset} was accepted, but the system is not seen {}",
                        wanted.word()
                    ));
                }
                Err(why) => return Err(why),
            }
        }
    }

    fn reset(&self, system: &str, kind: &str) -> Result<(), String> {
        let description = self.get(system)?;
        let target = description.pointer("/Actions/#ComputerSystem.Reset/target").and_then(Value::as_str);
        let target = target.ok_or_else(|| format!("{system} has no action ComputerSystem.Reset"))?;
        self.post(target, &json!({ "ResetType": kind }))
    }

    fn power(&self, system: &str) -> Result<Power, String> {
        match self.get(system)?.get("PowerState").and_then(Value::as_str) {
            Some("Off") => Ok(Power::Off),
            Some(_) => Ok(Power::On),
            None => Err(format!("{system} does not say its PowerState")),
        }
    }

    /// The system's path: as configured, or the one that the service has.
    fn system(&self) -> Result<String, String> {
        if let Some(system) = &self.redfish.system {
            return Ok(system.clone());
        }
        let root = self.get(&self.redfish.service)?;
        let collection = root.pointer("/Systems/@odata.id").and_then(Value::as_str);
        let collection = self.get(collection.ok_or("the service has no Systems")?)?;
        let members = collection.get("Members").and_then(Value::as_array).cloned().unwrap_or_default();
        let paths: Vec<&str> =
            members.iter().filter_map(|member| member.get("@odata.id")?.as_str()).collect();
        choose(&paths, &self.redfish.plug).map(str::to_owned)
    }

    fn get(&self, path: &str) -> Result<Value, String> {
        let request = self.agent.get(self.url(path)).header("Authorization", &self.redfish.authorization);
        let request = request.header("Accept", "application/json").header("OData-Version", "4.0");
        let response = request.config().timeout_global(Some(self.time_for_one())).build().call();
        let text = self.body(path, response)?;
        serde_json::from_str(&text).map_err(|error| format!("{path} does not answer in JSON: {error}"))
    }

    fn post(&self, path: &str, body: &Value) -> Result<(), String> {
        let request = self.agent.post(self.url(path)).header("Authorization", &self.redfish.authorization);
        let request = request.header("Content-Type", "application/json").header("OData-Version", "4.0");
        let response =
            request.config().timeout_global(Some(self.time_for_one())).build().send(body.to_string());
        self.body(path, response).map(drop)
    }

    fn body(
        &self,
        path: &str,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<String, String> {
        let authority = &self.redfish.authority;
        let mut response = response.map_err(|error| format!("{authority}: {error}"))?;
        match response.status().as_u16() {
            200..300 => {
                response.body_mut().read_to_string().map_err(|error| format!("{authority}{path}: {error}"))
            }
            401 | 403 => Err(format!("{authority} refuses the user or the password")),
            404 => Err(format!("{authority} has no {path}: is `systems_uri` right?")),
            status => Err(format!("{authority}{path} answers {status}")),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{}{path}", self.redfish.authority, if path.starts_with('/') { "" } else { "/" })
    }

    fn has_time(&self) -> bool {
        Instant::now() < self.deadline
    }

    fn time_for_one(&self) -> Duration {
        ANSWER_TIMEOUT
            .min(self.deadline.saturating_duration_since(Instant::now()))
            .max(Duration::from_millis(1))
    }
}

impl Power {
    fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
        }
    }
}

/// The only system of a service, or the one that is called like the node.
fn choose<'a>(paths: &[&'a str], plug: &str) -> Result<&'a str, String> {
    let is_plug = |path: &&&str| path.trim_end_matches('/').rsplit('/').next() == Some(plug);
    match paths {
        [] => Err("the service has no systems".into()),
        [only] => Ok(only),
        many => many.iter().find(is_plug).copied().ok_or_else(|| {
            format!(
                "the service has {} systems and none is called `{plug}`: set `systems_uri` to one of {}",
                many.len(),
                many.join(", ")
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(params: &[(&str, &str)]) -> Result<Redfish, String> {
        Redfish::parse(
            &params.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            "web1",
        )
    }

    #[test]
    fn the_parameters_are_those_of_fence_redfish() {
        let redfish = parse(&[
            ("ipaddr", "10.0.0.9"),
            ("ipport", "8443"),
            ("login", "root"),
            ("passwd", "secret"),
            ("systems-uri", "/redfish/v1/Systems/1"),
            ("ssl_insecure", "true"),
            ("pcmk_host_list", "web1"),
        ]);
        let redfish = redfish.expect("they are well formed");
        assert_eq!(redfish.authority, "https://10.0.0.9:8443");
        assert_eq!(redfish.system.as_deref(), Some("/redfish/v1/Systems/1"));
        assert!(!redfish.verify);
        assert!(!format!("{redfish:?}").contains("secret") && !format!("{redfish:?}").contains("Basic"));
    }

    #[test]
    fn a_parameter_that_it_does_not_have_is_refused() {
        let error = parse(&[("ip", "10.0.0.9"), ("password_script", "/bin/x")]).expect_err("it has none");
        assert!(error.contains("password_script"), "{error}");
        assert!(parse(&[]).is_err());
    }

    #[test]
    fn of_several_systems_the_one_that_is_called_like_the_node_is_chosen() {
        let paths = ["/redfish/v1/Systems/web1", "/redfish/v1/Systems/web2"];
        assert_eq!(choose(&paths, "web2"), Ok(paths[1]));
        assert_eq!(choose(&paths[..1], "web9"), Ok(paths[0]));
        assert!(choose(&paths, "web9").is_err());
    }
}
