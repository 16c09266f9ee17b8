//! The smallest HTTP client that can ask a server on this node for its status page.

use crate::host;
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A status page is a few kilobytes; more than this is not read.
const BODY_MAX: u64 = 1024 * 1024;

/// Where a page is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    host: String,
    port: u16,
    path: String,
}

impl Url {
    /// Reads an `http://` URL.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix("http://") else {
            return Err(format!(
                "`{text}` is not an http:// URL, which is all that the built-in agent can ask"
            ));
        };
        let (authority, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
        if authority.contains('@') {
            return Err(format!("`{text}` has credentials, which the built-in agent cannot use"));
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let path = path.split('#').next().unwrap_or_default().to_owned();
        let (host, port) = split_port(authority).ok_or_else(|| format!("`{text}` has no valid port"))?;
        Ok(Self { host, port, path })
    }

    /// Where to connect; names must be in /etc/hosts.
    pub(crate) fn address(&self) -> Result<SocketAddr, String> {
        let address = host::resolve(&self.host);
        let address = address
            .ok_or_else(|| format!("`{}` is neither an address nor a name in /etc/hosts", self.host))?;
        Ok(SocketAddr::new(address, self.port))
    }
}

fn split_port(authority: &str) -> Option<(String, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(v6) => {
            let (host, port) = v6.split_once(']')?;
            (host, port.strip_prefix(':'))
        }
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Some(80), |port| port.parse().ok())?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    /// 200 is well.
    pub(crate) status: u16,
    /// What it says.
    pub(crate) body: String,
}

/// Gets a page.
pub(crate) async fn get(url: &Url) -> Result<Page, String> {
    let address = url.address()?;
    let answer = exchange(url, address).await.map_err(|error| format!("{address}: {error}"))?;
    parse_answer(&answer).ok_or_else(|| format!("{address} does not answer in HTTP"))
}

async fn exchange(url: &Url, address: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    // Version 1.0: the answer is not chunked and ends with the connection.
    let request = format!(
        "GET {} HTTP/1.0\r\nHost: {}\r\nUser-Agent: musterd/{}\r\n\r\n",
        url.path,
        url.host,
        env!("CARGO_PKG_VERSION")
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(BODY_MAX).read_to_end(&mut answer).await?;
    Ok(answer)
}

fn parse_answer(answer: &[u8]) -> Option<Page> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut words = head.lines().next()?.split_whitespace();
    let is_http = words.next()?.starts_with("HTTP/");
    let status = words.next()?.parse().ok()?;
    is_http.then(|| Page { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_host_a_port_and_a_path() {
        let url = |text| Url::parse(text).expect("it is a URL");
        let parts = |url: Url| (url.host, url.port, url.path);
        assert_eq!(
            parts(url("http://127.0.0.1/server-status")),
            ("127.0.0.1".into(), 80, "/server-status".into())
        );
        assert_eq!(parts(url("http://[::1]:8080?auto")), ("::1".into(), 8080, "/?auto".into()));
        assert_eq!(parts(url("http://web")), ("web".into(), 80, "/".into()));
    }

    #[test]
    fn what_the_client_cannot_do_is_refused() {
        for text in ["https://127.0.0.1/", "http://a:b@c/", "http://:80/", "http://a:port/"] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        let page = parse_answer(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n<html></html>").expect("it is HTTP");
        assert_eq!(page, Page { status: 200, body: "<html></html>".into() });
        assert_eq!(parse_answer(b"SSH-2.0-OpenSSH\r\n\r\n"), None);
    }
}
