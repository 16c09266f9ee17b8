//! Modules about the network: downloads, requests, waiting, firewall.

use super::super::ArgKind::{Bool, Dict, Int, List, ListOfStr, Mode, Path, Raw, Str};
use super::super::{ArgSpec, ModuleSpec, Rule};
use super::{NOTHING, arg, with_file_attributes};

const URL: ArgSpec = arg("url", Str, "http or https address.").required();
const CERTS: ArgSpec =
    arg("validate_certs", Bool, "Whether the server's certificate is checked.").default("true");
const HEADERS: ArgSpec = arg("headers", Dict, "Headers of the request.");
const PASSWORD_DOC: &str = "Password for basic authentication.";
const BASIC: ArgSpec =
    arg("force_basic_auth", Bool, "Sends the password with the first request.").default("false");
const PROXY: ArgSpec =
    arg("use_proxy", Bool, "Whether the proxy of the environment is used.").default("true");
const AGENT: ArgSpec = arg("http_agent", Str, "The `User-Agent` of the request.").default("muster");

const CIPHERS: ArgSpec =
    arg("ciphers", ListOfStr, "The cipher suites of TLS 1.2, as ciphers(1) of OpenSSL writes them.");
const CLIENT_CERT: ArgSpec = arg("client_cert", Path, "The certificate to show to the server, in PEM.");
const CLIENT_KEY: ArgSpec = arg("client_key", Path, "Its key, where it is in another file.");

pub(super) const GET_URL: ModuleSpec = ModuleSpec {
    name: "get_url",
    summary: "Downloads a file to the host.",
    args: with_file_attributes![
        URL,
        arg("dest", Path, "The file, or a directory to put it in.").required(),
        arg("tmp_dest", Path, "The directory for the unfinished download."),
        arg("force", Bool, "Downloads also where the file exists.").default("false"),
        arg("backup", Bool, "Keeps the old file beside it, with the time in its name.").default("false"),
        arg(
            "checksum",
            Str,
            "What the file must have: `sha256:HEX`, or `sha256:URL` of a list of checksums."
        )
        .default("\"\""),
        arg("timeout", Int, "Seconds for the request.").default("10"),
        HEADERS,
        arg("url_username", Str, "User for basic authentication.").or(&["username"]),
        arg("url_password", Str, PASSWORD_DOC).or(&["password"]).secret(),
        BASIC,
        CERTS,
        CIPHERS,
        CLIENT_CERT,
        CLIENT_KEY,
        PROXY,
        AGENT,
        arg("decompress", Bool, "Whether a compressed answer is unpacked; none is asked for.")
            .default("true"),
        arg("use_netrc", Bool, "Whether `~/.netrc` gives user and password where the task does not.")
            .default("true"),
    ],
    unsupported: &["unredirected_headers", "use_gssapi"],
    ..NOTHING
};

pub(super) const URI: ModuleSpec = ModuleSpec {
    name: "uri",
    summary: "Sends a request to a web service.",
    args: with_file_attributes![
        URL,
        arg("dest", Path, "A file, or a directory, for the answer."),
        arg("method", Str, "GET, POST, …").default("GET"),
        arg("body", Raw, "What is sent."),
        arg("body_format", Str, "How `body` is sent.")
            .one_of(&["form-urlencoded", "form-multipart", "json", "raw"])
            .default("raw"),
        arg("src", Path, "A file of the host that is sent."),
        arg("remote_src", Bool, "Whether `src` is on the host.").default("false"),
        arg("return_content", Bool, "Whether the answer is in `content`.").default("false"),
        arg("status_code", List, "The status codes that are fine.").default("[200]"),
        arg("timeout", Int, "Seconds for the request.").default("30"),
        arg("follow_redirects", Str, "Which redirects are followed; `safe`: those of GET and HEAD.")
            .one_of(&["all", "none", "safe", "urllib2", "no", "yes"])
            .default("safe"),
        arg("creates", Path, "Does nothing where this path exists."),
        arg("removes", Path, "Does nothing where this path does not exist."),
        arg("force", Bool, "Asks caches for a fresh answer.").default("false"),
        arg("ca_path", Path, "A file of certificates to trust."),
        HEADERS,
        arg("url_username", Str, "User for basic authentication.").or(&["user"]),
        arg("url_password", Str, PASSWORD_DOC).or(&["password"]).secret(),
        BASIC,
        CERTS,
        CIPHERS,
        CLIENT_CERT,
        CLIENT_KEY,
        PROXY,
        AGENT,
        arg("decompress", Bool, "Whether a compressed answer is unpacked; none is asked for.")
            .default("true"),
        arg("use_netrc", Bool, "Whether `~/.netrc` gives user and password where the task does not.")
            .default("true"),
    ],
    unsupported: &["unix_socket", "unredirected_headers", "use_gssapi"],
    rules: &[Rule::MutuallyExclusive(&["body", "src"])],
    ..NOTHING
};

pub(super) const WAIT_FOR: ModuleSpec = ModuleSpec {
    name: "wait_for",
    summary: "Waits until a port answers, a file is there, or a text is in either.",
    args: &[
        arg("host", Str, "The host of the port.").default("127.0.0.1"),
        arg("port", Int, "The TCP port."),
        arg("path", Path, "The file."),
        arg("state", Str, "What is waited for.")
            .one_of(&["absent", "drained", "present", "started", "stopped"])
            .default("started"),
        arg("search_regex", Str, "The text that must be in the file, or come from the port."),
        arg("timeout", Int, "Seconds until it is a failure.").default("300"),
        arg("connect_timeout", Int, "Seconds for one try.").default("5"),
        arg("delay", Int, "Seconds before the first try.").default("0"),
        arg("sleep", Int, "Seconds between tries.").default("1"),
        arg("active_connection_states", ListOfStr, "The TCP states that `drained` counts.")
            .default("[ESTABLISHED, FIN_WAIT1, FIN_WAIT2, SYN_RECV, SYN_SENT, TIME_WAIT]"),
        arg("exclude_hosts", ListOfStr, "Addresses that `drained` does not count."),
        arg("msg", Str, "What the failure says."),
    ],
    rules: &[Rule::MutuallyExclusive(&["port", "path"])],
    ..NOTHING
};

pub(super) const FIREWALL: ModuleSpec = ModuleSpec {
    name: "firewall",
    summary: "Opens ports on whichever of firewalld, ufw and nftables is in charge of the host, and only there.",
    args: &[
        arg("ports", ListOfStr, "`80/tcp`, `5404-5405/udp`; without a protocol it is tcp.")
            .or(&["port"])
            .required(),
        arg("state", Str, "Whether they shall be open.").one_of(&["absent", "present"]).default("present"),
        arg("zone", Str, "The zone, where firewalld is in charge; its default zone without it."),
    ],
    ..NOTHING
};
