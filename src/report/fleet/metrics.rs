//! A fleet that is watched, as OpenMetrics: what is known of each series, and how the watch itself is doing.

use super::super::jsonl::{Per, per};
use super::super::openmetrics::{head, put, quoted};
use crate::answer::{Interval, Outcome, Verdict};
use crate::fleet::written;
use crate::model::{Axis, RunRecord};
use crate::table::prometheus::Labels;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What OpenMetrics is answered as.
pub const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The answers that a series can have.
const ANSWERS: [&str; 5] = ["leak", "suspected", "inconclusive", "clean", "not_judged"];

/// What the last readings of a series showed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// What they prove by themselves.
    outcome: Outcome,
    /// Growth in bytes, per second or per request; missing if nothing could be fitted.
    growth: Option<Interval>,
    /// Growth that is allowed, in the same unit.
    budget: f64,
    /// Whether growth is per request.
    per_request: bool,
    /// Memory at the last reading, in bytes; of a pool, that of its largest process.
    memory: u64,
    /// Seconds until the limit at this growth; missing if none is known, or it isn't grown towards.
    limit: Option<f64>,
}

impl Figures {
    /// Those of a record that was judged, whose processes may have `limit` bytes each. `None` without readings.
    pub fn new(record: &RunRecord, verdict: &Verdict, limit: Option<u64>) -> Option<Figures> {
        let last = record.samples.iter().map(|sample| sample.t).max_by(f64::total_cmp)?;
        let now = record.samples.iter().filter(|sample| sample.t == last);
        let memory = now.filter_map(|sample| sample.anon_and_swap()).max()?;
        let finding = verdict.findings.first();
        let (per, steps) = per(finding.map_or(Axis::Hours, |finding| finding.axis));
        let growth = finding.and_then(|finding| finding.growth).map(|growth| Interval {
            estimate: growth.estimate / steps,
            lower: growth.lower / steps,
            upper: growth.upper / steps,
            ..growth
        });
        let is_whole = |growth: &Interval| [growth.estimate, growth.lower, growth.upper].iter().all(|v| v.is_finite());
        let growth = growth.filter(is_whole);
        let per_request = per == Per::Request;
        let room = limit.map(|limit| limit.saturating_sub(memory) as f64);
        let pace = growth.map(|growth| growth.estimate).filter(|pace| *pace > 0.0 && !per_request);
        let limit = room.zip(pace).map(|(room, pace)| room / pace).filter(|seconds| seconds.is_finite());
        let budget = finding.map_or(0.0, |finding| finding.budget / steps);
        Some(Figures { outcome: verdict.outcome, growth, budget, per_request, memory, limit })
    }

    /// Growth in words, per hour or per request.
    pub fn growth(&self) -> String {
        let Some(growth) = self.growth else { return "unknown growth".to_owned() };
        let (per, steps) = if self.per_request { ("request", 1.0) } else { ("hour", 3600.0) };
        let size = |bytes: f64| crate::model::format_bytes(bytes * steps);
        format!("{}/{per} ({} to {})", size(growth.estimate), size(growth.lower), size(growth.upper))
    }
}

/// A series as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown<'a> {
    /// Whose it is.
    pub labels: Labels,
    /// What is known of it; missing if it could never be judged.
    pub figures: Option<&'a Figures>,
    /// Since when it is told to leak, in Unix time.
    pub told: Option<f64>,
}

impl Shown<'_> {
    fn answer(&self) -> &'static str {
        match (self.told, self.figures.map(|figures| figures.outcome)) {
            (Some(_), _) => "leak",
            (None, Some(Outcome::Leak)) => "suspected",
            (None, Some(Outcome::Inconclusive)) => "inconclusive",
            (None, Some(Outcome::Clean)) => "clean",
            (None, None) => "not_judged",
        }
    }
}

