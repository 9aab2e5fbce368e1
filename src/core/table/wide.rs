//! Tables with a column for each process: which these are, and whether one of them is something else.

use super::columns::{Columns, Names, Size};
use super::names::{MEMORY_UNITS, split};
use super::shown;
use super::values::Numbers;
use csv::ByteRecord;

/// Words in names of what is no process: other quantities, and what is made of several.
const OTHERS: [&str; 44] = [
    "uptime",
    "request",
    "requests",
    "rate",
    "rps",
    "qps",
    "cpu",
    "load",
    "count",
    "counter",
    "total",
    "sum",
    "all",
    "used",
    "free",
    "available",
    "buffers",
    "cached",
    "limit",
    "capacity",
    "max",
    "min",
    "avg",
    "average",
    "mean",
    "median",
    "time",
    "seconds",
    "timestamp",
    "error",
    "errors",
    "latency",
    "duration",
    "percent",
    "pct",
    "ratio",
    "connections",
    "sessions",
    "threads",
    "fds",
    "queue",
    "hits",
    "misses",
    "temperature",
];
/// Rows from which on it is no chance that a column is the sum of the others.
const ENOUGH: usize = 3;
/// The part by which a sum of rounded numbers may differ.
const NEAR: f64 = 0.01;

/// The place of a column that may be no process as the others are, and why. Names are as names are compared.
fn odd(names: &[&str], rows: &[Vec<f64>]) -> Option<(usize, String)> {
    let word = |name: &str| name.split('_').find(|word| OTHERS.contains(word)).map(str::to_owned);
    let worded = names.iter().enumerate().find_map(|(place, name)| Some((place, word(name)?)));
    if let Some((place, word)) = worded {
        return Some((place, format!("has `{word}` in its name")));
    }
    if let Some(place) = sum(names.len(), rows) {
        return Some((place, "is the sum of the others".into()));
    }
    let stems: Vec<&str> = names.iter().map(|name| stem(name)).collect();
    let alike = |stem: &str| stems.iter().filter(|other| **other == stem).count();
    let most = stems.iter().max_by_key(|stem| alike(stem)).filter(|stem| alike(stem) > 1)?;
    let place = stems.iter().position(|stem| stem != most)?;
    Some((place, format!("isn't called `{most}` as others are")))
}

/// What a name begins with, up to its first digit or sign.
fn stem(name: &str) -> &str {
    name.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default()
}

/// The column that is the sum of the others in every row.
fn sum(columns: usize, rows: &[Vec<f64>]) -> Option<usize> {
    if columns < 3 || rows.len() < ENOUGH {
        return None;
    }
    (0..columns).find(|place| {
        rows.iter().all(|row| {
            let (own, all) = (row.get(*place).copied().unwrap_or(0.0), row.iter().sum::<f64>());
            own > 0.0 && (all - 2.0 * own).abs() <= NEAR * own
        })
    })
}

