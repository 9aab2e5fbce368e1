//! What other tools record and isn't read: it is known by its form and refused by name, with what to do in its place.

use super::TableError;
use super::lines::words;
use serde_json::Value;

/// Lines that are looked at.
const LOOKED_AT: usize = 12;

const ATOP: &str = "it is of `atop -P`, whose columns have no names: record `pidstat -r -h 60` (or `procpath`), or write epoch, PID and resident \
                    memory as CSV below a line of names (epoch,pid,rss_kib)";
const NMON: &str = "it is of nmon, which has sections in the place of rows: record `pidstat -r -h 60` for processes, or `sar -r 60` for the \
                    machine";
const FREE: &str = "it is of `free`, whose rows have no times of their own: record `vmstat -t 60` or `sar -r 60` for the memory of the machine, or \
                    `pidstat -r -h 60` for that of processes";
const K6: &str = "it is k6's record of requests, without the memory of who answers them: record that beside it (`seepage attach`, `pidstat -r`, \
                  or Prometheus), and judge that by the hour";

/// Refuses a text that is known by its first lines.
///
/// # Errors
/// If it is one of these.
pub(super) fn refuse(head: &[u8]) -> Result<(), TableError> {
    let lines = (1..).zip(head.split(|b| *b == b'\n').map(<[u8]>::trim_ascii));
    for (line, text) in lines.filter(|(_, text)| !text.is_empty()).take(LOOKED_AT) {
        let told = match text {
            _ if is_atop(text) => ATOP,
            _ if text.starts_with(b"AAA,progname,") || text.starts_with(b"ZZZZ,T0") => NMON,
            _ if is_free(text) => FREE,
            _ => continue,
        };
        return Err(TableError::at(line, told));
    }
    Ok(())
}

/// Whether a line is one of `atop -P`: a label, the host, seconds since 1970, a date, a time.
fn is_atop(line: &[u8]) -> bool {
    let mut words = words(line);
    let label = words.next().is_some_and(|word| word.len() == 3 && word.iter().all(u8::is_ascii_alphabetic));
    let (_, epoch, date) = (words.next(), words.next(), words.next());
    let is_epoch = |word: &[u8]| word.len() == 10 && word.iter().all(u8::is_ascii_digit);
    let is_date = |word: &[u8]| word.len() == 10 && word[4] == b'/' && word[7] == b'/';
    label && epoch.is_some_and(is_epoch) && date.is_some_and(is_date)
}

/// Whether a line is of `free`: its names, or its row, which a loop prints alone.
fn is_free(line: &[u8]) -> bool {
    let row: Vec<&[u8]> = words(line).collect();
    let names = row.len() >= 5 && row[..3] == [&b"total"[..], b"used", b"free"];
    let place = row.iter().position(|word| *word == b"Mem:");
    let sizes = |place: usize| {
        let sizes = &row[place + 1..];
        sizes.len() == 6 && sizes.iter().all(|size| size.first().is_some_and(u8::is_ascii_digit))
    };
    names || place.is_some_and(sizes)
}

/// Refuses a document of JSON that is known by its keys.
///
/// # Errors
/// If it is one of these.
pub(super) fn refuse_json(document: &Value) -> Result<(), TableError> {
    let Some(map) = document.as_object() else { return Ok(()) };
    let has = |keys: &[&str]| keys.iter().all(|key| map.contains_key(*key));
    let is_k6 = |value: &Value| matches!(value.as_str(), Some("Metric" | "Point"));
    let told = if map.get("type").is_some_and(is_k6) && has(&["metric", "data"]) {
        K6
    } else if has(&["sysstat"]) {
        "it is of `sadf -j`: judge what `sar -r` prints"
    } else if has(&["labels", "data"]) {
        "it is netdata's answer in JSON: ask for CSV (`&format=csv`), and say which column is the memory with --memory"
    } else if has(&["hits"]) {
        "it is Elasticsearch's answer: write its documents as JSON lines (`jq -c '.hits.hits[]._source'`)"
    } else {
        return Ok(());
    };
    Err(TableError::whole(told))
}
