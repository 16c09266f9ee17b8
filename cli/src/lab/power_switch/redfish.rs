//! The part of Redfish that fence agents and people with curl use: the service root, one computer system for
//! each node with its power state and its reset action, and sessions.
//!
//! Request in, answer out; the connection is `server.rs`, the power is behind [`Systems`]. A reset is answered
//! when it is done, so a client that reads `PowerState` next reads the truth.
//!
//! Source: DMTF DSP0266 (the protocol) and the schemas of ServiceRoot, ComputerSystem and Session.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::reset::Reset;
use super::sessions::Sessions;
use crate::lab::inventory::system_path;
use crate::lab::node::Power;

const ROOT: &str = "/redfish/v1";
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";

/// The nodes behind the switch.
pub(super) trait Systems {
    fn names(&self) -> Vec<String>;
    fn power(&self, name: &str) -> Power;
    /// Returns when it is done. Errs with what went wrong.
    fn reset(&self, name: &str, reset: Reset, asked_by: &str) -> Result<(), String>;
}

pub(super) struct Account {
    pub(super) username: String,
    pub(super) password: String,
}

pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    /// The header `Authorization`.
    pub(super) authorization: Option<String>,
    /// The header `X-Auth-Token`.
    pub(super) token: Option<String>,
    pub(super) body: Vec<u8>,
    /// Who is at the other end of the connection.
    pub(super) peer: String,
}

#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
}

pub(super) struct Redfish<S> {
    systems: S,
    account: Account,
    sessions: Mutex<Sessions>,
}

/// What a path names.
enum Resource {
    Versions,
    Root,
    Systems,
    System(String),
    Reset(String),
    SessionService,
    Sessions,
    Session(String),
}

impl<S: Systems> Redfish<S> {
    pub(super) fn new(systems: S, account: Account) -> Self {
        Self { systems, account, sessions: Mutex::default() }
    }

    pub(super) fn answer(&self, request: &Request) -> Answer {
        let Some(resource) = self.resource(&request.path) else {
            let text = format!("there is no resource `{}`", request.path);
            return refusal(StatusCode::NOT_FOUND, "ResourceMissingAtURI", text);
        };
        if !resource.is_public(&request.method) && !self.is_authorized(request) {
            let text = "user name and password, or a session token, are needed".to_owned();
            let mut answer = refusal(StatusCode::UNAUTHORIZED, "NoValidSession", text);
            answer.headers.push(("www-authenticate", "Basic realm=\"muster lab\"".into()));
            return answer;
        }
        self.dispatch(&resource, request)
    }

    fn resource(&self, path: &str) -> Option<Resource> {
        let path = path.trim_end_matches('/');
        let rest = path.strip_prefix("/redfish")?;
        let parts: Vec<&str> = rest.split('/').skip(1).collect();
        let system = |name: &str| self.systems.names().into_iter().find(|known| known == name);
        Some(match parts.as_slice() {
            [] => Resource::Versions,
            ["v1"] => Resource::Root,
            ["v1", "Systems"] => Resource::Systems,
            ["v1", "Systems", name] => Resource::System(system(name)?),
            ["v1", "Systems", name, "Actions", "ComputerSystem.Reset"] => Resource::Reset(system(name)?),
            ["v1", "SessionService"] => Resource::SessionService,
            ["v1", "SessionService", "Sessions"] => Resource::Sessions,
            ["v1", "SessionService", "Sessions", id] => Resource::Session((*id).to_owned()),
            _ => return None,
        })
    }

    fn is_authorized(&self, request: &Request) -> bool {
        if let Some(token) = &request.token {
            return self.sessions().accepts(token, Instant::now());
        }
        let Account { username, password } = &self.account;
        let expected = format!("Basic {}", STANDARD.encode(format!("{username}:{password}")));
        request.authorization.as_ref().is_some_and(|given| is_equal(given, &expected))
    }

