//! A single request: a GET for readiness and status pages, a form for servers of metrics, a PUT for what keeps metrics. The answer is
//! another's, so its time and its size are bounded.

use super::answer::{Answer, LONGEST_HEAD, Malformed};
use std::io::{Error, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};
use url::{Position, Url};

/// Largest page that is read, in MiB.
const LARGEST: usize = 16;

/// Fetches `url` (plain HTTP) within `timeout`: status code and body, of at most 16 MiB. No redirect is followed.
///
/// # Errors
/// If the URL isn't plain HTTP, nothing listens, the answer isn't HTTP, is too long or too late.
pub fn get(url: &str, timeout: Duration) -> Result<(u16, Vec<u8>), Error> {
    let limit = Limit::new(url, timeout);
    let mut stream = ask(url, "close", &limit)?;
    answer(&mut stream, &limit, LARGEST)
}

/// A form that is sent by POST: what is asked for may be longer than a URL can be.
#[derive(Debug, Clone, Copy)]
pub struct Form<'a> {
    /// Names of its fields, with their values.
    pub fields: &'a [(&'a str, &'a str)],
    /// More fields of the head; one that is called `host` takes the place of ours.
    pub head: &'a [(String, String)],
    /// Largest answer that is read, in MiB.
    pub largest: usize,
}

/// Fetches `url` as [`get`] does, with more fields of the head: an answer of at most `largest` MiB.
///
/// # Errors
/// As [`get`].
pub fn get_as(
    url: &str,
    head: &[(String, String)],
    largest: usize,
    timeout: Duration,
) -> Result<(u16, Vec<u8>), Error> {
    Request { method: "GET", head, content: None }.send(url, largest, timeout)
}

/// Sends a form to `url` (plain HTTP) and reads the answer, within `timeout`: status code and body. No redirect is followed.
///
/// # Errors
/// As [`get`].
pub fn post(url: &str, form: &Form<'_>, timeout: Duration) -> Result<(u16, Vec<u8>), Error> {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form.fields).finish();
    let content = Some(("application/x-www-form-urlencoded", &body[..]));
    Request { method: "POST", head: form.head, content }.send(url, form.largest, timeout)
}

/// Puts `body`, which is of the media type `kind`, at `url` (plain HTTP) and reads the answer, within `timeout`: status code and body.
/// No redirect is followed.
///
/// # Errors
/// As [`get`].
pub fn put(url: &str, kind: &str, body: &str, timeout: Duration) -> Result<(u16, Vec<u8>), Error> {
    Request { method: "PUT", head: &[], content: Some((kind, body)) }.send(url, LARGEST, timeout)
}

/// A request on a connection of its own.
struct Request<'a> {
    method: &'a str,
    /// More fields of the head; one that is called `host` takes the place of ours.
    head: &'a [(String, String)],
    /// Media type and body.
    content: Option<(&'a str, &'a str)>,
}

impl Request<'_> {
    /// Sends it and reads the answer, of at most `largest` MiB.
    fn send(&self, url: &str, largest: usize, timeout: Duration) -> Result<(u16, Vec<u8>), Error> {
        let limit = Limit::new(url, timeout);
        let (method, mut head) = (self.method, String::new());
        self.head.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        if let Some((kind, body)) = self.content {
            head.push_str(&format!("content-type: {kind}\r\ncontent-length: {}\r\n", body.len()));
        }
        let hosted = self.head.iter().any(|(name, _)| name.eq_ignore_ascii_case("host"));
        let body = self.content.map_or("", |(_, body)| body);
        let mut stream = send(url, &limit, |url| {
            let host = if hosted { String::new() } else { format!("host: {}\r\n", host_of(url)) };
            let path = &url[Position::BeforePath..Position::AfterQuery];
            format!("{method} {path} HTTP/1.1\r\n{host}user-agent: seepage\r\nconnection: close\r\n{head}\r\n{body}")
        })?;
        answer(&mut stream, &limit, largest)
    }
}

/// Fetches `url` over so many connections at once, which all stay open until each has its answer: of a server whose
/// workers serve one connection each, every worker gets one. Returns the status codes.
///
/// # Errors
/// As [`get`], if any of them fails.
pub fn get_from_each(url: &str, connections: usize, timeout: Duration) -> Result<Vec<u16>, Error> {
    let limit = Limit::new(url, timeout);
    let asked = (0..connections.max(1)).map(|_| ask(url, "keep-alive", &limit));
    let mut streams = asked.collect::<Result<Vec<_>, _>>()?;
    streams.iter_mut().map(|stream| Ok(answer(stream, &limit, LARGEST)?.0)).collect()
}

/// The time that an answer has.
struct Limit<'a> {
    url: &'a str,
    timeout: Duration,
    begun: Instant,
}

impl<'a> Limit<'a> {
    fn new(url: &'a str, timeout: Duration) -> Self {
        Limit { url, timeout, begun: Instant::now() }
    }

