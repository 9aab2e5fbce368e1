//! Readings and verdict as OpenMetrics, each with its time: for whoever keeps such in Prometheus (`promtool tsdb create-blocks-from
//! openmetrics`), or reads them again by `seepage analyze`.

use super::jsonl::per;
use crate::answer::{Outcome, Verdict};
use crate::model::{MetricKind, RunRecord, Sample};
use std::fmt::Write;
use std::time::{Duration, SystemTime};

/// What is written of each reading: name, whether it is a count, unit, what it is, and where it is read.
type Family = (&'static str, bool, &'static str, &'static str, fn(&Sample) -> Option<u64>);

const FAMILIES: [Family; 5] = [
    ("seepage_worker_anonymous_bytes", false, "bytes", "Anonymous resident memory of a worker", |s| s.anon),
    ("seepage_worker_swap_bytes", false, "bytes", "Anonymous memory of a worker that was swapped out", |s| s.swap),
    ("seepage_worker_open_fds", false, "", "Open descriptors of a worker", |s| s.fds),
    ("seepage_worker_threads", false, "", "Threads of a worker", |s| s.threads),
    ("seepage_worker_requests", true, "", "Requests that a worker has served in the run", |s| s.requests),
];

/// Renders the text, which ends in `# EOF`.
pub fn render(record: &RunRecord, verdict: &Verdict) -> String {
    let mut out = String::new();
    let started = humantime::parse_rfc3339(&record.meta.started).unwrap_or(SystemTime::UNIX_EPOCH);
    let start = started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64();
    let run = format!("name={},run={}", quoted(&record.meta.name), quoted(&record.meta.id));
    for (name, counts, unit, help, read) in FAMILIES {
        if !record.samples.iter().any(|sample| read(sample).is_some()) {
            continue;
        }
        head(&mut out, name, if counts { "counter" } else { "gauge" }, unit, help);
        let total = if counts { "_total" } else { "" };
        // The points of a series stand together, in the order of time.
        let mut samples: Vec<&Sample> = record.samples.iter().collect();
        samples.sort_by(|a, b| a.worker.cmp(&b.worker).then(a.t.total_cmp(&b.t)));
        for sample in samples {
            let Some(value) = read(sample) else { continue };
            let (pid, born, at) = (sample.worker.pid, sample.worker.birth(), start + sample.t);
            put(&mut out, &format!("{name}{total}{{{run},pid=\"{pid}\",start=\"{born}\"}} {value} {at:.3}"));
        }
    }
    for (kind, name, unit, total) in [
        (MetricKind::Gauge, "seepage_gauge", "gauge", ""),
        (MetricKind::Counter, "seepage_counter", "counter", "_total"),
    ] {
        own(&mut out, record, kind, (name, unit, total), (&run, start));
    }
    let end = start + record.meta.elapsed.or(record.samples.last().map(|sample| sample.t)).unwrap_or(0.0);
    conclude(&mut out, verdict, "stateset", &format!("{run},"), &format!(" {end:.3}"));
    out + "# EOF\n"
}

/// Adds the series of the user's own of one kind, as a family of this name and type, whose values have this ending.
fn own(out: &mut String, record: &RunRecord, kind: MetricKind, family: (&str, &str, &str), of: (&str, f64)) {
    let ((name, set, total), (run, start)) = (family, of);
    let metrics: Vec<_> = record.meta.metrics.iter().filter(|one| one.kind == kind).map(|one| one.metric).collect();
    if metrics.is_empty() {
        return;
    }
    head(out, name, set, "", "A series of the user's own, in bytes or items");
    for metric in metrics {
        for reading in record.metrics.iter().filter(|reading| reading.metric == metric) {
            let Some(value) = reading.value.filter(|value| value.is_finite()) else { continue };
            let labels = format!("{run},metric=\"{}\"", metric.name());
            put(out, &format!("{name}{total}{{{labels}}} {value} {:.3}", start + reading.t));
        }
    }
}

/// Renders the verdict as Prometheus' older text, without times and readings: for a Pushgateway, which takes no times, and by which a
/// group of metrics is told from others.
pub fn pushed(record: &RunRecord, verdict: &Verdict) -> String {
    let mut out = String::new();
    // It knows no sets of states.
    conclude(&mut out, verdict, "gauge", "", "");
    head(&mut out, "seepage_run_info", "gauge", "", "Which run it was");
    put(&mut out, &format!("seepage_run_info{{run={}}} 1", quoted(&record.meta.id)));
    out
}

/// Adds what is concluded: a family of the type `set` for the verdict, `labels` before others, and the time `at` behind each value.
fn conclude(out: &mut String, verdict: &Verdict, set: &str, labels: &str, at: &str) {
    head(out, "seepage_verdict", set, "", "What is concluded from the run");
    for outcome in [Outcome::Leak, Outcome::Clean, Outcome::Inconclusive] {
        let is = u8::from(verdict.outcome == outcome);
        put(out, &format!("seepage_verdict{{{labels}seepage_verdict=\"{outcome}\"}} {is}{at}"));
    }
    head(out, "seepage_growth", "gauge", "", "Growth in bytes or items per request or second, with its bounds");
    let mut allowed = String::new();
    for finding in &verdict.findings {
        let (per, steps) = per(finding.axis);
        let labels = format!("{labels}resource=\"{}\",per=\"{}\"", finding.resource.name(), per.word());
        if let Some(growth) = &finding.growth {
            for (of, value) in [("estimate", growth.estimate), ("lower", growth.lower), ("upper", growth.upper)] {
                if !value.is_finite() {
                    continue;
                }
                put(out, &format!("seepage_growth{{{labels},of=\"{of}\"}} {}{at}", value / steps));
            }
        }
        put(&mut allowed, &format!("seepage_budget{{{labels}}} {}{at}", finding.budget / steps));
    }
    head(out, "seepage_budget", "gauge", "", "Growth that is allowed, in the same units");
    out.push_str(&allowed);
}

/// Begins a family of metrics.
pub(super) fn head(out: &mut String, name: &str, kind: &str, unit: &str, help: &str) {
    put(out, &format!("# HELP {name} {help}."));
    put(out, &format!("# TYPE {name} {kind}"));
    if !unit.is_empty() {
        put(out, &format!("# UNIT {name} {unit}"));
    }
}

/// Adds a line.
pub(super) fn put(out: &mut String, line: &str) {
    // Writing to a string doesn't fail.
    let _ = writeln!(out, "{line}");
}

/// The value of a label: nothing in it ends it, or its line.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", super::plain(text).replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use crate::table::{self, Mapping};

    #[test]
    fn the_text_reads_well() {
        let (mut record, verdict) = fixture::leak();
        let worker = record.samples[0].worker;
        record.samples.retain(|sample| sample.worker == worker);
        record.samples.truncate(2);
        insta::assert_snapshot!(render(&record, &verdict));
    }

    #[test]
    fn what_is_pushed_has_no_times() {
        let (record, verdict) = fixture::leak();
        insta::assert_snapshot!(pushed(&record, &verdict));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let (record, verdict) = fixture::leak();
        let mapping = Mapping {
            memory: Some("seepage_worker_anonymous_bytes".into()),
            swap: Some("seepage_worker_swap_bytes".into()),
            requests: Some("seepage_worker_requests_total".into()),
            ..Mapping::default()
        };
        let read = table::read(render(&record, &verdict).as_bytes(), "x", &mapping).unwrap().record;
        assert_eq!((read.workers().len(), read.samples.len()), (record.workers().len(), record.samples.len()));
        let sum = |record: &RunRecord| record.samples.iter().filter_map(|s| s.anon).sum::<u64>();
        assert_eq!(sum(&read), sum(&record));
    }

    #[test]
    fn nothing_hostile_gets_through() {
        let (record, verdict) = fixture::hostile();
        for text in [render(&record, &verdict), pushed(&record, &verdict)] {
            assert!(!text.chars().any(|c| c.is_control() && c != '\n' || c == '\u{202e}'));
            assert!(text.lines().all(|line| line.starts_with("# ") || line.starts_with("seepage_")), "{text}");
        }
        assert!(render(&record, &verdict).ends_with("\n# EOF\n"));
    }
}
