//! A server that speaks as much of Prometheus' API as a fleet is asked by, and answers as wrongly as it is told to. For the
//! benchmark, too.

use regex::Regex;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Points of a series that are answered at most, as Prometheus has it.
const MOST_POINTS: f64 = 11_000.0;

/// A moment from which growth can be counted, in Unix time: three days ago.
pub fn long_ago() -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
    now.as_secs_f64() - 3.0 * 86_400.0
}

/// A series: its labels, its name among them, and its value at a Unix time.
pub struct Series {
    pub labels: BTreeMap<String, String>,
    pub value: Box<dyn Fn(f64) -> Option<f64> + Send + Sync>,
}

impl Series {
    pub fn new(
        name: &str,
        labels: &[(&str, &str)],
        value: impl Fn(f64) -> Option<f64> + Send + Sync + 'static,
    ) -> Self {
        let named = ("__name__", name);
        let all = labels.iter().chain([&named]);
        let labels = all.map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
        Series { labels, value: Box::new(value) }
    }
}

/// A question that came.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub path: String,
    pub head: String,
    pub form: BTreeMap<String, String>,
}

impl Asked {
    pub fn query(&self) -> &str {
        self.form.get("query").or(self.form.get("match[]")).map_or("", String::as_str)
    }
}

/// What is done with a question.
pub enum Reply {
    /// It is answered.
    Right,
    /// These bytes are the answer, and the connection is closed.
    Raw(Vec<u8>),
    /// These bytes come again and again.
    Endless(Vec<u8>),
    /// There is no answer.
    Silence,
}

type Answering = dyn Fn(&Asked) -> Reply + Send + Sync;

