//! Points of named metrics with labels: as Prometheus answers them, and as metrics are written in text with their times.

use super::collect::Collector;
use super::filters::Others;
use super::lines::Lines;
use super::names::is_known;
use super::prometheus::NAME;
use super::shared;
use super::sheet::{self, Sheet};
use super::{Mapping, TableError, shown};
use csv::ByteRecord;
use std::collections::{BTreeMap, HashMap};
use std::io::Read;

/// Points, labels and metrics that are kept.
const MOST_POINTS: usize = 4 << 20;
const MOST_SERIES: usize = 100_000;
const MOST_METRICS: usize = 100;

/// Points of several metrics, which become columns: a row has those of one set of labels at one time.
#[derive(Debug, Default)]
pub(super) struct Points {
    pub(super) metrics: Vec<String>,
    pub(super) labels: Vec<BTreeMap<String, String>>,
    places: HashMap<BTreeMap<String, String>, usize>,
    pub(super) rows: Vec<(usize, f64, Vec<String>)>,
    /// The row of each set of labels and time.
    at: HashMap<(usize, u64), usize>,
    left_out: u64,
    /// Values of the labels that filters are for, of what was left out.
    others: Others,
    /// Points of metrics that there are too many of, and whose names say nothing.
    unread: u64,
}

impl Points {
    /// Adds a point, unless a filter leaves it out.
    ///
    /// # Errors
    /// If there are too many.
    pub fn add(&mut self, labels: &[(String, String)], t: f64, value: &str, mapping: &Mapping) -> Result<(), String> {
        let has = |(name, value): &(String, String)| labels.iter().any(|(n, v)| n == name && v == value);
        if !mapping.filters.iter().all(has) {
            self.left_out += 1;
            for (name, _) in &mapping.filters {
                self.others.saw(name, labels.iter().find(|(label, _)| label == name).map(|(_, v)| v.as_bytes()));
            }
            return Ok(());
        }
        let name = labels.iter().find(|(name, _)| name == NAME).map_or("value", |(_, name)| name.as_str());
        let metric = match self.metrics.iter().position(|metric| metric == name) {
            Some(metric) => metric,
            None if self.metrics.len() < MOST_METRICS || is_wanted(name, mapping) => {
                if self.metrics.len() >= 2 * MOST_METRICS {
                    return Err(format!("more than {MOST_METRICS} metrics: choose with --where {NAME}=NAME"));
                }
                self.metrics.push(name.to_owned());
                self.metrics.len() - 1
            }
            // A server's whole store has hundreds that say nothing of memory.
            None => {
                self.unread += 1;
                return Ok(());
            }
        };
        let labels: BTreeMap<String, String> = labels.iter().filter(|(name, _)| name != NAME).cloned().collect();
        let place = match self.places.get(&labels) {
            Some(place) => *place,
            None if self.labels.len() < MOST_SERIES => {
                self.labels.push(labels.clone());
                self.places.insert(labels, self.labels.len() - 1);
                self.labels.len() - 1
            }
            None => return Err(format!("more than {MOST_SERIES} sets of labels: choose with --where LABEL=VALUE")),
        };
        if self.rows.len() >= MOST_POINTS {
            return Err(format!("more than {MOST_POINTS} points: choose with --where LABEL=VALUE"));
        }
        let row = *self.at.entry((place, t.to_bits())).or_insert_with(|| {
            self.rows.push((place, t, Vec::new()));
            self.rows.len() - 1
        });
        let values = &mut self.rows[row].2;
        if values.len() <= metric {
            values.resize(metric + 1, String::new());
        }
        values[metric] = value.to_owned();
        Ok(())
    }

    /// Leaves out what has labels of which no metric is wanted, unless that is all.
    fn leave_out_unwanted(&mut self, mapping: &Mapping) {
        let wanted: Vec<bool> = self.metrics.iter().map(|metric| is_wanted(metric, mapping)).collect();
        let has = |(_, _, values): &(usize, f64, Vec<String>)| {
            values.iter().zip(&wanted).any(|(value, wanted)| *wanted && !value.is_empty())
        };
        let mut keep = vec![false; self.labels.len()];
        self.rows.iter().filter(|row| has(row)).for_each(|row| keep[row.0] = true);
        if !keep.contains(&true) {
            return;
        }
        self.rows.retain(|row| keep[row.0]);
        self.keep_labels();
    }

