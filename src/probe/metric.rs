//! A number in what a command prints, or on a page: series of the user's own. The bytes are foreign, and nothing of them is trusted.

use crate::config::{Select, nearest};
use regex::Regex;
use serde_json::Value;
use std::borrow::Cow;

/// Names that a message lists.
const LISTED: usize = 6;

/// Which number is meant, ready to be looked for.
#[derive(Debug, Clone)]
pub struct Selector {
    select: Select<String>,
    regex: Option<Regex>,
}

impl Selector {
    /// Makes it ready.
    ///
    /// # Errors
    /// If its regular expression is none.
    pub fn new(select: &Select<String>) -> Result<Self, String> {
        let regex = match select {
            Select::Pattern(pattern) => Some(Regex::new(pattern).map_err(|error| error.to_string())?),
            _ => None,
        };
        Ok(Selector { select: select.clone(), regex })
    }

    /// The number that is meant.
    ///
    /// # Errors
    /// If it isn't there; the text says what was looked for, what is there, and what was probably meant.
    pub fn read(&self, bytes: &[u8]) -> Result<f64, String> {
        let text = String::from_utf8_lossy(bytes);
        let value = match &self.select {
            Select::Whole => {
                text.trim().parse().map_err(|_| format!("expected a number alone, found {}", shown(&text)))
            }
            Select::Row(name) => row(&text, name),
            Select::Json(path) => json(bytes, path),
            Select::OpenMetrics(series) => openmetrics(&text, series),
            Select::Pattern(_) => self.pattern(&text),
        }?;
        if value.is_finite() { Ok(value) } else { Err(format!("{value} is no number to go on with")) }
    }

    fn pattern(&self, text: &str) -> Result<f64, String> {
        let Some(regex) = &self.regex else { return Err("no regular expression".into()) };
        let Some(found) = regex.captures(text) else {
            return Err(format!("the regular expression `{regex}` matches nothing in {}", shown(text)));
        };
        let group = found.get(1).map_or("", |group| group.as_str());
        group.trim().parse().map_err(|_| format!("the group of `{regex}` matches {}, which is no number", shown(group)))
    }
}

/// The begin of a text, as a message has it.
fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let line = text.trim().lines().next().unwrap_or("").trim();
    if line.is_empty() {
        return "nothing".into();
    }
    let cut: String = line.chars().take(LONGEST).collect();
    format!("`{cut}{}`", if cut.len() < text.trim().len() { " ..." } else { "" })
}

/// That a name isn't there, with what is.
fn missing(what: &str, name: &str, there: &[Cow<'_, str>]) -> String {
    let meant = nearest(name, there.iter().map(|name| &**name));
    let hint = meant.map_or_else(String::new, |meant| format!("; the nearest is `{meant}`"));
    let listed: Vec<String> = there.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
    match (there.len(), hint.is_empty()) {
        (0, _) => format!("there is no {what} `{name}`, nor any other"),
        (_, false) => format!("there is no {what} `{name}`{hint}"),
        (all, true) if all > LISTED => {
            format!("there is no {what} `{name}` among {all}, such as {}", listed.join(", "))
        }
        (_, true) => format!("there is no {what} `{name}`, but {}", listed.join(", ")),
    }
}

/// Name and number of a line, such as `Questions 12`, `used_memory:12`, `| Questions | 12 |`.
fn named_number(line: &str) -> Option<(&str, f64)> {
    let line = line.trim().trim_start_matches(['|', ' ']);
    let is_separator = |c: char| c.is_whitespace() || matches!(c, ':' | '=' | '|' | ',' | '"');
    // The number is behind the last separator before it: names may have spaces in them.
    let ends = line.char_indices().filter(|(_, c)| is_separator(*c));
    ends.filter_map(|(at, _)| {
        let name = line[..at].trim_end_matches(is_separator);
        let rest = line[at..].trim_start_matches(is_separator);
        let length = rest.find(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c))).unwrap_or(rest.len());
        let value = rest[..length].parse().ok().filter(|_| !name.is_empty())?;
        Some((name, value))
    })
    .next()
}

fn row(text: &str, name: &str) -> Result<f64, String> {
    let rows: Vec<(&str, f64)> = text.lines().filter_map(named_number).collect();
    let found = rows.iter().find(|(row, _)| *row == name.trim()).map(|(_, value)| *value);
    found.ok_or_else(|| missing("row", name, &rows.iter().map(|(row, _)| Cow::from(*row)).collect::<Vec<_>>()))
}