    /// What is left of it; an error if nothing is.
    fn left(&self) -> Result<Duration, Error> {
        let left = self.timeout.saturating_sub(self.begun.elapsed());
        if left.is_zero() {
            let what = format!("no answer from {} within {:?}", self.url, self.timeout);
            return Err(Error::new(ErrorKind::TimedOut, what));
        }
        Ok(left)
    }
}

/// Connects and asks for a page.
fn ask(text: &str, keep: &str, limit: &Limit<'_>) -> Result<TcpStream, Error> {
    send(text, limit, |url| {
        let (path, host) = (&url[Position::BeforePath..Position::AfterQuery], host_of(url));
        format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: seepage\r\nconnection: {keep}\r\n\r\n")
    })
}

fn host_of(url: &Url) -> &str {
    &url[Position::BeforeHost..Position::AfterPort]
}

/// Connects and sends the request.
fn send(text: &str, limit: &Limit<'_>, request: impl FnOnce(&Url) -> String) -> Result<TcpStream, Error> {
    let invalid = |what: &str| Error::new(ErrorKind::InvalidInput, format!("{text}: {what}"));
    let url = Url::parse(text).map_err(|e| invalid(&e.to_string()))?;
    if url.scheme() != "http" {
        return Err(invalid("only plain http:// can be fetched"));
    }
    let host = url.host_str().ok_or_else(|| invalid("no host"))?;
    let mut stream = connect(host.trim_matches(['[', ']']), url.port_or_known_default().unwrap_or(80), limit)?;
    stream.set_write_timeout(Some(limit.left()?))?;
    stream.write_all(request(&url).as_bytes())?;
    Ok(stream)
}

/// Connects to the first address of a host that accepts.
fn connect(host: &str, port: u16, limit: &Limit<'_>) -> Result<TcpStream, Error> {
    let mut refused = Error::new(ErrorKind::NotFound, format!("{host} has no address"));
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, limit.left()?) {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = error,
        }
    }
    limit.left()?;
    Err(refused)
}

/// Reads the answer to what was asked, of at most `largest` MiB.
fn answer(stream: &mut TcpStream, limit: &Limit<'_>, largest: usize) -> Result<(u16, Vec<u8>), Error> {
    let invalid = |what: String| Error::new(ErrorKind::InvalidData, what);
    let (mut answer, mut body) = (Answer::new(false), Vec::new());
    let (mut buffer, mut pending) = (vec![0; LONGEST_HEAD], 0);
    loop {
        if let Some(status) = answer.whole() {
            return Ok((status, body));
        }
        if pending == buffer.len() {
            return Err(invalid(format!("the head of the answer is longer than {LONGEST_HEAD} bytes")));
        }
        let end = pending + read(stream, &mut buffer[pending..], limit)?;
        if end == pending && !answer.end() {
            let what = match pending {
                0 if answer.status().is_none() => "the server closed the connection without an answer",
                _ => "the server closed the connection before its answer was whole",
            };
            return Err(Error::new(ErrorKind::UnexpectedEof, what));
        }
        let used = answer
            .read(&buffer[..end], |part| body.extend_from_slice(part))
            .map_err(|error| invalid(format!("{error}{}", begin(&error, &buffer[..end]))))?;
        if body.len() > largest << 20 {
            return Err(invalid(format!("the page is longer than {largest} MiB")));
        }
        buffer.copy_within(used..end, 0);
        pending = end - used;
    }
}

/// How what should be the head of an answer begins, to tell what else it is.
fn begin(error: &Malformed, bytes: &[u8]) -> String {
    const SHOWN: usize = 60;
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    match error {
        // A server that speaks TLS answers what isn't TLS by an alert.
        Malformed::Head(_) if bytes.starts_with(&[0x15, 3]) => "; it is TLS, and not plain HTTP".into(),
        Malformed::Head(_) => format!("; it begins with `{}`", line[..line.len().min(SHOWN)].escape_ascii()),
        _ => String::new(),
    }
}

