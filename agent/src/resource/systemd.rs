//! systemd units, over D-Bus: jobs are waited for by their signal, and a unit that ends by itself is noticed when it
//! does. On a node without a bus daemon `systemctl` does the same work, without the notice.

use super::ended::Ended;
use super::systemctl;
use futures_util::StreamExt;
use muster_api::history::{ResourceAction, rc};
use std::time::Duration;
use tokio::sync::Mutex;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream, OwnedObjectPath, OwnedVariant, Variant, connection};

const BUS_SOCKET: &str = "/run/dbus/system_bus_socket";
const SERVICE: &str = "org.freedesktop.systemd1";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// A unit between two states is looked at again after this long; signals may be lost with the connection.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The connection to the service manager; made when it is first needed, and again after it was lost.
#[derive(Debug, Default)]
pub(crate) struct Systemd {
    connection: Mutex<Option<Connection>>,
}

/// Why the service manager did not do something, as a sentence.
type Failure = String;

impl Systemd {
    /// Runs one action on a unit.
    pub(crate) async fn run(&self, unit: &str, action: &ResourceAction) -> Ended {
        let result = match action.operation.as_str() {
            "start" => self.start(unit).await,
            "stop" => self.stop(unit).await,
            "monitor" | "status" => self.monitor(unit).await,
            other => {
                return Ended::with(rc::UNIMPLEMENTED, format!("systemd units have no action `{other}`"));
            }
        };
        result.unwrap_or_else(Ended::failed)
    }

    /// Whether systemd knows the unit.
    pub(crate) async fn has_unit(&self, unit: &str) -> bool {
        matches!(self.load_state(unit).await.as_deref(), Ok("loaded" | "masked"))
    }

    /// Returns when the unit has ended, with a sentence about how; never where it cannot be watched.
    pub(crate) async fn ended(&self, unit: &str) -> String {
        match self.watch(unit).await {
            Ok(what) => what,
            Err(_) => std::future::pending().await,
        }
    }

    async fn start(&self, unit: &str) -> Result<Ended, Failure> {
        if self.load_state(unit).await? == "not-found" {
            return Ok(Ended::not_run(rc::INSTALLED, format!("systemd has no unit `{unit}` on this node")));
        }
        match self.job("StartUnit", unit).await?.as_str() {
            "done" => self.monitor(unit).await.map(|ended| match ended.is_active() {
                true => ended,
                false => Ended::failed(format!("{unit} ended right after it was started")),
            }),
            result => {
                let state = self.describe(unit).await;
                Ok(Ended::failed(format!(
                    "the start job of {unit} ended as `{result}`{state}; see journalctl -u {unit}"
                )))
            }
        }
    }

    async fn stop(&self, unit: &str) -> Result<Ended, Failure> {
        if self.load_state(unit).await? == "not-found" {
            return Ok(Ended::ok());
        }
        match self.job("StopUnit", unit).await?.as_str() {
            "done" => Ok(Ended::ok()),
            result => Ok(Ended::failed(format!("the stop job of {unit} ended as `{result}`"))),
        }
    }

    async fn monitor(&self, unit: &str) -> Result<Ended, Failure> {
        loop {
            match self.property(unit, UNIT, "ActiveState").await?.as_str() {
                "active" | "reloading" | "refreshing" => return Ok(Ended::ok()),
                "activating" | "deactivating" => tokio::time::sleep(LOOK_AGAIN).await,
                _ => return Ok(Ended::not_running()),
            }
        }
    }

    async fn watch(&self, unit: &str) -> Result<String, Failure> {
        if !has_bus() {
            return Err(String::from("there is no bus daemon on this node"));
        }
        let connection = self.connection().await?;
        let path = self.unit_path(unit).await?;
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .interface(PROPERTIES)
            .path(path)
            .build()
            .map_err(said)?;
        let mut changes = MessageStream::for_match_rule(rule, &connection, None).await.map_err(said)?;
        loop {
            let state = self.property(unit, UNIT, "ActiveState").await?;
            if matches!(state.as_str(), "inactive" | "failed") {
                return Ok(format!("{unit} became {state}{}", self.describe(unit).await));
            }
            if changes.next().await.is_none() {
                return Err(String::from("the connection to systemd was lost"));
            }
        }
    }