    /// Leaves out labels that no row has.
    pub(super) fn keep_labels(&mut self) {
        let mut keep = vec![false; self.labels.len()];
        self.rows.iter().for_each(|row| keep[row.0] = true);
        let (mut kept, mut places) = (Vec::new(), Vec::new());
        for (labels, keep) in std::mem::take(&mut self.labels).into_iter().zip(&keep) {
            places.push(kept.len());
            kept.extend(keep.then_some(labels));
        }
        self.labels = kept;
        self.rows.iter_mut().for_each(|row| row.0 = places[row.0]);
    }

    /// Reads the points as a sheet.
    pub fn read(mut self, mapping: &Mapping, collector: &mut Collector) -> Result<(), TableError> {
        self.leave_out_unwanted(mapping);
        shared::hand_out(&mut self, mapping).map_err(TableError::whole)?;
        if self.unread > 0 {
            collector.remark(format!(
                "it has more than {MOST_METRICS} metrics: {} points of others, whose names aren't known, were not read",
                self.unread
            ));
        }
        if self.rows.is_empty() {
            return Err(TableError::whole(match self.left_out {
                0 => "it has no points".to_owned(),
                _ => self.others.told(&mapping.filters, "series"),
            }));
        }
        let first = &self.labels[0];
        let differs = |name: &String| self.labels.iter().any(|labels| labels.get(name) != first.get(name));
        let whose = |labels: &BTreeMap<String, String>| {
            let told = labels.iter().filter(|(name, _)| differs(name)).map(|(name, value)| format!("{name}={value}"));
            told.collect::<Vec<_>>().join(" ")
        };
        let names: Vec<String> = self.labels.iter().map(whose).collect();
        // Without labels that differ, there are no workers to name.
        let named = names.iter().any(|name| !name.is_empty());
        let header = ["timestamp"].into_iter().chain(named.then_some("worker"));
        let header = header.chain(self.metrics.iter().map(String::as_str));
        let header: Vec<Vec<u8>> = header.map(|name| name.as_bytes().to_vec()).collect();
        let metrics = self.metrics.len();
        let rows: Vec<(u64, ByteRecord)> = (1..)
            .zip(self.rows)
            .map(|(line, (place, t, values))| {
                let mut row = ByteRecord::new();
                row.push_field(t.to_string().as_bytes());
                if named {
                    row.push_field(names[place].as_bytes());
                }
                values.iter().for_each(|value| row.push_field(value.as_bytes()));
                (values.len()..metrics).for_each(|_| row.push_field(b""));
                (line, row)
            })
            .collect();
        // Filters are done with.
        let mapping = Mapping { filters: Vec::new(), ..mapping.clone() };
        let sheet = Sheet { header, line: 1, delimiter: 0, rows: rows.into_iter() };
        // There are no lines to name: points are of a series and a time.
        sheet::read(sheet, &mapping, collector).map_err(|error| TableError { line: None, ..error })
    }
}

/// Whether a metric is read, by its name or because it was asked for.
fn is_wanted(metric: &str, mapping: &Mapping) -> bool {
    let asked = [
        &mapping.requests,
        &mapping.memory,
        &mapping.swap,
        &mapping.descriptors,
        &mapping.threads,
        &mapping.load,
        &mapping.start,
    ];
    is_known(metric) || asked.into_iter().flatten().any(|name| name == metric)
}

/// Whether a line is one of metrics in text: `name{label="value"} 1 1767225600`.
pub(super) fn is_point(line: &[u8], commented: bool) -> bool {
    (commented || line.contains(&b'{')) && point(line).is_some() || head(line).is_some()
}

/// The labels of a line as `promtool query` prints them above values, and what comes behind the arrow: `name{label="value"} =>`.
fn head(line: &[u8]) -> Option<(Vec<(String, String)>, &str)> {
    let (labels, rest) = labelled(std::str::from_utf8(line).ok()?)?;
    Some((labels, rest.trim_start().strip_prefix("=>")?.trim()))
}

