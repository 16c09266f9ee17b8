//! Carries Redfish requests to [`redfish`](super::redfish) and its answers back: over HTTPS, and over plain
//! HTTP on another port for clients that ask for it.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request as HttpRequest, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::redfish::{Account, Answer, Redfish, Request, Systems};
use super::{Ports, Reset, certificate, reset};
use crate::lab::Lab;
use crate::lab::error::{LabError, Result};
use crate::lab::node::{Node, Power};

/// No request to a power switch is longer.
const LONGEST_BODY: usize = 64 * 1024;

/// A connection on which no request comes for so long is closed.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

type Service = Arc<Redfish<Outlets>>;

/// Runs the switch of a lab for good. Says on standard output where it listens, once it does.
pub(crate) fn serve(lab: Lab) -> Result<()> {
    let _ = rustix::process::setsid();
    super::group(&lab).join()?;
    let failed = |source| LabError::Start { program: "the runtime of the switch".into(), source };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(failed)?.block_on(listen(lab))
}

async fn listen(lab: Lab) -> Result<()> {
    let tls = certificate::acceptor(&lab.files)?;
    let gateway = lab.state.gateway();
    let https = bind(gateway, lab.state.switch.https_port).await?;
    let http = bind(gateway, lab.state.switch.http_port).await?;
    let account =
        Account { username: lab.state.switch.username.clone(), password: lab.state.switch.password.clone() };
    let service = Arc::new(Redfish::new(Outlets { lab }, account));
    announce(&https, &http)?;
    tokio::join!(accept(https, Some(tls), Arc::clone(&service)), accept(http, None, service));
    Ok(())
}

/// Binds the port, or any free one when somebody else on this machine listens there on all addresses.
async fn bind(address: Ipv4Addr, port: u16) -> Result<TcpListener> {
    let listener = match TcpListener::bind((address, port)).await {
        Err(taken) if taken.kind() == io::ErrorKind::AddrInUse => TcpListener::bind((address, 0)).await,
        listener => listener,
    };
    listener.map_err(LabError::io("bind the power switch to", Path::new(&format!("{address}:{port}"))))
}

fn announce(https: &TcpListener, http: &TcpListener) -> Result<()> {
    let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port());
    let ports = port(https).and_then(|https| Ok(Ports { https, http: port(http)? }));
    let ports = ports.map_err(LabError::io("ask for the port of", Path::new("the power switch")))?;
    println!("{}", serde_json::to_string(&ports).expect("ports are numbers"));
    Ok(())
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, service: Service) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tokio::spawn(handshake(stream, peer, tls.clone(), Arc::clone(&service)));
            }
            Err(error) => {
                // Out of file descriptors, most likely: others may be closed soon.
                eprintln!("cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn handshake(stream: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>, service: Service) {
    // Answers are short, and a fencing cluster waits for them.
    let _ = stream.set_nodelay(true);
    match tls {
        None => converse(stream, peer, service).await,
        Some(tls) => match tokio::time::timeout(HEADER_TIMEOUT, tls.accept(stream)).await {
            Ok(Ok(stream)) => converse(stream, peer, service).await,
            Ok(Err(error)) => eprintln!("{peer}: no TLS: {error}"),
            Err(_) => eprintln!("{peer}: no TLS within {} s", HEADER_TIMEOUT.as_secs()),
        },
    }
}

async fn converse<S>(stream: S, peer: SocketAddr, service: Service)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let respond = service_fn(move |request| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(respond(request, peer, service).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), respond);
    if let Err(error) = connection.await {
        eprintln!("{peer}: {error}");
    }
}

async fn respond(
    request: HttpRequest<Incoming>,
    peer: SocketAddr,
    service: Service,
) -> Response<Full<Bytes>> {
    let header = |name: &str| request.headers().get(name)?.to_str().ok().map(str::to_owned);
    let (authorization, token) = (header("authorization"), header("x-auth-token"));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let Ok(body) = Limited::new(request.into_body(), LONGEST_BODY).collect().await else {
        return status_only(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let body = body.to_bytes().to_vec();
    let request = Request { method, path, authorization, token, body, peer: peer.ip().to_string() };
    // Cutting power waits for processes to die.
    let answer = tokio::task::spawn_blocking(move || service.answer(&request)).await;
    answer.map_or_else(|_| status_only(StatusCode::INTERNAL_SERVER_ERROR), to_http)
}

fn to_http(answer: Answer) -> Response<Full<Bytes>> {
    let body = answer.body.map(|body| body.to_string()).unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("odata-version", HeaderValue::from_static("4.0"));
    headers.insert("cache-control", HeaderValue::from_static("no-cache"));
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}

fn status_only(status: StatusCode) -> Response<Full<Bytes>> {
    to_http(Answer { status, headers: Vec::new(), body: None })
}

/// The real nodes of a lab.
struct Outlets {
    lab: Lab,
}

impl Systems for Outlets {
    fn names(&self) -> Vec<String> {
        self.lab.state.nodes.iter().map(|node| node.name.clone()).collect()
    }

    fn power(&self, name: &str) -> Power {
        self.lab.node(name).map_or(Power::Off, |node| node.power())
    }

    fn reset(&self, name: &str, reset: Reset, asked_by: &str) -> std::result::Result<(), String> {
        thread::sleep(Duration::from_millis(self.lab.state.switch.delay_ms));
        let node = self.lab.node(name).map_err(|error| error.to_string())?;
        let asked_by = format!("{} over Redfish", self.name_of(asked_by));
        reset::switch(&node, reset, &asked_by).map_err(|error| full_text(&node, &error))
    }
}

impl Outlets {
    /// The node with this address, or the address.
    fn name_of(&self, address: &str) -> String {
        let node = match address.parse() {
            Ok(IpAddr::V4(address)) => self.lab.state.node_at(address),
            _ => None,
        };
        node.map_or_else(|| address.to_owned(), |node| node.name.clone())
    }
}

fn full_text(node: &Node<'_>, error: &LabError) -> String {
    let cause = error.full_cause().map(|cause| format!(": {cause}")).unwrap_or_default();
    let text = format!("{error}{cause}");
    eprintln!("{}: {text}", node.name());
    text
}
