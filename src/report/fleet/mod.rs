//! What came of a fleet: a line for each series, the surest and fastest leak first; terminal, JSON lines, HTML.

mod html;
mod metrics;
mod terminal;

pub use metrics::{Figures, Health, METRICS_TYPE, Shown, change, metrics};

use super::jsonl;
use super::text::Mood;
use super::trace;
use super::write;
use super::{ReportError, text};
use crate::answer::{Gate, GateKind, Note, Outcome, Verdict};
use crate::fleet::written;
use crate::model::{Per, Resource, RunRecord};
use crate::table::prometheus::Labels;
use crate::words::fleet::Totals;
use crate::words::{self, GateWords, Headline};
use std::cmp::Ordering;
use std::path::{Path, PathBuf};

/// Points of memory that are drawn of a series, and lives that are.
const POINTS: usize = 48;
const LIVES: usize = 24;
/// Readings below which a life says nothing, and the part of the time that is judged of which it has less: who is read seldom lives on.
const FEW: usize = 10;
const BRIEF: f64 = 0.1;
/// Bytes that a brief life may grow by whatever is allowed, and readings from which on it shows growth that its later half is above the earlier.
const LEAST: f64 = 65_536.0;
const SOME: usize = 6;
/// Notes that are told on a terminal and a page; all of them are in the lines.
const NOTES: usize = 12;
/// Series that are named with a note.
const NAMED: usize = 3;

/// A fleet that was judged.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetReport {
    /// Address of the server.
    pub server: String,
    /// What it was asked for: quantity, query, and what that is.
    pub asked: Vec<[String; 3]>,
    /// What the server says may be missing.
    pub warnings: Vec<String>,
    series: Vec<FleetSeries>,
}

/// What came of a series, or of those that are judged together.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetSeries {
    labels: Labels,
    outcome: Option<Outcome>,
    /// Whether it lived so briefly that it is open, and keeps no other from a pass.
    brief: bool,
    /// How urgent it is among those of its outcome: the larger, the more.
    urgency: f64,
    /// Growth, its interval, and what is allowed.
    growth: GateWords,
    /// Why it is open, or could not be judged; for a leak or a clean one, why it is.
    why: String,
    /// What else a reader should know of it.
    notes: Vec<String>,
    /// Its line of JSON.
    line: String,
    /// Memory over time, life by life.
    trace: Vec<Vec<(f64, f64)>>,
}

impl FleetSeries {
    /// What was judged of the last `seconds`.
    pub fn judged(labels: &Labels, record: &RunRecord, verdict: &Verdict, seconds: f64) -> Self {
        let finding = verdict.deciding().or(verdict.findings.first());
        let of = |resource: Resource| move |gate: &&Gate| matches!(gate.kind, GateKind::Growth { resource: r, .. } if r == resource);
        let gate = finding.and_then(|finding| verdict.gates.iter().find(of(finding.resource)));
        let urgency = finding.and_then(|finding| {
            let growth = finding.growth?;
            let sure = match finding.outcome {
                Outcome::Leak => growth.lower,
                Outcome::Inconclusive => growth.estimate,
                Outcome::Clean => growth.upper,
            };
            Some(sure / finding.budget.max(f64::MIN_POSITIVE))
        });
        let mut growth = gate.map(words::gate).unwrap_or_default();
        // All is of memory here, but for this.
        if let Some(finding) =
            finding.filter(|one| one.resource == Resource::Processes && !growth.measured.per.is_empty())
        {
            growth.measured.amount = format!("{} {}", growth.measured.amount, finding.resource);
        }
        FleetSeries {
            labels: labels.clone(),
            outcome: Some(verdict.outcome),
            brief: is_brief(record, verdict, seconds),
            urgency: urgency.unwrap_or(f64::NEG_INFINITY),
            growth,
            why: jsonl::reason(record, verdict),
            notes: recorded_notes(verdict),
            line: jsonl::series_line(&written(labels), labels, record, verdict),
            trace: traced(record),
        }
    }

