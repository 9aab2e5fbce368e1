//! Questions to the API, and what its errors mean.

use super::address::{Whose, below, shown};
use crate::fleet::Range;
use crate::http;
use crate::table::prometheus::{Answer, Labels, Matrix, NAME, Series};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use url::Url;

/// Largest answer that is read, in MiB; what is asked for at once is far less.
const LARGEST: usize = 64;
/// How long to wait before a question that was broken off is asked once more.
const PAUSE: Duration = Duration::from_millis(300);
/// Warnings that are kept.
const MOST_WARNINGS: usize = 20;

const WHOSE: Whose = Whose {
    expected: "the address of a server of metrics, such as http://127.0.0.1:9090",
    port: 9090,
    host: ", with --header 'Host: HOST'",
    secrets: "give --basic USER:FILE",
};

/// A server of metrics.
#[derive(Debug)]
pub struct Server {
    base: Url,
    head: Vec<(String, String)>,
    timeout: Duration,
    /// What the server says may be missing in its answers.
    warnings: Mutex<BTreeSet<String>>,
}

impl Server {
    /// The server at `url`, to which the fields of `head` are sent and whose answers have `timeout` each.
    ///
    /// # Errors
    /// If it isn't the address of a server that can be asked.
    pub fn new(url: &str, head: Vec<(String, String)>, timeout: Duration) -> Result<Server, String> {
        let base = WHOSE.read(url)?;
        Ok(Server { base, head, timeout, warnings: Mutex::default() })
    }

