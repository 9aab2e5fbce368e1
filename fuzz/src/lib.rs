//! The entry points of fuzzing: each takes foreign bytes, and must neither panic nor hang, nor let anything through that
//! acts on a terminal or a page. `tests/house/corpus.rs` of the main package includes this file, so that both run the same.

use regex::{Regex, bytes};
use seepage::baseline::Baseline;
use seepage::config::{Overrides, Variables, parse, redacted, resolve};
use seepage::history::{Entry, History};
use seepage::model::Resource;
use seepage::report::Format;
use seepage::table::prometheus::{Answer, Matrix};
use seepage::table::{Asked, Mapping, Readings, SeriesRow};
use seepage::{http, probe, report, store, table, verdict, words};
use std::path::Path;
use std::sync::LazyLock;

/// `/proc/PID/stat`.
pub fn proc_stat(bytes: &[u8]) {
    let _ = probe::parse_stat(bytes);
}

/// `/proc/PID/status`.
pub fn proc_status(bytes: &[u8]) {
    let _ = probe::parse_status(bytes);
    let _ = (probe::own_pid(bytes), probe::process_of(bytes));
}

/// `/proc/PID/smaps`.
pub fn smaps(bytes: &[u8]) {
    for place in probe::parse_smaps(bytes) {
        assert!(place.name.is_none_or(|name| name.chars().count() <= 101));
    }
}

/// The file of counters of a Java machine.
pub fn java_counters(bytes: &[u8]) {
    let _ = probe::parse_counters(bytes);
}

/// The functions of scripts in the memory of their interpreters.
pub fn script_place(bytes: &[u8]) {
    for frame in probe::parse_script_place(bytes).into_iter().flatten() {
        harmless(&words::plain(&frame.to_string()));
    }
}

/// What a runtime says of the code that it makes; of its addresses, the first eight bytes name one.
pub fn perf_map(bytes: &[u8]) {
    let mut map = probe::PerfMap::default();
    map.add(bytes);
    let first = bytes.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
    for address in [first, 0x10, 0x7fe1_45fe_91c0] {
        if let Some(frame) = map.at(address) {
            harmless(&words::plain(&frame.to_string()));
        }
    }
}

/// What the kernel tells of page faults.
pub fn fault_records(bytes: &[u8]) {
    let mut rest = bytes;
    while let Some((_, after)) = probe::parse_fault(rest) {
        assert!(after.len() < rest.len());
        rest = after;
    }
}

/// The tables of sockets below `/proc/PID/net`.
pub fn socket_table(bytes: &[u8]) {
    let _ = probe::parse_unix(bytes);
    let _ = probe::parse_tcp(bytes);
}

/// The pages on which servers say what their workers have served.
pub fn status_page(bytes: &[u8]) {
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?<pid>\d+)\D+(?<count>\d+)").unwrap());
    let _ = probe::parse_php_fpm(bytes, "/status");
    let _ = probe::parse_mod_status(bytes, "/status");
    let _ = probe::parse_page(bytes, &PATTERN);
}

/// A line of an access log.
pub fn access_log(bytes: &[u8]) {
    static PATTERN: LazyLock<bytes::Regex> =
        LazyLock::new(|| bytes::Regex::new(r"^(?<pid>\d+) (?<class>\S+)").unwrap());
    if let Some((_, class)) = probe::parse_log_line(bytes, &PATTERN) {
        assert!(class.is_none_or(|class| !class.is_empty()));
    }
}

/// A harness file.
pub fn harness_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match parse(text, "file.toml", &Overrides::default()) {
        Ok(harness) => {
            let _ = resolve(&harness, &Variables::default());
            assert_eq!(redacted(&harness, &Variables::default()).phases, harness.phases);
        }
        Err(error) => harmless(&error.to_string()),
    }
}

/// An HTTP answer; the first byte says in which pieces it comes, and whether it answers HEAD.
pub fn http_answer(bytes: &[u8]) {
    let Some((first, answer)) = bytes.split_first() else { return };
    let _ = http::read_answer(answer, first & 1 == 1, usize::from(first >> 1));
    let _ = http::read_answer(answer, first & 1 == 1, answer.len());
}

/// A series that another tool wrote: read and judged.
pub fn table(bytes: &[u8]) {
    match table::read(bytes, "table", &Mapping::default()) {
        Ok(table) => {
            let mut record = table.record;
            let budgets = &mut record.meta.budgets;
            (budgets.memory, budgets.descriptors, budgets.threads) = (Some(64.0), Some(0.01), Some(0.01));
            let verdict = verdict::judge(&record);
            harmless(&report::terminal(&record, &verdict, false, 80));
            harmless(&report::verdict_line("table", &record, &verdict));
        }
        Err(error) => harmless(&error.to_string()),
    }
}

