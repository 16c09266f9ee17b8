//! Requests over http and https, for `uri` and `get_url`. Names are resolved without the C library, and
//! certificates are checked against the host's own authorities where it has any.

use super::{Args, Failure, ciphers};
use crate::worker::View;
use crate::worker::address;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use ureq::config::{Config, RedirectAuthHeaders};
use ureq::http::{HeaderMap, Method, Request, Uri};
use ureq::tls::{ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Proxy, ResponseExt};

/// An answer may have this many bytes: it is kept in memory.
const ANSWER_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// What Ansible follows too.
const REDIRECTS_MAX: u32 = 50;

/// What a server answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) reason: String,
    /// Names in lower case with `_`, as Ansible tells them.
    pub(super) headers: Map<String, Value>,
    pub(super) content_type: String,
    pub(super) url: String,
    pub(super) body: Vec<u8>,
}

/// What is asked, besides what every module's arguments say.
pub(super) struct Question {
    pub(super) method: String,
    pub(super) body: Vec<u8>,
    pub(super) content_type: Option<&'static str>,
    pub(super) follows: bool,
    pub(super) headers: Vec<(String, String)>,
}

/// Asks for what is at `url`; the error is a sentence.
pub(super) fn get(url: &str, args: &Args<'_>, view: &View<'_>) -> Result<Answer, String> {
    let question = Question {
        method: "GET".into(),
        body: Vec::new(),
        content_type: None,
        follows: true,
        headers: Vec::new(),
    };
    send(url, question, args, view)
}

/// Asks only what there would be at `url`.
pub(super) fn head(url: &str, args: &Args<'_>, view: &View<'_>) -> Result<Answer, String> {
    let question = Question {
        method: "HEAD".into(),
        body: Vec::new(),
        content_type: None,
        follows: true,
        headers: Vec::new(),
    };
    send(url, question, args, view)
}

impl Answer {
    /// The bytes of the content, where the server says so beforehand.
    pub(super) fn announced(&self) -> Option<usize> {
        self.headers.get("content_length")?.as_str()?.parse().ok()
    }
}

/// Sends the request; the error is a sentence.
pub(super) fn send(
    url: &str,
    question: Question,
    args: &Args<'_>,
    view: &View<'_>,
) -> Result<Answer, String> {
    if let Some(path) = url.strip_prefix("file://") {
        return file(url, path, view);
    }
    let uri: Uri = url.parse().map_err(|error| format!("`{url}` is not an address: {error}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(format!("`{url}` is neither http nor https"));
    }
    let question = with_netrc(question, uri.host().unwrap_or(""), args, view);
    let agent = Agent::with_parts(config(&question, args, view)?, DefaultConnector::default(), HostNames);
    let method: Method =
        question.method.parse().map_err(|_| format!("`{}` is not a method of http", question.method))?;
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers(&question, args) {
        request = request.header(name, value);
    }
    let request =
        request.body(question.body).map_err(|error| format!("the request cannot be made: {error}"))?;
    let mut response = agent.run(request).map_err(|error| explained(url, &error))?;
    let body = response.body_mut().with_config().limit(ANSWER_MAX).read_to_vec();
    let body = body.map_err(|error| format!("the answer of `{url}` broke off: {error}"))?;
    Ok(Answer {
        status: response.status().as_u16(),
        reason: response.status().canonical_reason().unwrap_or("").to_owned(),
        content_type: response
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
            .to_owned(),
        headers: told(response.headers()),
        url: response.get_uri().to_string(),
        body,
    })
}

/// A file of the host, as if a server had sent it.
fn file(url: &str, path: &str, view: &View<'_>) -> Result<Answer, String> {
    let path = path.split(['?', '#']).next().unwrap_or(path);
    let body = view.read(Path::new(path)).map_err(|error| format!("`{path}` cannot be read: {error}"))?;
    Ok(Answer {
        status: 200,
        reason: "OK".to_owned(),
        headers: Map::new(),
        content_type: String::new(),
        url: url.to_owned(),
        body,
    })
}

fn explained(url: &str, error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => format!("the host of `{url}` has no address"),
        ureq::Error::Timeout(what) => format!("`{url}` did not answer in time ({what})"),
        other => format!("`{url}` cannot be reached: {other}"),
    }
}

fn config(question: &Question, args: &Args<'_>, view: &View<'_>) -> Result<Config, String> {
    let timeout = Duration::from_secs(args.count("timeout").unwrap_or(30));
    let proxy = if args.choice("use_proxy") == Some(false) { None } else { proxy_of(view)? };
    Ok(Config::builder()
        .http_status_as_error(false)
        .timeout_connect(Some(timeout))
        .timeout_recv_response(Some(timeout))
        .timeout_per_read(Some(timeout))
        .max_redirects(if question.follows { REDIRECTS_MAX } else { 0 })
        .max_redirects_will_error(question.follows)
        .redirect_auth_headers(RedirectAuthHeaders::SameHost)
        .save_redirect_history(true)
        .allow_non_standard_methods(true)
        .user_agent(args.text("http_agent").unwrap_or("muster"))
        .proxy(proxy)
        .tls_config(tls(args, view)?)
        .build())
}

/// The task's environment comes before the worker's.
fn proxy_of(view: &View<'_>) -> Result<Option<Proxy>, String> {
    for name in ["https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY"] {
        if let Some(url) = view.environment().get(name).filter(|url| !url.is_empty()) {
            return Proxy::new(url).map(Some).map_err(|error| format!("`{name}` is `{url}`: {error}"));
        }
    }
    Ok(Proxy::try_from_env())
}

