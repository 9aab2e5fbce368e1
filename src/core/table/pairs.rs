//! Lines of names with their values: logfmt (`time=... rss_bytes=...`), and the line protocol of InfluxDB.

use super::clock;
use super::lines::Lines;
use super::names::is_known;
use super::records::{MOST_NAMES, Pairs, Source};
use super::sheet::End;
use super::{Mapping, TableError, shown};
use std::collections::BTreeSet;
use std::io::Read;

/// Digits of a time of InfluxDB, at least: of seconds since 1970.
const DIGITS: usize = 10;

/// Names that a message tells.
const MOST_TOLD: usize = 30;

/// How names and values stand in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `name=value name="a value"`.
    Logfmt,
    /// `measurement,tag=value field=1i,other=2 1767225600000000000`.
    Influx,
}

/// The form of a line; `None` if it is another.
pub(super) fn form(line: &[u8]) -> Option<Form> {
    let text = std::str::from_utf8(line).ok()?;
    if influx(text).is_some() {
        return Some(Form::Influx);
    }
    let pairs = logfmt(text)?;
    let begins = text.split_once('=').is_some_and(|(name, _)| is_name(name));
    (begins && pairs.len() > 1).then_some(Form::Logfmt)
}

/// Lines as records.
pub(super) struct PairLines<R> {
    lines: Lines<R>,
    form: Form,
    /// What of a measurement is wanted beside what is known.
    wanted: Vec<String>,
    /// Measurements and fields of the first lines that were passed over, until one is read.
    passed: Option<BTreeSet<String>>,
    end: End,
}

impl<R: Read> PairLines<R> {
    pub fn new(input: R, form: Form, mapping: &Mapping) -> Self {
        let m = mapping;
        let wanted = [&m.memory, &m.swap, &m.requests, &m.descriptors, &m.threads].into_iter().flatten().cloned();
        PairLines {
            lines: Lines::new(input),
            form,
            wanted: wanted.collect(),
            passed: Some(BTreeSet::new()),
            end: End::Whole,
        }
    }

    fn pairs(&self, text: &str) -> Option<Option<Pairs>> {
        match self.form {
            Form::Logfmt => Some(logfmt(text)),
            Form::Influx => {
                let (measurement, tags, fields, time) = influx(text)?;
                let prefixed = |name: &str| format!("{measurement}_{name}");
                let is_read =
                    |name: &str| is_known(&prefixed(name)) || is_known(name) || self.wanted.iter().any(|w| w == name);
                // A server's own collector has many measurements in one file, of which most say nothing of processes.
                if !fields.iter().any(|(name, _)| is_read(name)) {
                    return Some(None);
                }
                let called = |name: String| if is_known(&prefixed(&name)) { prefixed(&name) } else { name };
                let values = |text: String| text.trim_end_matches(['i', 'u']).trim_matches('"').to_owned();
                let mut pairs = vec![("time".to_owned(), time.to_owned())];
                pairs.push(("measurement".to_owned(), measurement.to_owned()));
                pairs.extend(tags);
                pairs.extend(fields.into_iter().map(|(name, value)| (called(name), values(value))));
                Some(Some(pairs))
            }
        }
    }
}