impl Names<'_> {
    /// The columns of a list of names and patterns like `pod-*`, with commas between.
    pub fn listed(&self, list: &str, columns: &Columns) -> Result<Vec<Size>, String> {
        let mut found = match self.matching(list, columns) {
            // Labels of a metric have commas between, too.
            Ok(found) if list.contains('*') => return found.into_iter().map(|index| self.size(index)).collect(),
            _ => Vec::new(),
        };
        for name in list.split(',').map(str::trim) {
            let more =
                if name.contains('*') { self.matching(name, columns)? } else { vec![self.mapped("memory", name)?] };
            found.extend(more);
        }
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(|index| self.size(index)).collect()
    }

    /// A column of memory with its unit.
    fn size(&self, index: usize) -> Result<Size, String> {
        self.unit(index, split(&self.plain[index], &MEMORY_UNITS).1)
    }

    /// The columns that are nothing else, and whose names have the parts of a pattern like `pod-*`.
    fn matching(&self, pattern: &str, columns: &Columns) -> Result<Vec<usize>, String> {
        let (begin, end) = pattern.split_once('*').unwrap_or((pattern, ""));
        let fits = |name: &[u8]| {
            name.len() >= begin.len() + end.len()
                && name.starts_with(begin.as_bytes())
                && name.ends_with(end.as_bytes())
        };
        let all = (0..self.header.len()).filter(|index| !columns.uses(*index));
        let found: Vec<usize> = all.filter(|index| fits(&self.header[*index])).collect();
        if found.is_empty() {
            return Err(format!(
                "no column is called like `{}`, as --memory wants it; found: {}",
                shown(pattern.as_bytes()),
                self.list()
            ));
        }
        Ok(found)
    }

    /// Columns that are a worker's memory each, as dashboards export it: all that nothing else is known of, if each is of
    /// numbers, and their unit is known.
    pub fn one_for_each_worker(&self, columns: &Columns) -> Result<Vec<Size>, String> {
        let rest: Vec<usize> = (0..self.header.len()).filter(|index| !columns.uses(*index)).collect();
        let single = columns.pid.is_none() && columns.workers.is_empty() && columns.requests.is_none();
        let clock = columns.time.is_some();
        if rest.is_empty()
            || !single
            || !clock
            || self.rows.is_empty()
            || !rest.iter().all(|i| self.value_unit(*i).is_some())
        {
            return Ok(Vec::new());
        }
        let own = rest.iter().all(|index| matches!(self.value_unit(*index), Some(true)));
        if self.mapping.memory_unit.is_none() && !own {
            let names: Vec<String> =
                rest.iter().take(3).map(|index| format!("`{}`", shown(&self.header[*index]))).collect();
            return Err(format!(
                "no column is known to hold memory, descriptors or threads; found: {}; if each of {}{} is the memory of one \
                 process, say its unit with --memory-unit, else choose columns with --memory (such as `--memory 'pod-*'`)",
                self.list(),
                names.join(", "),
                if rest.len() > 3 { " and so on" } else { "" }
            ));
        }
        let named = |index: &usize| self.plain.get(*index).map_or("", String::as_str);
        if let Some((odd, why)) = odd(&rest.iter().map(named).collect::<Vec<_>>(), &self.values(&rest)) {
            return Err(format!(
                "column `{}` {why}: it may be no process as the others are; choose columns with --memory, with commas between them \
                 (such as `--memory 'pod-*,web'`)",
                shown(&self.header[rest[odd]])
            ));
        }
        rest.into_iter().map(|index| self.unit(index, None)).collect()
    }

    /// The first values of these columns, row by row, without rows that lack one.
    fn values(&self, columns: &[usize]) -> Vec<Vec<f64>> {
        let mut numbers = Numbers::new(self.delimiter, self.mapping.decimal);
        let mut value = |row: &ByteRecord, index: usize| {
            let value = numbers.read(row.get(index)?.trim_ascii(), b"")?;
            Some(value.number * value.unit.unwrap_or(1) as f64)
        };
        self.rows.iter().filter_map(|row| columns.iter().map(|index| value(row, *index)).collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_process_is_told_from_those_that_are() {
        let flat = vec![vec![100.0, 102.0, 99.0]; 5];
        let place = |names: &[&str], rows: &[Vec<f64>]| odd(names, rows).map(|(place, _)| place);
        assert_eq!(place(&["pod_a", "pod_b", "uptime_x"], &flat), Some(2));
        assert_eq!(place(&["pod_a", "host", "pod_b"], &flat), Some(1));
        assert_eq!(place(&["mem_total", "mem_rest"], &[]), Some(0));
        assert_eq!(place(&["every", "web1", "db"], &vec![vec![300.0, 101.0, 200.0]; 5]), Some(0));
        assert_eq!(place(&["web", "db", "cache"], &flat), None);
        assert_eq!(place(&["pod_1", "pod_2", "pod_10"], &flat), None);
        assert_eq!(place(&["web1", "web2"], &vec![vec![100.0, 100.0]; 5]), None);
    }
}