    /// What could not be judged, and why.
    pub fn failed(labels: &Labels, why: &str) -> Self {
        FleetSeries {
            labels: labels.clone(),
            outcome: None,
            brief: false,
            urgency: 0.0,
            growth: GateWords::default(),
            why: why.to_owned(),
            notes: Vec::new(),
            line: jsonl::series_error_line(&written(labels), labels, why),
            trace: Vec::new(),
        }
    }

    fn word(&self) -> &'static str {
        if self.brief { "TOO BRIEF" } else { self.outcome.map_or("NOT JUDGED", text::outcome_word) }
    }

    /// Whether it lived so briefly that it keeps no other from a pass.
    pub fn is_brief(&self) -> bool {
        self.brief
    }

    fn mood(&self) -> Mood {
        self.outcome.map_or(Mood::Unsure, Mood::of_outcome)
    }

    /// Its place: leaks, what could not be judged, what is open, what was too brief, what is clean.
    fn rank(&self) -> u8 {
        match self.outcome {
            Some(Outcome::Leak) => 0,
            None => 1,
            Some(Outcome::Inconclusive) if !self.brief => 2,
            Some(Outcome::Inconclusive) => 3,
            Some(Outcome::Clean) => 4,
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        let urgent = other.urgency.total_cmp(&self.urgency);
        self.rank().cmp(&other.rank()).then(urgent).then_with(|| self.labels.cmp(&other.labels))
    }

    /// Its labels but for those that all have.
    fn short(&self, common: &Labels) -> String {
        let own = self.labels.iter().filter(|(label, value)| common.get(*label) != Some(value));
        written(&own.map(|(label, value)| (label.clone(), value.clone())).collect())
    }
}

impl FleetReport {
    /// A report of these series, which are put in order.
    pub fn new(server: String, asked: Vec<[String; 3]>, warnings: Vec<String>, mut series: Vec<FleetSeries>) -> Self {
        series.sort_by(FleetSeries::order);
        FleetReport { server, asked, warnings, series }
    }

    /// How many came to what.
    pub fn totals(&self) -> Totals {
        let all = |brief| self.series.iter().filter(move |series| series.brief == brief);
        let count = |outcome| all(false).filter(|series| series.outcome == outcome).count();
        Totals {
            leaks: count(Some(Outcome::Leak)),
            failed: count(None),
            open: count(Some(Outcome::Inconclusive)),
            brief: all(true).count(),
            clean: count(Some(Outcome::Clean)),
            warned: !self.warnings.is_empty(),
        }
    }

    /// For a terminal, with colours if `colour`.
    pub fn terminal(&self, colour: bool) -> String {
        terminal::render(self, colour)
    }

    /// One JSON object a line, in the order of the report.
    pub fn jsonl(&self) -> String {
        self.series.iter().map(|series| series.line.as_str()).collect()
    }

    /// One page with a table that can be searched.
    pub fn html(&self) -> String {
        html::render(self)
    }

    /// Writes the page and the lines into the directory `dir` and returns the paths of what was written.
    ///
    /// # Errors
    /// If one of them can't be written.
    pub fn write(&self, dir: &Path) -> Result<Vec<PathBuf>, ReportError> {
        let failed = |path: PathBuf| move |source| ReportError::Write { path, source };
        let directory = write::Directory::open(dir).map_err(failed(dir.to_owned()))?;
        let files = [("fleet.html", self.html()), ("fleet.jsonl", self.jsonl())];
        let put = |(name, content): (&str, String)| {
            let path = dir.join(name);
            directory.write(name, content.as_bytes()).map_err(failed(path.clone()))?;
            Ok(path)
        };
        files.into_iter().map(put).collect()
    }

