//! A Pushgateway: what is put there, and why it may be refused.

use super::address::{Whose, below, shown};
use crate::http;
use std::io::ErrorKind;
use std::time::Duration;
use url::Url;

/// What is pushed is some lines: who is there takes them at once.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The text of metrics that a Pushgateway reads.
const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";

const WHOSE: Whose = Whose {
    expected: "the address of a Pushgateway, such as http://127.0.0.1:9091, or a file",
    port: 9091,
    host: "",
    secrets: "let a proxy on this machine add them",
};

/// A Pushgateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushgateway(Url);

impl Pushgateway {
    /// The one at `url`, with the path before `/metrics/job`.
    ///
    /// # Errors
    /// If it isn't an address that can be spoken to.
    pub fn new(url: &str) -> Result<Self, String> {
        let url = WHOSE.read(url)?;
        if url.path().contains("/metrics") || url.query().is_some() {
            return Err("give it without /metrics, and without what follows ?: the group is added to it".into());
        }
        Ok(Pushgateway(url))
    }

    /// Replaces all metrics of the group `job="seepage",name=NAME` by those of `text`.
    ///
    /// # Errors
    /// If it isn't sure that they are there then.
    pub fn put(&self, name: &str, text: &str) -> Result<(), String> {
        self.put_within(name, text, TIMEOUT)
    }

    fn put_within(&self, name: &str, text: &str, timeout: Duration) -> Result<(), String> {
        let url = below(&self.0, &["metrics", "job", "seepage", "name", name]);
        let failed = |why: String| {
            let base = self.0.as_str().trim_end_matches('/');
            format!("the verdict was not pushed to {base}: {why}")
        };
        let (status, body) = http::put(url.as_str(), KIND, text, timeout).map_err(|error| {
            failed(match error.kind() {
                ErrorKind::TimedOut => format!("nothing whole came within {timeout:?}"),
                ErrorKind::ConnectionRefused => "nothing listens there; is it running, and is this its port?".into(),
                _ => error.to_string(),
            })
        })?;
        let advice = match status {
            200..=299 => return Ok(()),
            300..=399 => "it leads elsewhere: give the address that it leads to",
            400 => "a metric of the same name may be there already as another type: delete its group",
            401 | 403 => "it wants to know who asks: let a proxy on this machine tell it",
            404 | 405 => "expected the address of a Pushgateway, with the path before /metrics",
            _ => "its own log says more",
        };
        let said = shown(String::from_utf8_lossy(&body).trim());
        let said = if said.is_empty() { said } else { format!(" ({said})") };
        Err(failed(format!("it answered with status {status}{said}; {advice}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[test]
    fn addresses_are_read_or_refused_with_what_to_give() {
        assert!(Pushgateway::new("http://127.0.0.1:9091/push/").is_ok());
        for (url, told) in [
            ("https://push.example.org/a/", "OPENSSL:push.example.org:443` (with the options cert"),
            ("http://joe:secret@host/", "let a proxy on this machine add them"),
            ("http://host:9091/metrics/job/mine", "give it without /metrics"),
            ("http://host:9091/?a=b", "without what follows ?"),
            ("http://", "expected the address of a Pushgateway"),
        ] {
            let error = Pushgateway::new(url).unwrap_err();
            assert!(error.contains(told) && !error.contains("secret"), "{url}: {error}");
        }
        assert!(Pushgateway::new("https://a/b/").unwrap_err().ends_with("http://127.0.0.1:9091/b"));
    }

    /// What becomes of a verdict that is put where each connection gets this answer, and what was asked.
    fn put(answer: &'static [u8], name: &str, timeout: Duration) -> (Result<(), String>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let gateway = Pushgateway::new(&format!("http://{}/base", listener.local_addr().unwrap())).unwrap();
        let asked = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut request, mut buffer) = (Vec::new(), [0; 1024]);
            while !request.ends_with(b"seepage_verdict 1\n") {
                let count = stream.read(&mut buffer).unwrap();
                request.extend_from_slice(&buffer[..count]);
            }
            stream.write_all(answer).unwrap();
            if answer.is_empty() {
                // Silent until the other end has had enough.
                let _ = stream.read(&mut buffer);
            }
            String::from_utf8(request).unwrap()
        });
        let done = gateway.put_within(name, "seepage_verdict 1\n", timeout);
        (done, asked.join().unwrap())
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_group_is_replaced_that_is_named_after_the_run() {
        let (done, asked) = put(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "shop-1.2", LONG);
        assert_eq!(done, Ok(()));
        assert!(asked.starts_with("PUT /base/metrics/job/seepage/name/shop-1.2 HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{asked}");
        let (done, asked) = put(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n", "a/b c?d#", LONG);
        assert!(done.is_ok() && asked.starts_with("PUT /base/metrics/job/seepage/name/a%2Fb%20c%3Fd%23 "), "{asked}");
    }

    #[test]
    fn what_was_not_taken_is_told_with_what_to_do() {
        let cases: [(&[u8], &str); 7] = [
            (
                b"HTTP/1.1 400 Bad\r\ncontent-length: 14\r\n\r\ntimestamps? no",
                "status 400 (timestamps? no); a metric of",
            ),
            (b"HTTP/1.1 401 X\r\ncontent-length: 0\r\n\r\n", "it wants to know who asks"),
            (b"HTTP/1.1 302 X\r\ncontent-length: 0\r\n\r\n", "it leads elsewhere"),
            (b"HTTP/1.1 405 X\r\ncontent-length: 0\r\n\r\n", "expected the address of a Pushgateway"),
            (b"HTTP/1.1 500 X\r\ncontent-length: 4\r\n\r\noops", "status 500 (oops); its own log"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nOK", "before its answer was whole"),
            (b"SSH-2.0-nope\r\n", "malformed head"),
        ];
        for (answer, told) in cases {
            let error = put(answer, "shop", LONG).0.unwrap_err();
            assert!(error.starts_with("the verdict was not pushed to http://127.0.0.1:"), "{error}");
            assert!(error.contains(told), "{told}: {error}");
        }
        let error = put(b"", "shop", Duration::from_millis(100)).0.unwrap_err();
        assert!(error.ends_with("/base: nothing whole came within 100ms"), "{error}");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let gateway = Pushgateway::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        drop(listener);
        assert!(gateway.put("shop", "").unwrap_err().contains("nothing listens there"));
    }
}
