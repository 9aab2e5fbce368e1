//! The workload of the harness file, checked and made ready to be sent.

use super::WorkloadError;
use super::body::{Filling, Message};
use super::plan::{Drawn, Request, RequestPlan};
use crate::config::{BodyConfig, StepConfig, WorkloadConfig, read_input};
use crate::http::is_token;
use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;
use url::Url;

/// Separates the parts of multipart bodies.
const BOUNDARY: &str = "seepage-7d1f0c5a9b3e";

/// The largest file that is a body: it is held in memory.
const LARGEST_FILE: u64 = 1 << 30;

/// Everything that is the same for every request of a run.
pub(super) struct Script {
    pub(super) plan: RequestPlan,
    pub(super) steps: Vec<Step>,
    pub(super) servers: Vec<Server>,
    pub(super) timeout: Duration,
    pub(super) think_time: Duration,
    pub(super) requests_per_connection: Option<u32>,
    filling: Filling,
}

/// Where requests go.
#[derive(Debug)]
pub(super) struct Server {
    /// Its addresses; the first that accepts is used.
    pub(super) addresses: Vec<SocketAddr>,
    /// The value of the header `Host`.
    host: String,
    /// Prepended to every path.
    prefix: String,
}

/// One kind of request.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) expect: Vec<u16>,
    /// Whether its method is HEAD.
    pub(super) is_head: bool,
    /// The heads of its requests by server, up to and without the headers that vary.
    heads: Vec<Vec<u8>>,
    /// Whether its head says how long the body is.
    has_length: bool,
    start: Vec<u8>,
    end: Vec<u8>,
}

impl Script {
    pub(super) fn new(config: &WorkloadConfig) -> Result<Script, WorkloadError> {
        if config.base_url.is_empty() {
            return Err(WorkloadError::new("workload.base-url", "names no server; give at least one URL"));
        }
        if config.steps.is_empty() {
            return Err(WorkloadError::new("workload.step", "names no step; give at least one"));
        }
        if config.requests_per_connection == Some(0) {
            return Err(WorkloadError::new("workload.requests-per-connection", "must be at least 1"));
        }
        if config.timeout.0.is_zero() {
            return Err(WorkloadError::new("workload.timeout", "must be longer than nothing"));
        }
        let servers: Vec<Server> = config
            .base_url
            .iter()
            .enumerate()
            .map(|(i, url)| {
                Server::new(url).map_err(|problem| WorkloadError::new(format!("workload.base-url[{i}]"), problem))
            })
            .collect::<Result<_, _>>()?;
        let mut steps = Vec::new();
        let mut drawn = Vec::new();
        for (i, step) in config.steps.iter().enumerate() {
            let error = |(key, problem): (&str, String)| {
                WorkloadError::new(format!("workload.step[{i}].{key} (step `{}`)", step.name), problem)
            };
            steps.push(Step::new(step, &servers).map_err(error)?);
            drawn.push(drawn_of(step).map_err(error)?);
        }
        if drawn.iter().map(|step| step.weight).sum::<f64>() <= 0.0 {
            return Err(WorkloadError::new("workload.step", "every weight is 0; give one step a positive weight"));
        }
        Ok(Script {
            plan: RequestPlan::new(config.seed, drawn),
            steps,
            servers,
            timeout: config.timeout.0,
            think_time: config.think_time.map_or(Duration::ZERO, |span| span.0),
            requests_per_connection: config.requests_per_connection,
            filling: Filling::new(config.seed),
        })
    }

    /// The request as it is sent to this server; its head is written to `head`.
    pub(super) fn message<'a>(
        &'a self,
        request: &Request,
        server: usize,
        last: bool,
        head: &'a mut Vec<u8>,
    ) -> Message<'a> {
        let step = &self.steps[request.step];
        head.clear();
        head.extend_from_slice(&step.heads[server]);
        if step.has_length {
            let length = step.start.len() as u64 + request.filled + step.end.len() as u64;
            // Writing to a vector can't fail.
            let _ = write!(head, "Content-Length: {length}\r\n");
        }
        head.extend_from_slice(if last { b"Connection: close\r\n\r\n" } else { b"\r\n" });
        Message {
            head,
            start: &step.start,
            filling: &self.filling,
            offset: request.offset,
            filled: request.filled,
            end: &step.end,
        }
    }
}