/// A value and its time as `promtool query` prints them: `1024 @[1767225600]`.
fn at(line: &str) -> Option<(&str, f64)> {
    let (value, time) = line.split_once(" @[")?;
    value.parse::<f64>().ok()?;
    Some((value, time.strip_suffix(']')?.parse::<f64>().ok().filter(|t| t.is_finite())?))
}

/// Reads metrics in text, each with its time.
pub(super) fn read(input: impl Read, mapping: &Mapping, collector: &mut Collector) -> Result<(), TableError> {
    let mut points = Points::default();
    let mut lines = Lines::new(input);
    // Whose the values below are, as `promtool query` prints them.
    let mut above = None;
    while lines.advance()? {
        let (text, line) = (lines.text(), lines.number());
        if text.is_empty() || text.starts_with(b"#") {
            continue;
        }
        let mut value = std::str::from_utf8(text).unwrap_or_default();
        if let Some((labels, rest)) = text.windows(2).any(|two| two == b"=>").then(|| head(text)).flatten() {
            (above, value) = (Some(labels), rest);
            if rest.is_empty() {
                continue;
            }
        }
        if let Some((above, (value, t))) = above.as_ref().zip(at(value)).filter(|_| lines.ended()) {
            points.add(above, t, value, mapping).map_err(|what| TableError::at(line, what))?;
            continue;
        }
        if !lines.ended() {
            collector.torn(line);
            break;
        }
        let Some((labels, value, time)) = point(text) else {
            let what = format!("expected a metric, its value and its time, found `{}`", shown(text));
            return Err(TableError::at(line, what));
        };
        let Some(t) = time else {
            let what =
                "the metric has no time: write it behind the value, or judge what Prometheus answers to `query_range`";
            return Err(TableError::at(line, what));
        };
        points.add(&labels, t, value, mapping).map_err(|what| TableError::at(line, what))?;
    }
    points.read(mapping, collector)
}

type Point<'a> = (Vec<(String, String)>, &'a str, Option<f64>);

fn point(line: &[u8]) -> Option<Point<'_>> {
    let (labels, rest) = series(std::str::from_utf8(line).ok()?)?;
    // What a `#` leads in is an example.
    let rest = rest.split_once(" # ").map_or(rest, |(rest, _)| rest);
    let mut words = rest.split_whitespace();
    let value = words.next()?;
    value.parse::<f64>().ok()?;
    let time = match words.next() {
        Some(time) => Some(time.parse::<f64>().ok().filter(|t| t.is_finite())?),
        None => None,
    };
    words.next().is_none().then_some((labels, value, time))
}

/// The metric that a name with labels is of: `name{label="value"}`, or `{__name__="name"}`.
pub(super) fn of(name: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(name).ok().filter(|text| text.ends_with('}'))?;
    let (labels, rest) = series(text)?;
    labels.into_iter().find(|(name, _)| name == NAME).map(|(_, metric)| metric).filter(|_| rest.is_empty())
}

/// The labels that a series begins with, its name among them, and what comes after them.
fn series(line: &str) -> Option<(Vec<(String, String)>, &str)> {
    labelled(line).filter(|(labels, _)| labels.iter().any(|(name, _)| name == NAME))
}

/// The same of what may have no name, as what a function of PromQL answers.
fn labelled(line: &str) -> Option<(Vec<(String, String)>, &str)> {
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | ':')))?;
    let (name, rest) = line.split_at(end);
    if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() && !rest.starts_with('{') {
        return None;
    }
    let mut labels = Vec::new();
    if !name.is_empty() {
        labels.push((NAME.to_owned(), name.to_owned()));
    }
    let rest = match rest.strip_prefix('{') {
        Some(inside) => self::labels(inside, &mut labels)?,
        None => rest,
    };
    Some((labels, rest))
}

/// Reads labels up to the brace that closes them, and gives what comes after it.
fn labels<'a>(mut rest: &'a str, out: &mut Vec<(String, String)>) -> Option<&'a str> {
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some(after);
        }
        let (name, value) = rest.split_once("=\"")?;
        let mut text = String::new();
        let mut chars = value.char_indices();
        loop {
            match chars.next()? {
                (at, '"') => {
                    rest = &value[at + 1..];
                    break;
                }
                (_, '\\') => text.push(match chars.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, other) => text.push(other),
            }
        }
        out.push((name.trim().to_owned(), text));
    }
}