    /// What else is to be known, and of which series.
    fn notes(&self) -> Vec<String> {
        let common = self.common();
        let mut of: Vec<(&str, Vec<&FleetSeries>)> = Vec::new();
        for series in &self.series {
            for note in &series.notes {
                match of.iter().position(|(known, _)| known == note) {
                    Some(place) => of[place].1.push(series),
                    None if of.len() < NOTES => of.push((note, vec![series])),
                    None => {}
                }
            }
        }
        let judged = self.series.iter().filter(|series| series.outcome.is_some()).count();
        let one = |(note, all): (&str, Vec<&FleetSeries>)| {
            let names: Vec<String> = all.iter().take(NAMED).map(|series| series.short(&common)).collect();
            match all.len() {
                every if every == judged => format!("All: {note}."),
                few if few <= NAMED => format!("{}: {note}.", names.join(", ")),
                many => format!("{} and {} more: {note}.", names.join(", "), many - NAMED),
            }
        };
        of.into_iter().map(one).collect()
    }

    fn headline(&self) -> Headline {
        let common = self.common();
        let worst = self.series.first().filter(|series| series.outcome == Some(Outcome::Leak));
        let worst = worst.map(|series| (series.short(&common), series.growth.measured.to_string()));
        words::fleet::headline(&self.totals(), worst.as_ref().map(|(name, growth)| (name.as_str(), growth.as_str())))
    }

    /// Labels that all series have with the same value; of a single series, none.
    fn common(&self) -> Labels {
        let [first, _, ..] = &self.series[..] else { return Labels::new() };
        let mut common = first.labels.clone();
        for series in &self.series {
            common.retain(|label, value| series.labels.get(label) == Some(value));
        }
        common
    }
}

/// What was noted when the readings were put together.
fn recorded_notes(verdict: &Verdict) -> Vec<String> {
    let recorded = verdict.notes.iter().filter_map(|note| match note {
        Note::Recorded(text) => Some(text.clone()),
        Note::Leaking(workers) => words::leaking(workers),
        _ => None,
    });
    recorded.collect()
}

/// Whether what was judged of the last `seconds` is a life that was too short for anything to be said of it.
fn is_brief(record: &RunRecord, verdict: &Verdict, seconds: f64) -> bool {
    let short = record.meta.elapsed.is_some_and(|elapsed| elapsed < BRIEF * seconds);
    verdict.outcome == Outcome::Inconclusive && short && record.samples.len() < FEW && !grows(record)
}

/// Whether memory grows to the end by more than is allowed, as far as so few readings show: then it isn't brevity alone that keeps it open.
fn grows(record: &RunRecord) -> bool {
    let allowed = record.meta.budgets.memory.filter(|_| record.meta.budgets.per == Per::Hour).unwrap_or(0.0) / 3600.0;
    record.workers().into_iter().any(|worker| {
        let of = record.samples.iter().filter(|sample| sample.worker == worker);
        let levels: Vec<(f64, f64)> = of.filter_map(|one| Some((one.t, one.anon_and_swap()? as f64))).collect();
        let (early, late) = levels.split_at(levels.len() / 2);
        let (Some(first), Some(last)) = (early.first(), late.last()) else { return false };
        let most = early.iter().map(|level| level.1).fold(0.0, f64::max);
        let least = late.iter().map(|level| level.1).fold(f64::INFINITY, f64::min);
        levels.len() >= SOME && least > most && last.1 - first.1 > (allowed * (last.0 - first.0)).max(LEAST)
    })
}

/// Memory over time, thinned to what can be seen.
fn traced(record: &RunRecord) -> Vec<Vec<(f64, f64)>> {
    let lines = trace::memory_over_time(record);
    let all: usize = lines.iter().map(|(_, points)| points.len()).sum();
    let every = all.div_ceil(POINTS).max(1);
    // From a reference: what is collected from a list itself would keep its room.
    let thin = |points: &Vec<(f64, f64)>| {
        let last = points.len().saturating_sub(1);
        let kept = points.iter().enumerate().filter(|(place, _)| place % every == 0 || *place == last);
        kept.map(|(_, point)| *point).filter(|(_, level)| level.is_finite()).collect()
    };
    lines.iter().take(LIVES).map(|(_, points)| thin(points)).collect()
}

#[cfg(test)]
mod tests;