impl Server {
    fn new(text: &str) -> Result<Server, String> {
        let example = "write it like `http://127.0.0.1:8080`";
        let url = Url::parse(text).map_err(|e| format!("`{text}` is not a URL ({e}); {example}"))?;
        if url.scheme() != "http" {
            return Err(format!("`{}` is not supported; {example}", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not hold a user or password; use a header `authorization` in the step".into());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("must not hold a query or fragment; write them in the step's path".into());
        }
        let name = url.host_str().ok_or_else(|| format!("`{text}` names no host; {example}"))?;
        let port = url.port_or_known_default().unwrap_or(80);
        let host = match url.port() {
            Some(port) => format!("{name}:{port}"),
            None => name.to_owned(),
        };
        // Brackets belong to the URL's way of writing an IPv6 address, not to the address.
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let addresses: Vec<SocketAddr> =
            (bare, port).to_socket_addrs().map_err(|e| format!("can't resolve `{name}`: {e}"))?.collect();
        if addresses.is_empty() {
            return Err(format!("`{name}` has no address"));
        }
        Ok(Server { addresses, host, prefix: url.path().trim_end_matches('/').to_owned() })
    }
}

impl Step {
    fn new(config: &StepConfig, servers: &[Server]) -> Result<Step, (&'static str, String)> {
        if !is_token(&config.method) {
            return Err(("method", format!("`{}` is not an HTTP method", config.method)));
        }
        if !config.path.starts_with('/') || !config.path.bytes().all(|byte| byte.is_ascii_graphic()) {
            let problem = format!("`{}` must begin with `/`, without spaces (write %20)", config.path);
            return Err(("path", problem));
        }
        let (start, end) = match &config.body {
            None | Some(BodyConfig::Random(_)) => (Vec::new(), Vec::new()),
            Some(BodyConfig::Text(text)) => (text.clone().into_bytes(), Vec::new()),
            Some(BodyConfig::File(path)) => {
                let content = read_input(Path::new(path), LARGEST_FILE)
                    .map_err(|e| ("body.file", format!("can't read `{path}`: {e}")))?;
                (content, Vec::new())
            }
            Some(BodyConfig::Multipart(_)) => (
                format!(
                    "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"upload.bin\"\r\n\
                     Content-Type: application/octet-stream\r\n\r\n"
                )
                .into_bytes(),
                format!("\r\n--{BOUNDARY}--\r\n").into_bytes(),
            ),
        };
        let headers = render_headers(config)?;
        let heads = servers
            .iter()
            .map(|server| {
                let host = if headers.has_host { String::new() } else { format!("Host: {}\r\n", server.host) };
                let line = format!("{} {}{} HTTP/1.1\r\n", config.method, server.prefix, config.path);
                format!("{line}{host}{}", headers.text).into_bytes()
            })
            .collect();
        Ok(Step {
            expect: config.expect.clone(),
            is_head: config.method == "HEAD",
            heads,
            has_length: config.body.is_some() || matches!(config.method.as_str(), "POST" | "PUT" | "PATCH"),
            start,
            end,
        })
    }
}

struct Headers {
    text: String,
    has_host: bool,
}

fn render_headers(config: &StepConfig) -> Result<Headers, (&'static str, String)> {
    let multipart = matches!(config.body, Some(BodyConfig::Multipart(_)));
    let mut text = String::new();
    let (mut has_host, mut has_agent) = (false, false);
    for (name, value) in &config.headers {
        if !is_token(name) {
            return Err(("headers", format!("`{name}` is not the name of a header")));
        }
        if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err(("headers", format!("the value of `{name}` holds a control character")));
        }
        let lower = name.to_ascii_lowercase();
        let ours = match lower.as_str() {
            "content-length" | "transfer-encoding" | "expect" => Some("follows from the body"),
            "connection" => Some("follows from `requests-per-connection`"),
            "content-type" if multipart => Some("follows from the multipart body"),
            _ => None,
        };
        if let Some(why) = ours {
            return Err(("headers", format!("`{name}` can't be set: it {why}")));
        }
        has_host |= lower == "host";
        has_agent |= lower == "user-agent";
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !has_agent {
        text.push_str(concat!("User-Agent: seepage/", env!("CARGO_PKG_VERSION"), "\r\n"));
    }
    if multipart {
        text.push_str(&format!("Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"));
    }
    Ok(Headers { text, has_host })
}

/// What the plan has to know of a step.
fn drawn_of(config: &StepConfig) -> Result<Drawn, (&'static str, String)> {
    use crate::config::Size;
    if !(config.weight.is_finite() && config.weight >= 0.0) {
        return Err(("weight", format!("`{}` is not a weight; give a number of 0 or more", config.weight)));
    }
    let size = match &config.body {
        Some(BodyConfig::Random(size) | BodyConfig::Multipart(size)) => Some(*size),
        _ => None,
    };
    if let Some(Size::Uniform([low, high]) | Size::LogUniform([low, high])) = size
        && low > high
    {
        return Err(("body", format!("the smallest size, {low}, is above the largest, {high}")));
    }
    Ok(Drawn { weight: config.weight, size, abort: config.abort.as_ref().map(|abort| (abort.share.0, abort.at)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::plan::Place;
    use crate::workload::testing::workload;

    fn error(toml: &str) -> String {
        Script::new(&workload(toml)).err().map(|e| e.to_string()).unwrap_or_default()
    }

    fn sent(toml: &str, number: u64) -> String {
        let script = Script::new(&workload(toml)).unwrap();
        let mut head = Vec::new();
        let request = script.plan.request(Place { number, block: None });
        let message = script.message(&request, 0, false, &mut head);
        let mut slices = [std::io::IoSlice::new(&[]); super::super::body::MAX_SLICES];
        let used = message.slices(0, message.len(), &mut slices);
        slices[..used].iter().map(|slice| String::from_utf8_lossy(slice).into_owned()).collect()
    }

    #[test]
    fn a_plain_request_holds_what_http_needs() {
        let text = sent("base-url = ['http://127.0.0.1:8080/app/']\nstep = [{ name = 'a', path = '/x?y=1' }]", 0);
        let agent = concat!("User-Agent: seepage/", env!("CARGO_PKG_VERSION"));
        assert_eq!(text, format!("GET /app/x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n{agent}\r\n\r\n"));
    }

    #[test]
    fn headers_and_text_bodies_are_sent_as_written() {
        let text = sent(
            "base-url = ['http://[::1]:80']\n[[step]]\nname = 'a'\nmethod = 'POST'\npath = '/'\n\
             headers = { X-One = '1', Host = 'example', User-Agent = 'me' }\nbody = { text = 'hello' }",
            0,
        );
        assert_eq!(
            text,
            "POST / HTTP/1.1\r\nHost: example\r\nUser-Agent: me\r\nX-One: 1\r\nContent-Length: 5\r\n\r\nhello"
        );
    }

    #[test]
    fn multipart_bodies_are_whole_forms() {
        let text = sent(
            "base-url = ['http://127.0.0.1']\n[[step]]\nname = 'a'\nmethod = 'POST'\npath = '/'\n\
             body = { multipart = '16 B' }",
            0,
        );
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("multipart/form-data; boundary={BOUNDARY}")), "{head}");
        assert!(body.starts_with(&format!("--{BOUNDARY}\r\n")) && body.ends_with(&format!("\r\n--{BOUNDARY}--\r\n")));
    }

    #[test]
    fn errors_name_the_key() {
        let step = "step = [{ name = 'a', path = '/' }]";
        assert!(error(step).starts_with("workload.base-url: "));
        assert!(
            error(&format!("base-url = ['http://127.0.0.1', 'https://127.0.0.1']\n{step}"))
                .contains("workload.base-url[1]: `https`")
        );
        assert!(error("base-url = ['http://127.0.0.1']").starts_with("workload.step: "));
        let with = |step: &str| error(&format!("base-url = ['http://127.0.0.1']\n[[step]]\nname = 'a'\n{step}"));
        assert!(with("path = 'x'").starts_with("workload.step[0].path (step `a`): "));
        assert!(with("path = '/a b'").contains("path"));
        assert!(with("path = '/'\nmethod = 'G T'").contains("method"));
        assert!(with("path = '/'\nweight = -1").contains("weight"));
        assert!(with("path = '/'\nweight = 0").contains("every weight is 0"));
        assert!(with("path = '/'\nheaders = { 'a b' = '1' }").contains("`a b`"));
        assert!(with("path = '/'\nheaders = { a = \"1\\r\\n\" }").contains("control character"));
        assert!(with("path = '/'\nheaders = { Content-Length = '1' }").contains("follows from the body"));
        assert!(with("path = '/'\nbody = { file = '/nowhere/at/all' }").contains("body.file"));
        assert!(with("path = '/'\nbody = { random = { uniform = ['2 B', '1 B'] } }").contains("above the largest"));
    }
}