fn json(bytes: &[u8], path: &str) -> Result<f64, String> {
    let document: Value = serde_json::from_slice(bytes)
        .map_err(|error| format!("expected JSON, found {}: {error}", shown(&String::from_utf8_lossy(bytes))))?;
    if let Some(value) = document.pointer(path) {
        let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
        return number.ok_or_else(|| format!("at `{path}` there is {}, which is no number", shown(&value.to_string())));
    }
    // How far it leads, and what is there.
    let (mut at, mut walked) = (&document, String::new());
    for key in path.split('/').skip(1) {
        let Some(next) = at.pointer(&format!("/{key}")) else {
            let there: Vec<Cow<'_, str>> = match at {
                Value::Object(map) => map.keys().map(|key| Cow::from(key.as_str())).collect(),
                Value::Array(items) => (0..items.len().min(LISTED)).map(|index| index.to_string().into()).collect(),
                _ => Vec::new(),
            };
            let place = if walked.is_empty() { "the top".to_owned() } else { format!("`{walked}`") };
            return Err(format!("at {place} {}", missing("key", key, &there)));
        };
        walked.push_str(&format!("/{key}"));
        at = next;
    }
    Err(format!("`{path}` leads nowhere"))
}

/// Labels of a series with their values.
type Labels<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// Name, labels and value of a line of Prometheus' text.
fn sample(line: &str) -> Option<(&str, Labels<'_>, f64)> {
    let line = line.trim();
    let (name, labels, rest) = series(line)?;
    let value = rest.split_whitespace().next()?.parse().ok()?;
    (!line.starts_with('#')).then_some((name, labels, value))
}

/// Name and labels of a series, and what stands behind them.
fn series(text: &str) -> Option<(&str, Labels<'_>, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "_:.".contains(c))).unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside.trim_start();
        while !rest.starts_with('}') {
            let (label, value) = rest.split_once('=')?;
            let value = value.trim_start().strip_prefix('"')?;
            let mut escaped = false;
            let end = value.find(|c: char| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            })?;
            labels.push((label.trim(), unescaped(&value[..end])));
            rest = value[end + 1..].trim_start().trim_start_matches(',').trim_start();
        }
        rest = &rest[1..];
    }
    (!name.is_empty()).then_some((name, labels, rest))
}

fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return text.into();
    }
    let (mut out, mut escaped) = (String::new(), false);
    for c in text.chars() {
        match (escaped, c) {
            (false, '\\') => escaped = true,
            (true, c) => {
                out.push(if c == 'n' { '\n' } else { c });
                escaped = false;
            }
            (false, c) => out.push(c),
        }
    }
    out.into()
}