    /// Its address, as it is shown.
    pub fn name(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// What the server has said may be missing in its answers.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// The series that a selector has in a range, without their values; also some that have ended before.
    ///
    /// # Errors
    /// If the server can't be asked, or can't answer.
    pub fn series(&self, selector: &str, range: &Range) -> Result<Vec<Labels>, String> {
        let [start, end] = [range.start, range.end()].map(moment);
        self.ask("series", &[("match[]", selector), ("start", &start), ("end", &end)], selector)
    }

    /// The points of all series of a query in a range.
    ///
    /// # Errors
    /// If the server can't be asked, or can't answer.
    pub fn query_range(&self, query: &str, range: &Range) -> Result<Vec<Series>, String> {
        let [start, end, step] = [range.start, range.end(), range.step].map(moment);
        let fields = [("query", query), ("start", start.as_str()), ("end", &end), ("step", &step)];
        let series = self.matrix("query_range", &fields, query)?;
        // A server may round the moments to its own.
        let (from, to) = (range.start - 1.5 * range.step, range.end() + 1.5 * range.step);
        let mut times = series.iter().flat_map(|one| &one.values).map(|point| point.t);
        match times.find(|t| !(from..=to).contains(t)) {
            None => Ok(series),
            Some(t) => Err(format!(
                "{}: it was asked for the time from {start} to {end}, and answered for {t}: a cache or a proxy before it may answer for another \
                 question",
                self.name()
            )),
        }
    }

    /// The readings of a selector with a length of time behind it, up to now, at their own times.
    ///
    /// # Errors
    /// If the server can't be asked, or can't answer.
    pub fn query_now(&self, query: &str) -> Result<Vec<Series>, String> {
        self.matrix("query", &[("query", query)], query)
    }

    fn matrix(&self, what: &str, fields: &[(&str, &str)], query: &str) -> Result<Vec<Series>, String> {
        let matrix: Matrix = self.ask(what, fields, query)?;
        match matrix.result_type.as_str() {
            "matrix" => Ok(matrix.result),
            other => Err(format!("{}: expected series of `{}`, found a {}", self.name(), shown(query), shown(other))),
        }
    }

    /// The names of all metrics.
    ///
    /// # Errors
    /// If the server can't be asked, or can't answer.
    pub fn metrics(&self) -> Result<Vec<String>, String> {
        let url = below(&self.base, &["api", "v1", "label", NAME, "values"]);
        self.answered(NAME, || http::get_as(url.as_str(), &self.head, LARGEST, self.timeout))
    }

    fn ask<T: DeserializeOwned>(&self, what: &str, fields: &[(&str, &str)], query: &str) -> Result<T, String> {
        let url = below(&self.base, &["api", "v1", what]);
        let form = http::Form { fields, head: &self.head, largest: LARGEST };
        self.answered(query, || http::post(url.as_str(), &form, self.timeout))
    }

    /// What is answered to a question, which is asked once more where it was broken off.
    fn answered<T: DeserializeOwned>(
        &self,
        query: &str,
        once: impl Fn() -> io::Result<(u16, Vec<u8>)>,
    ) -> Result<T, String> {
        let mut answer = once();
        if is_broken_off(&answer) {
            std::thread::sleep(PAUSE);
            answer = once();
        }
        let (status, body) =
            answer.map_err(|error| format!("{} did not answer: {}", self.name(), self.explained(&error)))?;
        let failed = |why: String| format!("{}: {why}", self.name());
        match Answer::read(&body) {
            Ok(Answer { status: word, data: Some(data), warnings, is_partial, .. })
                if word == "success" && status / 100 == 2 =>
            {
                let mut kept = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
                if is_partial == Some(true) {
                    kept.insert("its answer is partial: not every store of it could be asked".to_owned());
                }
                let room = MOST_WARNINGS.saturating_sub(kept.len());
                kept.extend(warnings.into_iter().flatten().take(room).map(|warning| shown(&warning)));
                Ok(data)
            }
            Ok(Answer { error, error_type, .. }) => {
                let (kind, error) = (error_type.unwrap_or_default(), error.unwrap_or_default());
                Err(failed(refused(status, &kind, &error, query)))
            }
            Err(_) if status / 100 != 2 => Err(failed(refused(status, "", &String::from_utf8_lossy(&body), query))),
            Err(error) if error.is_eof() => Err(failed(format!(
                "its answer is cut off after {} bytes: a proxy before it may limit its length",
                body.len()
            ))),
            Err(error) => {
                let begin = shown(&String::from_utf8_lossy(&body[..body.len().min(80)]));
                Err(failed(format!(
                    "expected JSON of Prometheus' API, found `{begin}` ({error}): is this its address, with the path before /api/v1?"
                )))
            }
        }
    }

    /// Why there is no answer, and what to do.
    fn explained(&self, error: &io::Error) -> String {
        match error.kind() {
            ErrorKind::TimedOut => format!(
                "nothing whole came within {:?}; ask for less at once by a longer --step, or allow more by --timeout",
                self.timeout
            ),
            ErrorKind::ConnectionRefused => "nothing listens there; is it running, and is this its port?".into(),
            ErrorKind::UnexpectedEof => format!("{error}; a proxy before it, or its own limits, may have cut it off"),
            _ => error.to_string(),
        }
    }
}

/// Whether the connection broke before there was an answer, or the server asks to be asked again.
fn is_broken_off(answer: &io::Result<(u16, Vec<u8>)>) -> bool {
    match answer {
        Ok((status, _)) => matches!(status, 429 | 502),
        Err(error) => matches!(
            error.kind(),
            ErrorKind::ConnectionReset
                | ErrorKind::BrokenPipe
                | ErrorKind::UnexpectedEof
                | ErrorKind::ConnectionAborted
        ),
    }
}

/// Why the server gave no data, and what to do.
fn refused(status: u16, kind: &str, error: &str, query: &str) -> String {
    let less = "ask for less: a shorter --since, a longer --step, or fewer series by their labels";
    // VictoriaMetrics has one status for all that is wrong with a question.
    let says = |word: &str| error.contains(word);
    let (status, kind) = match status {
        400 if says("unsupported path") => (404, kind),
        422 if says("unparsed data") || says("cannot parse") => (status, "bad_data"),
        _ => (status, kind),
    };
    let advice = match (status, kind) {
        (401 | 403, _) => "it wants to know who asks: give --bearer-token-file, --basic or --header".into(),
        (404 | 405, _) => {
            "there is no such API: expected the address of Prometheus, with the path before /api/v1".into()
        }
        (300..=399, _) => "it leads elsewhere: give the address that it leads to".into(),
        (_, "bad_data") | (400, _) => format!("check the query `{}`", shown(query)),
        (413 | 414 | 422 | 503 | 504, _) | (_, "timeout" | "execution" | "canceled") => less.into(),
        (429, _) => "it has too much to do: ask again later".into(),
        _ => "its own log says more".into(),
    };
    let error = error.trim();
    let said = if error.is_empty() { String::new() } else { format!(" ({})", shown(error)) };
    let status = if status / 100 == 2 { "with an error".into() } else { format!("with status {status}") };
    format!("it answered {status}{said}; {advice}")
}

/// A moment or a length of time, as the API reads it.
fn moment(seconds: f64) -> String {
    format!("{seconds:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_or_refused_with_what_to_give() {
        let new = |url: &str| Server::new(url, Vec::new(), PAUSE).map(|server| server.name().to_owned());
        assert_eq!(new("127.0.0.1:9090").unwrap(), "http://127.0.0.1:9090");
        assert_eq!(new("http://host/prometheus/").unwrap(), "http://host/prometheus");
        for (url, told) in [
            ("https://metrics.example.org", "OPENSSL:metrics.example.org:443"),
            ("http://joe:secret@host/", "--basic USER:FILE"),
            ("ftp://host", "ftp:// can't be asked"),
            ("http://", "expected the address"),
            ("", "expected the address"),
        ] {
            let error = new(url).unwrap_err();
            assert!(error.contains(told) && !error.contains("secret"), "{url}: {error}");
        }
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        let told = |status, kind: &str, error: &str| refused(status, kind, error, "up{");
        assert_eq!(
            told(400, "bad_data", "parse error"),
            "it answered with status 400 (parse error); check the query `up{`"
        );
        assert!(told(200, "bad_data", "x").starts_with("it answered with an error (x); check"));
        assert!(told(422, "422", "labelFilterExpr: unparsed data: \"\"").ends_with("check the query `up{`"));
        assert!(told(400, "400", "unsupported path requested: \"/x\"").contains("with the path before /api/v1"));
        assert!(told(401, "", "").contains("--bearer-token-file"));
        assert!(told(422, "execution", "too many samples").contains("a longer --step"));
        assert!(told(503, "timeout", "query timed out").contains("a shorter --since"));
        assert!(told(302, "", "").contains("the address that it leads to"));
        assert!(told(500, "internal", &"x".repeat(1000)).len() < 400);
    }
}