impl<R: Read> Source for PairLines<R> {
    fn record(&mut self) -> Result<Option<(u64, Pairs)>, TableError> {
        while self.lines.advance()? {
            let (text, line) = (self.lines.text(), self.lines.number());
            if text.is_empty() || text.starts_with(b"#") {
                continue;
            }
            let read = std::str::from_utf8(text).ok().and_then(|text| self.pairs(text));
            let read = match (read, self.form) {
                (Some(Some(pairs)), _) => {
                    self.passed = None;
                    Some(pairs)
                }
                (Some(None), Form::Influx) => {
                    let (passed, line) = (self.passed.as_mut(), std::str::from_utf8(text).ok().and_then(influx));
                    if let Some((passed, (measurement, _, fields, _))) = passed.zip(line) {
                        let names = fields.iter().map(|(name, _)| format!("`{name}` of `{measurement}`"));
                        passed.extend(names.take(MOST_TOLD.saturating_sub(passed.len())));
                    }
                    continue;
                }
                _ => None,
            };
            match read {
                _ if !self.lines.ended() => {
                    self.end = End::Torn(line);
                    return Ok(None);
                }
                Some(mut pairs) => {
                    pairs.truncate(MOST_NAMES);
                    return Ok(Some((line, pairs)));
                }
                None => {
                    let expected = match self.form {
                        Form::Logfmt => "pairs such as `time=2026-01-01T00:00:00Z rss_bytes=1024`",
                        Form::Influx => "a line as InfluxDB has it, `name,tag=value field=1i 1767225600000000000`",
                    };
                    return Err(TableError::at(line, format!("expected {expected}, found `{}`", shown(text))));
                }
            }
        }
        match &self.passed {
            Some(passed) if !passed.is_empty() => Err(TableError::whole(format!(
                "no field is known to hold memory, descriptors or threads of processes; found: {}; choose one with --memory FIELD",
                shown_all(passed)
            ))),
            _ => Ok(None),
        }
    }

    fn end(&self) -> End {
        self.end
    }
}

/// Names for a message, each not too long.
fn shown_all(names: &BTreeSet<String>) -> String {
    names.iter().map(|name| shown(name.as_bytes())).collect::<Vec<_>>().join(", ")
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_.-".contains(c))
}

/// The pairs of a line of logfmt; words without a value say nothing. `None` if it has something else.
fn logfmt(line: &str) -> Option<Pairs> {
    let mut pairs = Pairs::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let Some(value) = after.strip_prefix('=') else {
            rest = after.trim_start();
            continue;
        };
        if !is_name(name) {
            return None;
        }
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_at(value.find(char::is_whitespace).unwrap_or(value.len())),
        };
        pairs.push((name.to_owned(), value.trim_end_matches([',', ';']).to_owned()));
        rest = after.trim_start();
    }
    (!pairs.is_empty()).then_some(pairs)
}

type Line<'a> = (&'a str, Pairs, Pairs, &'a str);

/// Measurement, tags, fields and time of a line of InfluxDB.
fn influx(line: &str) -> Option<Line<'_>> {
    let (rest, time) = line.trim_end().rsplit_once(' ')?;
    let is_time = time.len() >= DIGITS && time.bytes().all(|b| b.is_ascii_digit());
    let mut quoted = false;
    let space = rest.char_indices().scan('\0', |before, (at, c)| {
        quoted ^= c == '"';
        let is_end = c == ' ' && *before != '\\' && !quoted;
        *before = c;
        Some((at, is_end))
    });
    let at = space.filter(|(_, is_end)| *is_end).map(|(at, _)| at).next()?;
    let (head, fields) = (&rest[..at], rest[at + 1..].trim_start());
    let (measurement, tags) = head.split_once(',').unwrap_or((head, ""));
    let pairs = |text: &str| -> Option<Pairs> {
        let mut pairs = Pairs::new();
        for pair in parts(text) {
            let (name, value) = pair.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty())?;
            pairs.push((name.replace('\\', ""), value.replace('\\', "")));
        }
        Some(pairs)
    };
    let (tags, fields) = (pairs(tags)?, pairs(fields)?);
    let named = !measurement.is_empty() && !measurement.contains('=') && !clock::is_time(measurement.as_bytes());
    (is_time && named && !fields.is_empty()).then_some((measurement, tags, fields, time))
}

/// Parts between commas that stand in no quotes and behind no backslash.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut from, mut quoted, mut before) = (Vec::new(), 0, false, '\0');
    for (at, c) in text.char_indices() {
        quoted ^= c == '"';
        if c == ',' && !quoted && before != '\\' {
            parts.push(&text[from..at]);
            from = at + 1;
        }
        before = c;
    }
    parts.push(&text[from..]);
    parts.retain(|part| !part.is_empty());
    parts
}