fn openmetrics(text: &str, wanted: &str) -> Result<f64, String> {
    let Some((name, labels, "")) = series(wanted.trim()) else {
        return Err(format!("`{wanted}` isn't a metric's name, with labels in braces if any"));
    };
    let samples: Vec<_> = text.lines().filter_map(sample).collect();
    let of_name = || samples.iter().filter(|(other, ..)| *other == name);
    let fits = |own: &[(&str, Cow<'_, str>)]| labels.iter().all(|label| own.contains(label));
    let values: Vec<f64> = of_name().filter(|(_, own, _)| fits(own)).map(|(.., value)| *value).collect();
    if !values.is_empty() {
        return Ok(values.iter().sum());
    }
    let mut there: Vec<Cow<'_, str>> = match of_name().count() {
        0 => samples.iter().map(|(name, ..)| Cow::from(*name)).collect(),
        _ => {
            let told = |own: &[(&str, Cow<'_, str>)]| {
                own.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect::<Vec<_>>().join(",")
            };
            of_name().map(|(name, own, _)| format!("{name}{{{}}}", told(own)).into()).collect()
        }
    };
    there.dedup();
    Err(missing("metric", wanted, &there))
}

/// Looks for numbers of every kind in these bytes, for a fuzz target.
#[doc(hidden)]
pub fn fuzz(bytes: &[u8]) {
    let [row, pointer] = ["Questions", "/memory_usage/used_memory"].map(str::to_owned);
    let series = "requests_total{code=\"200\"}".to_owned();
    let pattern = r"Active connections:\s+(\d+)".to_owned();
    let all =
        [Select::Whole, Select::Row(row), Select::Json(pointer), Select::OpenMetrics(series), Select::Pattern(pattern)];
    for select in &all {
        if let Ok(value) = Selector::new(select).expect("the expression is good").read(bytes) {
            assert!(value.is_finite());
        }
    }
    // Nor is what is looked for trusted: it may come from a harness file of anybody's.
    let text = String::from_utf8_lossy(bytes);
    let (select, answer) = text.split_once('\n').unwrap_or((&text, ""));
    for select in [Select::Row(select.into()), Select::Json(select.into()), Select::OpenMetrics(select.into())] {
        let _ = Selector::new(&select).map(|selector| selector.read(answer.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(select: Select<&str>, text: &str) -> Result<f64, String> {
        let select = match select {
            Select::Whole => Select::Whole,
            Select::Row(name) => Select::Row(name.to_owned()),
            Select::Json(path) => Select::Json(path.to_owned()),
            Select::OpenMetrics(series) => Select::OpenMetrics(series.to_owned()),
            Select::Pattern(pattern) => Select::Pattern(pattern.to_owned()),
        };
        Selector::new(&select)?.read(text.as_bytes())
    }

    #[test]
    fn a_row_is_found_however_its_number_is_set_off() {
        for (text, value) in [
            ("Uptime\t3\nQuestions\t1204\n", 1204.0),
            ("# Stats\r\nQuestions:1204\r\n", 1204.0),
            ("| Questions | 1204 |", 1204.0),
            ("\"Questions\",\"1204\"\nQuestions: 5", 5.0),
            ("Questions = .5 kB", 0.5),
        ] {
            assert_eq!(read(Select::Row("Questions"), text), Ok(value), "{text}");
        }
        assert_eq!(read(Select::Row("Active connections"), "Active connections: 7 \nserver accepts"), Ok(7.0));
        assert_eq!(read(Select::Row("Total Accesses"), "Total Accesses: 12\nTotal kBytes: 4"), Ok(12.0));
        let error = read(Select::Row("Questons"), "Questions\t1\nQueries\t2\n").unwrap_err();
        assert_eq!(error, "there is no row `Questons`; the nearest is `Questions`");
        let error = read(Select::Row("x"), "a 1\nb 2\n").unwrap_err();
        assert_eq!(error, "there is no row `x`, but `a`, `b`");
        assert_eq!(read(Select::Row("x"), "").unwrap_err(), "there is no row `x`, nor any other");
    }

    #[test]
    fn a_pointer_leads_to_a_number_or_says_where_it_ends() {
        let page = r#"{"opcache": {"used": 12, "rate": "0.5", "keys": [1, 2]}, "ok": true}"#;
        assert_eq!(read(Select::Json("/opcache/used"), page), Ok(12.0));
        assert_eq!(read(Select::Json("/opcache/rate"), page), Ok(0.5));
        assert_eq!(read(Select::Json("/opcache/keys/1"), page), Ok(2.0));
        let error = |path| read(Select::Json(path), page).unwrap_err();
        assert_eq!(error("/opcache/usd"), "at `/opcache` there is no key `usd`; the nearest is `used`");
        assert_eq!(error("/opcahe/used"), "at the top there is no key `opcahe`; the nearest is `opcache`");
        assert_eq!(error("/ok"), "at `/ok` there is `true`, which is no number");
        let error = read(Select::Json("/a"), "<html>").unwrap_err();
        assert!(error.starts_with("expected JSON, found `<html>`"), "{error}");
    }

    #[test]
    fn series_of_a_metric_are_summed_up_and_labels_choose() {
        let text = "# HELP requests_total Requests.\n# TYPE requests_total counter\n\
                    requests_total{code=\"200\",method=\"GET\"} 5 1700000000\nrequests_total{method=\"GET\",code=\"500\"} 2\n\
                    up{path=\"a\\\"b,c}\"} 1\ngo_goroutines 17\n# EOF\n";
        let of = |series| read(Select::OpenMetrics(series), text);
        assert_eq!(of("requests_total"), Ok(7.0));
        assert_eq!(of("requests_total{code=\"500\"}"), Ok(2.0));
        assert_eq!(of("up{path=\"a\\\"b,c}\"}"), Ok(1.0));
        assert_eq!(of("go_goroutines"), Ok(17.0));
        assert_eq!(
            of("go_goroutine").unwrap_err(),
            "there is no metric `go_goroutine`; the nearest is `go_goroutines`"
        );
        let error = of("requests_total{code=\"404\"}").unwrap_err();
        assert!(error.contains("the nearest is `requests_total{code="), "{error}");
        assert!(of("{}").unwrap_err().contains("isn't a metric's name"));
    }

    #[test]
    fn a_pattern_and_a_number_alone() {
        assert_eq!(read(Select::Pattern(r"handled\s+(\d+)"), "handled 12"), Ok(12.0));
        let error = read(Select::Pattern("x([0-9]+)"), "y12\nz").unwrap_err();
        assert_eq!(error, "the regular expression `x([0-9]+)` matches nothing in `y12 ...`");
        let error = read(Select::Pattern("y(..)"), "yes").unwrap_err();
        assert_eq!(error, "the group of `y(..)` matches `es`, which is no number");
        assert_eq!(read(Select::Whole, " 12.5\n"), Ok(12.5));
        assert_eq!(read(Select::Whole, "").unwrap_err(), "expected a number alone, found nothing");
        assert_eq!(read(Select::Whole, "inf").unwrap_err(), "inf is no number to go on with");
    }
}