    fn dispatch(&self, resource: &Resource, request: &Request) -> Answer {
        let is_read = matches!(request.method, Method::GET | Method::HEAD);
        match resource {
            Resource::Versions if is_read => found(json!({ "v1": format!("{ROOT}/") })),
            Resource::Root if is_read => found(root()),
            Resource::Systems if is_read => found(self.list()),
            Resource::System(name) if is_read => found(self.system(name)),
            Resource::SessionService if is_read => found(session_service()),
            Resource::Sessions if is_read => found(self.session_list()),
            Resource::Reset(name) if request.method == Method::POST => self.reset(name, request),
            Resource::Sessions if request.method == Method::POST => self.open_session(&request.body),
            Resource::Session(id) if request.method == Method::DELETE => self.close_session(id),
            other => not_allowed(other, &request.method),
        }
    }

    fn list(&self) -> Value {
        let members: Vec<Value> = self.systems.names().iter().map(|name| link(&system_path(name))).collect();
        collection(&format!("{ROOT}/Systems"), "ComputerSystem", &members)
    }

    fn system(&self, name: &str) -> Value {
        let path = system_path(name);
        let (power, state) = match self.systems.power(name) {
            Power::On => ("On", "Enabled"),
            Power::Off => ("Off", "Disabled"),
        };
        json!({
            "@odata.id": path,
            "@odata.type": "#ComputerSystem.v1_13_0.ComputerSystem",
            "Id": name,
            "Name": name,
            "HostName": name,
            "SystemType": "Virtual",
            "Manufacturer": "muster",
            "PowerState": power,
            "Status": { "State": state, "Health": "OK" },
            "Actions": { "#ComputerSystem.Reset": {
                "target": format!("{path}/Actions/ComputerSystem.Reset"),
                "ResetType@Redfish.AllowableValues": Reset::ALL.map(Reset::name),
            }},
        })
    }

    fn reset(&self, name: &str, request: &Request) -> Answer {
        let body: Value = match serde_json::from_slice(&request.body) {
            Ok(body) => body,
            Err(error) => return refusal(StatusCode::BAD_REQUEST, "MalformedJSON", error.to_string()),
        };
        let Some(wanted) = body["ResetType"].as_str() else {
            let text = "the body has no `ResetType`".to_owned();
            return refusal(StatusCode::BAD_REQUEST, "ActionParameterMissing", text);
        };
        let Some(reset) = Reset::named(wanted) else {
            let text = format!("`{wanted}` is none of {}", Reset::ALL.map(Reset::name).join(", "));
            return refusal(StatusCode::BAD_REQUEST, "ActionParameterValueNotInList", text);
        };
        match self.systems.reset(name, reset, &request.peer) {
            Ok(()) => Answer { status: StatusCode::NO_CONTENT, headers: Vec::new(), body: None },
            Err(text) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", text),
        }
    }

    fn open_session(&self, body: &[u8]) -> Answer {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let is =
            |key: &str, expected: &str| body[key].as_str().is_some_and(|given| is_equal(given, expected));
        if !is("UserName", &self.account.username) || !is("Password", &self.account.password) {
            let text = "wrong user name or password".to_owned();
            return refusal(StatusCode::UNAUTHORIZED, "ResourceAtUriUnauthorized", text);
        }
        let Some((id, token)) = self.sessions().open(Instant::now()) else {
            let text = "too many sessions are open".to_owned();
            return refusal(StatusCode::SERVICE_UNAVAILABLE, "SessionLimitExceeded", text);
        };
        let path = format!("{SESSIONS}/{id}");
        Answer {
            status: StatusCode::CREATED,
            headers: vec![("x-auth-token", token), ("location", path.clone())],
            body: Some(json!({
                "@odata.id": path,
                "@odata.type": "#Session.v1_3_0.Session",
                "Id": id,
                "Name": "Session",
                "UserName": self.account.username,
            })),
        }
    }

    fn close_session(&self, id: &str) -> Answer {
        if self.sessions().close(id) {
            return Answer { status: StatusCode::NO_CONTENT, headers: Vec::new(), body: None };
        }
        refusal(StatusCode::NOT_FOUND, "ResourceMissingAtURI", format!("there is no session `{id}`"))
    }