/// Reads once, as soon as there is something; nothing at the end of the stream.
fn read(stream: &mut TcpStream, buffer: &mut [u8], limit: &Limit<'_>) -> Result<usize, Error> {
    loop {
        stream.set_read_timeout(Some(limit.left()?))?;
        match stream.read(buffer) {
            // A signal came, or the time is up, which is seen at once.
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            read => return read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier};

    const LONG: Duration = Duration::from_secs(20);

    /// Serves one connection by `serve`, once a request has come.
    fn serve_by(serve: impl FnOnce(TcpStream) + Send + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            serve(stream);
        });
        format!("http://{address}/status?full")
    }

    fn serve_once(answer: &'static [u8]) -> String {
        serve_by(move |mut stream| {
            let _ = stream.write_all(answer);
        })
    }

    #[test]
    fn a_page_is_fetched_whole() {
        let url = serve_once(b"HTTP/1.1 503 Busy\r\ncontent-length: 5\r\n\r\nhello");
        assert_eq!(get(&url, LONG).unwrap(), (503, b"hello".to_vec()));
        let url = serve_once(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n");
        assert_eq!(get(&url, LONG).unwrap(), (200, b"hello".to_vec()));
        let url = serve_once(b"HTTP/1.0 302 Found\r\nlocation: http://127.0.0.1:1/\r\n\r\nhello");
        assert_eq!(get(&url, LONG).unwrap(), (302, b"hello".to_vec()), "no redirect is followed");
    }

    #[test]
    fn a_form_is_sent_whole_with_its_head() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/api/v1/query?dedup=true", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut request, mut buffer) = (Vec::new(), [0; 1024]);
            while !request.ends_with(b"=up%7Ba%3D%22b+c%22%7D") {
                let read = stream.read(&mut buffer).unwrap();
                request.extend_from_slice(&buffer[..read]);
            }
            sender.send(String::from_utf8(request).unwrap()).unwrap();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
        });
        let head = [("Host".to_owned(), "prometheus".to_owned()), ("X-Scope-OrgID".to_owned(), "a".to_owned())];
        let form = Form { fields: &[("query", "up{a=\"b c\"}")], head: &head, largest: 1 };
        assert_eq!(post(&url, &form, LONG).unwrap(), (200, b"{}".to_vec()));
        let request = receiver.recv().unwrap();
        assert!(request.starts_with("POST /api/v1/query?dedup=true HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("\r\nHost: prometheus\r\nX-Scope-OrgID: a\r\n") && !request.contains("host: 127"));
        assert!(request.contains("\r\ncontent-length: 27\r\n"), "{request}");
    }

    #[test]
    fn a_page_that_never_ends_is_given_up_at_its_largest() {
        let url = serve_by(|mut stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while stream.write_all(&[b'x'; 1 << 16]).is_ok() {}
        });
        assert_eq!(get(&url, LONG).unwrap_err().to_string(), "the page is longer than 16 MiB");
        let url = serve_by(|mut stream| while stream.write_all(b"HTTP/1.1 100 Continue\r\nx: ").is_ok() {});
        assert!(get(&url, LONG).unwrap_err().to_string().contains("malformed head"));
        let url = serve_by(|mut stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx: ");
            while stream.write_all(&[b'x'; 1 << 10]).is_ok() {}
        });
        assert_eq!(get(&url, LONG).unwrap_err().to_string(), "the head of the answer is longer than 32768 bytes");
    }

    #[test]
    fn the_time_is_that_of_the_whole_answer_and_not_of_each_byte() {
        let url = serve_by(|mut stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while stream.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let error = get(&url, Duration::from_millis(100)).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::TimedOut, format!("no answer from {url} within 100ms"))
        );
    }

    #[test]
    fn garbage_and_silence_are_errors() {
        let told = |answer| get(&serve_once(answer), LONG).unwrap_err().to_string();
        let ssh = told(b"SSH-2.0-\xff-nope\r\n\r\n");
        assert_eq!(ssh, "malformed head of the answer: invalid HTTP version; it begins with `SSH-2.0-\\xff-nope`");
        assert!(told(b"\x15\x03\x01\x00\x02\x02\x46").ends_with("; it is TLS, and not plain HTTP"));
        let cut = get(&serve_once(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell"), LONG).unwrap_err();
        assert_eq!(cut.kind(), ErrorKind::UnexpectedEof);
        assert_eq!(told(b""), "the server closed the connection without an answer");
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", silent.local_addr().unwrap());
        assert_eq!(get(&url, Duration::from_millis(50)).unwrap_err().kind(), ErrorKind::TimedOut);
        drop(silent);
        assert_eq!(get(&url, LONG).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert!(get("https://127.0.0.1/", LONG).is_err());
    }

    #[test]
    fn each_worker_of_one_connection_gets_one() {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (asked, all) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(3)));
        let workers: Vec<_> = (0..3)
            .map(|_| {
                let (listener, asked, all) = (Arc::clone(&listener), Arc::clone(&asked), Arc::clone(&all));
                std::thread::spawn(move || {
                    let (mut stream, _) = listener.accept().unwrap();
                    let _ = stream.read(&mut [0; 1024]);
                    asked.fetch_add(1, Ordering::SeqCst);
                    // None answers before all are asked.
                    all.wait();
                    let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
                    assert_eq!(stream.read(&mut [0; 1024]).unwrap(), 0, "closed in the end, and nothing more is sent");
                })
            })
            .collect();
        assert_eq!(get_from_each(&url, 3, LONG).unwrap(), [204; 3]);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        assert_eq!(asked.load(Ordering::SeqCst), 3);
    }
}