/// The server; it goes on until the program ends.
pub struct StandIn {
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    series: Vec<Series>,
    reply: Box<Answering>,
    asked: Mutex<Vec<Asked>>,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl StandIn {
    pub fn new(series: Vec<Series>, reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Shared {
            series,
            reply: Box::new(reply),
            asked: Mutex::default(),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        };
        let shared = Arc::new(shared);
        let ours = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&ours);
                std::thread::spawn(move || {
                    shared.most.fetch_max(shared.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    // Whoever asked may have gone.
                    let _ = shared.serve(stream);
                    shared.now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        StandIn { url, shared }
    }

    /// All questions so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// How many connections there were at once.
    pub fn connections(&self) -> usize {
        self.shared.most.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut stream = stream;
        let (mut line, mut head) = (String::new(), String::new());
        while reader.read_line(&mut line)? > 0 && line != "\r\n" {
            head.push_str(&line);
            line.clear();
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let form = url::form_urlencoded::parse(&body).into_owned().collect();
        let asked = Asked { path, head, form };
        self.asked.lock().unwrap().push(asked.clone());
        match (self.reply)(&asked) {
            Reply::Right => {
                let (status, body) = self.answer(&asked);
                write!(
                    stream,
                    "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                )?;
                stream.write_all(body.as_bytes())
            }
            Reply::Raw(bytes) => stream.write_all(&bytes),
            Reply::Endless(bytes) => loop {
                stream.write_all(&bytes)?;
            },
            Reply::Silence => {
                // Until the other end has had enough.
                let _ = reader.read(&mut [0]);
                Ok(())
            }
        }
    }

    fn answer(&self, asked: &Asked) -> (u16, String) {
        if asked.path == "/api/v1/label/__name__/values" {
            let names: Vec<&String> = self.series.iter().filter_map(|series| series.labels.get("__name__")).collect();
            return (200, serde_json::json!({ "status": "success", "data": names }).to_string());
        }
        let number = |name: &str| asked.form.get(name).and_then(|text| text.parse::<f64>().ok()).unwrap_or(f64::NAN);
        let Some(selected) = selected(asked.query()) else {
            return (400, r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#.into());
        };
        let series = self.series.iter().filter(|series| selected.fits(&series.labels));
        if asked.path.starts_with("/api/v1/series") {
            let all: Vec<&BTreeMap<String, String>> = series.map(|series| &series.labels).collect();
            return (200, serde_json::json!({ "status": "success", "data": all }).to_string());
        }
        let (start, end, step) = (number("start"), number("end"), number("step"));
        if (end - start) / step > MOST_POINTS {
            let error = "exceeded maximum resolution of 11,000 points per timeseries";
            return (400, format!(r#"{{"status":"error","errorType":"bad_data","error":"{error}"}}"#));
        }
        let mut out = r#"{"status":"success","data":{"resultType":"matrix","result":["#.to_owned();
        let mut comma = "";
        for series in series {
            let mut points = String::new();
            for place in 0..=((end - start) / step).round() as u64 {
                let t = start + place as f64 * step;
                if let Some(value) = selected.value(series, t) {
                    write!(points, "{}[{t},\"{value}\"]", if points.is_empty() { "" } else { "," }).unwrap();
                }
            }
            if !points.is_empty() {
                let mut labels = series.labels.clone();
                if selected.marked {
                    labels.insert("seepage_kept".into(), "1".into());
                }
                write!(out, "{comma}{{\"metric\":{},\"values\":[{points}]}}", serde_json::to_string(&labels).unwrap())
                    .unwrap();
                comma = ",";
            }
        }
        out.push_str("]}}");
        (200, out)
    }
}

/// What a query selects.
struct Selected {
    name: String,
    matchers: Vec<(String, Regex)>,
    /// Whether what is kept is marked, as in a narrowed expression.
    marked: bool,
    /// For how many seconds before a moment a value counts.
    window: f64,
}

impl Selected {
    /// The value at a moment; with a window, the last in it of those that were read every ten seconds.
    fn value(&self, series: &Series, t: f64) -> Option<f64> {
        const READ: f64 = 10.0;
        if self.window == 0.0 {
            return (series.value)(t);
        }
        let last = (t / READ).floor() * READ;
        let all = (0..).map(|place| last - f64::from(place) * READ).take_while(|at| *at > t - self.window);
        all.into_iter().find_map(|at| (series.value)(at))
    }

    fn fits(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = |label: &str| labels.get(label).map_or("", String::as_str);
        value("__name__") == self.name && self.matchers.iter().all(|(label, pattern)| pattern.is_match(value(label)))
    }
}

/// Reads `name{label="value",label=~"pattern"}`, `last_over_time` of it, `sum(name)` for an expression, and how seepage narrows that.
fn selected(query: &str) -> Option<Selected> {
    let last = Regex::new(r"^last_over_time\((.*)\[(\d+)ms\]\)$").unwrap();
    if let Some(parts) = last.captures(query) {
        return Some(Selected { window: parts[2].parse::<f64>().ok()? / 1e3, ..selected(&parts[1])? });
    }
    let inner = |text: &str| Some(text.strip_prefix("sum(")?.strip_suffix(')')?.to_owned());
    let narrowed = Regex::new(r#"^label_replace\((.*), "seepage_kept", "1", "(\w+)", "(.*)"\) and on "#).unwrap();
    if let Some(parts) = narrowed.captures(query) {
        let matchers = vec![(parts[2].to_owned(), pattern(&parts[3]))];
        return Some(Selected { name: inner(&parts[1])?, matchers, marked: true, window: 0.0 });
    }
    if let Some(name) = inner(query) {
        return Some(Selected { name, matchers: Vec::new(), marked: false, window: 0.0 });
    }
    let (name, inside) = query.split_once('{').map_or((query, ""), |(name, rest)| (name, rest));
    if !query.contains('{') || query.ends_with('}') {
        let matcher = Regex::new(r#"(\w+)=(~?)"((?:[^"\\]|\\.)*)""#).unwrap();
        let matchers = matcher.captures_iter(inside).map(|parts| {
            let value = if parts[2].is_empty() { regex::escape(&unquoted(&parts[3])) } else { unquoted(&parts[3]) };
            (parts[1].to_owned(), Regex::new(&format!("^(?:{value})$")).unwrap())
        });
        return Some(Selected { name: name.to_owned(), matchers: matchers.collect(), marked: false, window: 0.0 });
    }
    None
}

fn pattern(text: &str) -> Regex {
    Regex::new(&format!("^(?:{})$", unquoted(text))).unwrap()
}

fn unquoted(text: &str) -> String {
    text.replace("\\\"", "\"").replace("\\\\", "\\")
}