    fn session_list(&self) -> Value {
        let members: Vec<Value> = self.sessions().ids().map(|id| link(&format!("{SESSIONS}/{id}"))).collect();
        collection(SESSIONS, "Session", &members)
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resource {
    /// What is shown and done before a client has said who it is (DSP0266, "Authentication").
    fn is_public(&self, method: &Method) -> bool {
        match self {
            Self::Versions | Self::Root => true,
            Self::Sessions => method == Method::POST,
            _ => false,
        }
    }

    fn allowed(&self) -> &'static str {
        match self {
            Self::Reset(_) => "POST",
            Self::Sessions => "GET, HEAD, POST",
            Self::Session(_) => "DELETE",
            _ => "GET, HEAD",
        }
    }
}

/// Compares hashes, so that the time it takes says nothing about how much of a guess was right.
fn is_equal(given: &str, expected: &str) -> bool {
    use sha2::{Digest, Sha256};
    Sha256::digest(given) == Sha256::digest(expected)
}

fn root() -> Value {
    json!({
        "@odata.id": format!("{ROOT}/"),
        "@odata.type": "#ServiceRoot.v1_5_0.ServiceRoot",
        "Id": "RootService",
        "Name": "Power switch of a muster lab",
        "RedfishVersion": "1.6.0",
        "Systems": link(&format!("{ROOT}/Systems")),
        "SessionService": link(&format!("{ROOT}/SessionService")),
        "Links": { "Sessions": link(SESSIONS) },
    })
}

fn session_service() -> Value {
    json!({
        "@odata.id": format!("{ROOT}/SessionService"),
        "@odata.type": "#SessionService.v1_1_0.SessionService",
        "Id": "SessionService",
        "Name": "Session service",
        "Sessions": link(SESSIONS),
    })
}

fn collection(path: &str, kind: &str, members: &[Value]) -> Value {
    json!({
        "@odata.id": path,
        "@odata.type": format!("#{kind}Collection.{kind}Collection"),
        "Name": format!("{kind} collection"),
        "Members@odata.count": members.len(),
        "Members": members,
    })
}

fn link(path: &str) -> Value {
    json!({ "@odata.id": path })
}

fn found(body: Value) -> Answer {
    Answer { status: StatusCode::OK, headers: Vec::new(), body: Some(body) }
}

fn not_allowed(resource: &Resource, method: &Method) -> Answer {
    let text = format!("`{method}` is not possible here");
    let mut answer = refusal(StatusCode::METHOD_NOT_ALLOWED, "OperationNotAllowed", text);
    answer.headers.push(("allow", resource.allowed().into()));
    answer
}

/// An error in the form that Redfish prescribes.
fn refusal(status: StatusCode, id: &str, text: String) -> Answer {
    let code = format!("Base.1.8.{id}");
    let body = json!({ "error": {
        "code": code,
        "message": text,
        "@Message.ExtendedInfo": [{ "MessageId": code, "Message": text }],
    }});
    Answer { status, headers: Vec::new(), body: Some(body) }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[derive(Default)]
    struct Rack {
        is_off: bool,
        is_broken: bool,
        resets: RefCell<Vec<String>>,
    }

    impl Systems for Rack {
        fn names(&self) -> Vec<String> {
            vec!["n1".into(), "n2".into()]
        }

        fn power(&self, _: &str) -> Power {
            if self.is_off { Power::Off } else { Power::On }
        }

        fn reset(&self, name: &str, reset: Reset, asked_by: &str) -> Result<(), String> {
            if self.is_broken {
                return Err("the outlet is stuck".into());
            }
            self.resets.borrow_mut().push(format!("{} {name} for {asked_by}", reset.name()));
            Ok(())
        }
    }

    fn switch(rack: Rack) -> Redfish<Rack> {
        Redfish::new(rack, Account { username: "admin".into(), password: "secret".into() })
    }

    fn request(method: Method, path: &str, body: &str) -> Request {
        Request {
            method,
            path: path.into(),
            authorization: Some(format!("Basic {}", STANDARD.encode("admin:secret"))),
            token: None,
            body: body.into(),
            peer: "n1".into(),
        }
    }

    fn get(switch: &Redfish<Rack>, path: &str) -> Answer {
        switch.answer(&request(Method::GET, path, ""))
    }

    fn post_reset(switch: &Redfish<Rack>, body: &str) -> Answer {
        let system = get(switch, "/redfish/v1/Systems/n2").body.unwrap();
        let target = system["Actions"]["#ComputerSystem.Reset"]["target"].as_str().unwrap();
        switch.answer(&request(Method::POST, target, body))
    }

    #[test]
    fn a_client_finds_its_way_from_the_root_to_a_systems_power() {
        let switch = switch(Rack { is_off: true, ..Rack::default() });
        let root = get(&switch, "/redfish/v1").body.unwrap();
        let systems = get(&switch, root["Systems"]["@odata.id"].as_str().unwrap()).body.unwrap();
        assert_eq!(systems["Members@odata.count"], 2);
        let system = get(&switch, systems["Members"][1]["@odata.id"].as_str().unwrap()).body.unwrap();
        assert_eq!((system["Id"].as_str(), system["PowerState"].as_str()), (Some("n2"), Some("Off")));
    }

    #[test]
    fn a_reset_is_carried_out_and_answered_without_a_body() {
        let switch = switch(Rack::default());
        let answer = post_reset(&switch, r#"{"ResetType": "ForceOff"}"#);
        assert_eq!((answer.status, answer.body), (StatusCode::NO_CONTENT, None));
        assert_eq!(*switch.systems.resets.borrow(), ["ForceOff n2 for n1"]);
    }

    #[test]
    fn a_reset_that_fails_is_never_reported_as_done() {
        let answer =
            post_reset(&switch(Rack { is_broken: true, ..Rack::default() }), r#"{"ResetType":"On"}"#);
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.body.unwrap()["error"]["message"], "the outlet is stuck");
    }

    #[test]
    fn a_reset_type_that_does_not_exist_is_refused_with_the_list_of_those_that_do() {
        let switch = switch(Rack::default());
        for body in [r#"{"ResetType":"Nmi"}"#, r#"{"ResetType":1}"#, "{}", "not json"] {
            assert_eq!(post_reset(&switch, body).status, StatusCode::BAD_REQUEST, "{body}");
        }
        let answer = post_reset(&switch, r#"{"ResetType":"Nmi"}"#).body.unwrap();
        assert!(answer["error"]["message"].as_str().unwrap().contains("ForceOff"), "{answer}");
        assert!(switch.systems.resets.borrow().is_empty());
    }

    #[test]
    fn only_the_root_is_shown_to_strangers() {
        let switch = switch(Rack::default());
        let stranger = |path: &str| {
            let request = Request { authorization: None, ..request(Method::GET, path, "") };
            switch.answer(&request).status
        };
        assert_eq!(stranger("/redfish/v1/"), StatusCode::OK);
        assert_eq!(stranger("/redfish/v1/Systems/n1"), StatusCode::UNAUTHORIZED);
        let wrong = Some(format!("Basic {}", STANDARD.encode("admin:guess")));
        let request = Request { authorization: wrong, ..request(Method::GET, "/redfish/v1/Systems", "") };
        assert_eq!(switch.answer(&request).status, StatusCode::UNAUTHORIZED);
    }

    #[test]
    fn a_session_token_opens_what_the_password_opens_until_it_is_closed() {
        let switch = switch(Rack::default());
        let login = r#"{"UserName":"admin","Password":"secret"}"#;
        let opened = switch.answer(&request(Method::POST, SESSIONS, login));
        assert_eq!(opened.status, StatusCode::CREATED);
        let header = |name: &str| opened.headers.iter().find(|(key, _)| *key == name).unwrap().1.clone();
        let with_token = |method: Method, path: &str| {
            let token = Some(header("x-auth-token"));
            switch.answer(&Request { authorization: None, token, ..request(method, path, "") }).status
        };
        assert_eq!(with_token(Method::GET, "/redfish/v1/Systems"), StatusCode::OK);
        assert_eq!(with_token(Method::DELETE, &header("location")), StatusCode::NO_CONTENT);
        assert_eq!(with_token(Method::GET, "/redfish/v1/Systems"), StatusCode::UNAUTHORIZED);
    }

    #[test]
    fn what_does_not_exist_and_what_is_not_possible_are_told_apart() {
        let switch = switch(Rack::default());
        assert_eq!(get(&switch, "/redfish/v1/Systems/n9").status, StatusCode::NOT_FOUND);
        assert_eq!(get(&switch, "/elsewhere").status, StatusCode::NOT_FOUND);
        let answer = switch.answer(&request(Method::POST, "/redfish/v1/Systems/n1", ""));
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.headers, [("allow", "GET, HEAD".to_owned())]);
    }
}