/// The file of a verdict that a run is held against.
pub fn baseline(bytes: &[u8]) {
    match Baseline::read(bytes) {
        Ok(baseline) => {
            assert!(Baseline::read(baseline.to_json().as_bytes()).is_ok());
            let _ = (baseline.summary("baseline"), baseline.failure());
            for line in words::baseline::lines(&baseline) {
                harmless(&words::plain(&line));
            }
        }
        Err(error) => harmless(&words::plain(&error)),
    }
}

/// Lines of past runs, put together and shown.
pub fn history(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Entry::lines(text).map(|entries| History::of(entries, Resource::Memory)) {
        Ok(Ok(history)) => {
            assert!(Entry::lines(&history.to_lines()).is_ok());
            let report = report::HistoryReport::new(history);
            harmless(&report.terminal(false));
            harmless(&report.html().unwrap());
        }
        Ok(Err(error)) | Err((_, error)) => harmless(&words::plain(&error)),
    }
}

/// What a server of metrics answers for a fleet: all its series judged as one.
pub fn fleet(bytes: &[u8]) {
    let Ok(Answer { data: Some(Matrix { result, .. }), .. }) = Answer::<Matrix>::read(bytes) else { return };
    let row = |point: &table::prometheus::Point| {
        // What is memory to the one is a start to the other.
        let value = point.value;
        SeriesRow { t: point.t, memory: value, swap: value, requests: value, start: value / 2.0 }
    };
    let readings = result.iter().map(|series| Readings {
        name: series.metric.values().cloned().collect(),
        rows: series.values.iter().map(row).collect(),
    });
    let readings: Vec<Readings> = readings.collect();
    for start in [None, Some("start".to_owned())] {
        let asked =
            Asked { memory: "m".into(), swap: Some("s".into()), requests: Some("r".into()), start, ..Asked::default() };
        match table::of_series("fleet", &asked, &readings, (75.0, 1e9)) {
            Ok(table) => {
                let mut record = table.record;
                record.meta.budgets.memory = Some(64.0);
                let verdict = verdict::judge(&record);
                let page = report::FleetReport::new(
                    "http://127.0.0.1".into(),
                    Vec::new(),
                    Vec::new(),
                    result
                        .iter()
                        .take(3)
                        .map(|s| report::FleetSeries::judged(&s.metric, &record, &verdict, 3600.0))
                        .collect(),
                );
                harmless(&page.terminal(false));
                harmless(&page.jsonl());
            }
            Err(error) => harmless(&error),
        }
    }
}

/// A command's output or a page: what is looked for in it as a series of the user's own. The first line is looked for too.
pub fn metric_value(bytes: &[u8]) {
    seepage::probe::fuzz_metric(bytes);
}

/// The files of a run directory one after the other, each below a line `=== NAME`: read, judged and reported.
pub fn run_directory(bytes: &[u8]) {
    let directory = tempfile::tempdir().unwrap();
    unpack(bytes, directory.path());
    let Ok(record) = store::read(directory.path()) else { return };
    let verdict = verdict::judge(&record);
    harmless(&report::terminal(&record, &verdict, false, 80));
    for format in [Format::Json, Format::Html, Format::Markdown, Format::Junit, Format::Csv, Format::Svg] {
        let rendered = report::render(format, &record, &verdict).unwrap();
        let text = String::from_utf8(rendered).unwrap();
        harmless(&text);
        let is_markup = matches!(format, Format::Html | Format::Svg | Format::Junit | Format::Markdown);
        assert!(!is_markup || !text.contains("<script>alert"), "{text}");
    }
}

/// Writes the files of a run directory that are packed into `bytes`.
pub fn unpack(bytes: &[u8], directory: &Path) {
    const FILES: [&str; 7] =
        ["run.json", "samples.jsonl", "host.jsonl", "load.jsonl", "events.jsonl", "maps.jsonl", "metrics.jsonl"];
    let mut current = None;
    let mut files: [Vec<u8>; 7] = Default::default();
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        let name = line.strip_prefix(b"=== ").map(<[u8]>::trim_ascii);
        match name.and_then(|name| FILES.iter().position(|file| file.as_bytes() == name)) {
            Some(index) => current = Some(index),
            None => current.into_iter().for_each(|index| files[index].extend_from_slice(line)),
        }
    }
    for (name, content) in FILES.iter().zip(files) {
        std::fs::write(directory.join(name), content).unwrap();
    }
}

fn harmless(text: &str) {
    let harmful = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
    assert_eq!(harmful, None, "{text:?}");
}