fn tls(args: &Args<'_>, view: &View<'_>) -> Result<TlsConfig, String> {
    let checks = args.choice("validate_certs") != Some(false);
    let authorities = match args.path("ca_path", view) {
        Some(path) => Some(
            certificates(&path, view).ok_or_else(|| format!("`{}` has no certificates", path.display()))?,
        ),
        None => {
            let known = [
                "/etc/ssl/certs/ca-certificates.crt",
                "/etc/pki/tls/certs/ca-bundle.crt",
                "/etc/ssl/ca-bundle.pem",
            ];
            known.iter().find_map(|path| certificates(Path::new(path), view))
        }
    };
    let roots =
        authorities.map_or(RootCerts::WebPki, |certificates| RootCerts::Specific(Arc::new(certificates)));
    let mut builder = TlsConfig::builder().disable_verification(!checks).root_certs(roots);
    if let Some(list) = args.list("ciphers").filter(|list| !list.is_empty()) {
        builder = builder.unversioned_rustls_crypto_provider(ciphers::provider(&list)?);
    }
    if let Some(path) = args.path("client_cert", view) {
        let key = args.path("client_key", view).unwrap_or_else(|| path.clone());
        builder = builder.client_cert(Some(client(&path, &key, view)?));
    }
    Ok(builder.build())
}

/// The certificate that this side shows, and its key: of one file, or of two.
fn client(path: &Path, key: &Path, view: &View<'_>) -> Result<ClientCert, String> {
    let chain =
        certificates(path, view).ok_or_else(|| format!("`{}` has no certificates", path.display()))?;
    let pem = view.read(key).map_err(|error| format!("`{}` cannot be read: {error}", key.display()))?;
    let key = PrivateKey::from_pem(&pem).map_err(|_| format!("`{}` has no private key", key.display()))?;
    Ok(ClientCert::new_with_certs(&chain, key))
}

fn certificates(path: &Path, view: &View<'_>) -> Option<Vec<ureq::tls::Certificate<'static>>> {
    let pem = view.read(path).ok()?;
    let items = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let all: Vec<_> = items.collect();
    (!all.is_empty()).then_some(all)
}

fn headers(question: &Question, args: &Args<'_>) -> Vec<(String, String)> {
    let mut headers = question.headers.clone();
    let given = args.raw("headers").and_then(Value::as_object);
    for (name, value) in given.into_iter().flatten() {
        headers.push((name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    }
    let has = |headers: &[(String, String)], wanted: &str| {
        headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted))
    };
    if let Some(content_type) = question.content_type.filter(|_| !has(&headers, "content-type")) {
        headers.push(("Content-Type".into(), content_type.into()));
    }
    if args.flag("force") {
        headers.push(("Cache-Control".into(), "no-cache".into()));
    }
    if let Some(user) = args.text("url_username").filter(|_| !has(&headers, "authorization")) {
        let password = args.text("url_password").unwrap_or("");
        headers.push((
            "Authorization".into(),
            format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))),
        ));
    }
    headers
}

/// User and password of `~/.netrc` (or `$NETRC`), where the task gives none.
fn with_netrc(mut question: Question, host: &str, args: &Args<'_>, view: &View<'_>) -> Question {
    let has_own = args.text("url_username").is_some()
        || args
            .raw("headers")
            .and_then(Value::as_object)
            .is_some_and(|headers| headers.keys().any(|name| name.eq_ignore_ascii_case("authorization")));
    if args.choice("use_netrc") != Some(true) || has_own {
        return question;
    }
    let path = view.environment().get("NETRC").cloned().unwrap_or_else(|| view.expand("~/.netrc"));
    if let Some((user, password)) = netrc(&view.text(&path), host) {
        let basic = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        question.headers.push(("Authorization".into(), basic));
    }
    question
}

/// The entry of the machine, or the default one.
fn netrc(text: &str, host: &str) -> Option<(String, String)> {
    let mut words = text.split_whitespace();
    let (mut is_ours, mut user, mut password) = (false, None, None);
    while let Some(word) = words.next() {
        match word {
            "machine" | "default" if is_ours && user.is_some() => break,
            "machine" => is_ours = words.next() == Some(host),
            "default" => is_ours = true,
            "login" if is_ours => user = words.next(),
            "password" if is_ours => password = words.next(),
            _ => {}
        }
    }
    Some((user?.to_owned(), password?.to_owned()))
}

/// Several headers of one name are joined with a comma.
fn told(headers: &HeaderMap) -> Map<String, Value> {
    let mut told: Map<String, Value> = Map::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let name = name.as_str().to_ascii_lowercase().replace('-', "_");
        match told.get(&name).and_then(Value::as_str) {
            Some(before) => told.insert(name, format!("{before}, {value}").into()),
            None => told.insert(name, value.into()),
        };
    }
    told
}

/// Resolves names with [`address`].
#[derive(Debug)]
struct HostNames;

impl Resolver for HostNames {
    fn resolve(
        &self,
        uri: &Uri,
        _config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let patience = (*timeout.after).min(Duration::from_secs(30));
        let mut found = self.empty();
        // The list has a fixed size; nobody needs more addresses of one host.
        for address in address::resolve(host, Some(std::time::Instant::now() + patience)).into_iter().take(16)
        {
            found.push(SocketAddr::new(address, port));
        }
        if found.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(found) }
    }
}

/// The file that an answer goes to: below a directory it has the name of the address.
pub(super) fn file_of(
    dest: std::path::PathBuf,
    url: &str,
    view: &View<'_>,
) -> Result<std::path::PathBuf, Failure> {
    if !view.is_directory(&dest) {
        return Ok(dest);
    }
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let name =
        path.rsplit('/').next().filter(|name| !name.is_empty() && !path.ends_with(&format!("//{name}")));
    Ok(dest.join(name.unwrap_or("index.html")))
}