/// How a watch is doing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Health {
    /// Rounds since it was started.
    pub rounds: u64,
    /// Rounds in which something could not be fetched.
    pub failures: u64,
    /// Rounds whose state could not be written.
    pub unwritten: u64,
    /// When everything could be fetched last, in Unix time.
    pub last_success: Option<f64>,
    /// What the last round took, in seconds.
    pub duration: Option<f64>,
    /// Series that were judged in the last round, and that weren't.
    pub judged: usize,
    /// Those that weren't.
    pub not_judged: usize,
    /// Those that are known and had no reading in the last round.
    pub missing: usize,
    /// Warnings of the server that something may be missing, in the last round.
    pub warnings: usize,
}

/// Renders the text, which ends in `# EOF`.
pub fn metrics(series: &[Shown<'_>], health: &Health) -> String {
    let mut seen = BTreeSet::new();
    // Two series that are shown alike would spoil the whole text.
    let series: Vec<(String, &Shown<'_>)> =
        series.iter().map(|one| (labels(&one.labels), one)).filter(|(labels, _)| seen.insert(labels.clone())).collect();
    let mut out = String::new();
    head(&mut out, "seepage_fleet_verdict", "stateset", "", "What is concluded of a series");
    for (labels, one) in &series {
        let comma = if labels.is_empty() { "" } else { "," };
        for answer in ANSWERS {
            let is = u8::from(one.answer() == answer);
            put(&mut out, &format!("seepage_fleet_verdict{{{labels}{comma}seepage_fleet_verdict=\"{answer}\"}} {is}"));
        }
    }
    type Value = fn(&Shown<'_>) -> Option<f64>;
    type Of = fn(&Figures) -> Option<f64>;
    let told: Value = |one| one.told;
    let mut gauge = |name: &str, unit: &str, help: &str, value: &dyn Fn(&Shown<'_>) -> Option<f64>| {
        head(&mut out, name, "gauge", unit, help);
        for (labels, one) in &series {
            if let Some(value) = value(one) {
                put(&mut out, &format!("{name}{{{labels}}} {value}"));
            }
        }
    };
    gauge("seepage_fleet_leak_since_timestamp_seconds", "seconds", "Since when a series is told to leak", &told);
    let figures: [(&str, &str, Of); 6] = [
        ("growth", "Growth of memory", |f| f.growth.map(|growth| growth.estimate)),
        ("growth_lower", "Lower bound of growth", |f| f.growth.map(|growth| growth.lower)),
        ("growth_upper", "Upper bound of growth", |f| f.growth.map(|growth| growth.upper)),
        ("budget", "Growth that is allowed", |f| Some(f.budget)),
        ("memory", "Memory at the last reading", |f| Some(f.memory as f64)),
        ("limit", "Time until the limit at this growth", |f| f.limit),
    ];
    for (name, help, of) in figures {
        match name {
            "memory" => gauge("seepage_fleet_memory_bytes", "bytes", help, &|one| one.figures.and_then(of)),
            "limit" => gauge("seepage_fleet_limit_seconds", "seconds", help, &|one| one.figures.and_then(of)),
            _ => {
                for (unit, per_request) in [("bytes_per_second", false), ("bytes_per_request", true)] {
                    gauge(&format!("seepage_fleet_{name}_{unit}"), unit, help, &|one| {
                        one.figures.filter(|figures| figures.per_request == per_request).and_then(of)
                    });
                }
            }
        }
    }
    own(&mut out, health);
    out + "# EOF\n"
}

fn own(out: &mut String, health: &Health) {
    let counters = [
        ("rounds", "Rounds since the watch was started", health.rounds),
        ("failures", "Rounds in which something could not be fetched", health.failures),
        ("state_failures", "Rounds whose state could not be written", health.unwritten),
    ];
    for (name, help, count) in counters {
        let name = format!("seepage_fleet_{name}");
        head(out, &name, "counter", "", help);
        put(out, &format!("{name}_total {count}"));
    }
    let gauges = [
        ("last_success_timestamp_seconds", "seconds", "When everything could be fetched last", health.last_success),
        ("last_round_duration_seconds", "seconds", "What the last round took", health.duration),
        ("series_judged", "", "Series that were judged in the last round", Some(health.judged as f64)),
        ("series_not_judged", "", "Series that could not be judged then", Some(health.not_judged as f64)),
        ("series_missing", "", "Series that are known and had no reading then", Some(health.missing as f64)),
        ("server_warnings", "", "Warnings of the server that something may be missing", Some(health.warnings as f64)),
    ];
    for (name, unit, help, value) in gauges {
        let name = format!("seepage_fleet_{name}");
        head(out, &name, "gauge", unit, help);
        if let Some(value) = value {
            put(out, &format!("{name} {value}"));
        }
    }
}

/// Labels as the text has them, without braces. Names that OpenMetrics doesn't have are spelled otherwise.
fn labels(labels: &Labels) -> String {
    let mut names = BTreeSet::from(["seepage_fleet_verdict".to_owned()]);
    let mut all = Vec::new();
    for (label, value) in labels {
        let mut name: String = label.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') || name.starts_with("__") {
            name.insert_str(0, "label_");
        }
        while !names.insert(name.clone()) {
            name.push('_');
        }
        all.push(format!("{name}={}", quoted(value)));
    }
    all.join(",")
}

/// A series that is told to leak, or no longer, in a line for who reads along.
pub fn change(at: &str, one: &Shown<'_>, withdrawn: bool) -> String {
    let growth = one.figures.map_or_else(String::new, |figures| format!("  {}", figures.growth()));
    let (word, rest) = if withdrawn { ("withdrawn", String::new()) } else { ("LEAK", growth) };
    format!("{at}  {word:9}  {}{rest}\n", super::super::plain(&written(&one.labels)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(outcome: Outcome, per_request: bool) -> Figures {
        let growth = Some(Interval { estimate: 100.5, lower: 90.0, upper: 120.0, confidence: 0.98 });
        let limit = (!per_request).then_some(86_400.0);
        Figures { outcome, growth, budget: 64.0, per_request, memory: 50 << 20, limit }
    }

    fn shown<'a>(pairs: &[(&str, &str)], figures: Option<&'a Figures>, told: Option<f64>) -> Shown<'a> {
        let labels = pairs.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
        Shown { labels, figures, told }
    }

    #[test]
    fn the_text_reads_well() {
        let (leak, clean) = (figures(Outcome::Leak, false), figures(Outcome::Clean, true));
        let unknown = Figures { growth: None, limit: None, ..figures(Outcome::Inconclusive, false) };
        let series = [
            shown(&[("pod", "a")], Some(&leak), Some(1.767e9)),
            shown(&[("pod", "b")], Some(&leak), None),
            shown(&[("pod", "c")], Some(&clean), None),
            shown(&[("pod", "d")], Some(&unknown), None),
            shown(&[], None, None),
        ];
        let health = Health {
            rounds: 7,
            failures: 1,
            last_success: Some(1.7670003e9),
            duration: Some(0.25),
            judged: 4,
            not_judged: 1,
            ..Health::default()
        };
        insta::assert_snapshot!(metrics(&series, &health));
        let line = change("2026-01-01T00:00:00Z", &series[0], false);
        assert_eq!(line, "2026-01-01T00:00:00Z  LEAK       {pod=\"a\"}  353 KiB/hour (316 KiB to 422 KiB)\n");
        assert_eq!(change("T", &series[0], true), "T  withdrawn  {pod=\"a\"}\n");
    }

    #[test]
    fn no_label_breaks_the_text() {
        let odd = ["9a", "a.b", "a_b", "__x", "seepage_fleet_verdict", "", "ü\n"];
        let pairs: Vec<(&str, &str)> = odd.iter().map(|label| (*label, "x\"\\\n\u{202e}} 1")).collect();
        let one = shown(&pairs, None, None);
        let text = metrics(&[one.clone(), one], &Health::default());
        let told: Vec<&str> = text.lines().filter(|line| line.starts_with("seepage_fleet_verdict{")).collect();
        assert_eq!(told.len(), ANSWERS.len(), "{text}");
        assert!(text.lines().all(|line| line.starts_with("# ") || line.starts_with("seepage_")), "{text}");
        let name = regex::Regex::new(r#"^seepage_fleet_verdict\{([a-zA-Z_]\w*="(\\.|[^"\\])*",?)+\} [01]$"#).unwrap();
        assert!(told.iter().all(|line| name.is_match(line)), "{told:?}");
    }
}