    /// Starts a job and waits for its end.
    async fn job(&self, method: &str, unit: &str) -> Result<String, Failure> {
        if !has_bus() {
            let verb = if method == "StartUnit" { "start" } else { "stop" };
            return systemctl::job(verb, unit).await.map(|()| String::from("done"));
        }
        let connection = self.connection().await?;
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .interface(MANAGER)
            .member("JobRemoved")
            .build()
            .map_err(said)?;
        let mut removed = MessageStream::for_match_rule(rule, &connection, None).await.map_err(said)?;
        let reply = self.manager(method, &(unit, "replace")).await?;
        let job: OwnedObjectPath = reply.body().deserialize().map_err(said)?;
        while let Some(signal) = removed.next().await {
            let signal = signal.map_err(said)?;
            let (_, path, _, result): (u32, OwnedObjectPath, String, String) =
                signal.body().deserialize().map_err(said)?;
            if path == job {
                return Ok(result);
            }
        }
        Err(format!("the connection to systemd was lost during {method} of {unit}"))
    }

    async fn load_state(&self, unit: &str) -> Result<String, Failure> {
        self.property(unit, UNIT, "LoadState").await
    }

    /// The unit's result, as the end of a sentence.
    async fn describe(&self, unit: &str) -> String {
        let result = self.property(unit, "org.freedesktop.systemd1.Service", "Result").await;
        result.map(|result| format!(" (result: {result})")).unwrap_or_default()
    }

    async fn property(&self, unit: &str, interface: &str, name: &str) -> Result<String, Failure> {
        if !has_bus() {
            return systemctl::property(unit, name).await;
        }
        let connection = self.connection().await?;
        let path = self.unit_path(unit).await?;
        let reply = connection
            .call_method(Some(SERVICE), path, Some(PROPERTIES), "Get", &(interface, name))
            .await
            .map_err(said)?;
        let value: OwnedVariant = reply.body().deserialize().map_err(said)?;
        match &*value {
            Variant::Str(text) => Ok(text.to_string()),
            other => Err(format!("systemd says {name} of {unit} is {other:?}, a text was expected")),
        }
    }

    async fn unit_path(&self, unit: &str) -> Result<OwnedObjectPath, Failure> {
        let reply = self.manager("LoadUnit", &(unit,)).await?;
        reply.body().deserialize().map_err(said)
    }

    async fn manager<B>(&self, method: &str, body: &B) -> Result<zbus::Message, Failure>
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        let connection = self.connection().await?;
        let reply = connection.call_method(Some(SERVICE), MANAGER_PATH, Some(MANAGER), method, body).await;
        if matches!(reply, Err(zbus::Error::InputOutput(_))) {
            self.connection.lock().await.take();
        }
        reply.map_err(said)
    }

    async fn connection(&self) -> Result<Connection, Failure> {
        let mut held = self.connection.lock().await;
        if let Some(connection) = held.as_ref() {
            return Ok(connection.clone());
        }
        let connection = connect().await?;
        // Without it the manager sends no signals.
        let _ = connection.call_method(Some(SERVICE), MANAGER_PATH, Some(MANAGER), "Subscribe", &()).await;
        Ok(held.insert(connection).clone())
    }
}

/// The unit's full name: `nginx` is `nginx.service`.
pub(crate) fn unit_name(name: &str) -> String {
    const KINDS: [&str; 6] = [".service", ".socket", ".mount", ".timer", ".path", ".target"];
    if KINDS.iter().any(|kind| name.ends_with(kind)) { name.to_owned() } else { format!("{name}.service") }
}

/// Whether there is a bus daemon on this node.
fn has_bus() -> bool {
    std::path::Path::new(BUS_SOCKET).exists()
}

async fn connect() -> Result<Connection, Failure> {
    let connection = connection::Builder::address(format!("unix:path={BUS_SOCKET}").as_str()).build().await;
    connection.map_err(|error| format!("cannot reach systemd over D-Bus: {error}"))
}

fn said(error: impl std::fmt::Display) -> Failure {
    error.to_string()
}
