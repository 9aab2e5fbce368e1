//! Tables with a column for each process: whether one of these columns is something else.

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
pub(super) fn odd(names: &[&str], rows: &[Vec<f64>]) -> Option<(usize, String)> {
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
