//! How many requests in flight a target takes, and every load's evidence: terminal, chart, Markdown, JSON and HTML.

mod chart;
#[cfg(test)]
mod tests;

use super::chart::{png, svg};
use super::json::printable;
use super::markdown::{self, escape};
use super::text::{Mood, plain};
use super::{ReportError, html, terminal, write};
use crate::knee::{Answer, LeaksFrom, Load, Sign, Step};
use crate::model::{format_seconds, percent};
use crate::words::{Headline, capital, knee as words, outcome_word};
use chart::KneeChart;
use maud::{DOCTYPE, PreEscaped, html as page};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// A search with all that its reports tell of it.
#[derive(Debug, Clone, PartialEq)]
pub struct KneeReport {
    /// Name of the harness file's scenario.
    pub name: String,
    /// When it began, RFC 3339 in UTC.
    pub started: String,
    /// The highest number of requests in flight that was asked for.
    pub highest: u64,
    /// What was found.
    pub answer: Answer,
    /// From which load on it leaks.
    pub leaks: Option<LeaksFrom>,
    /// What ended it before its time, in words.
    pub cut: Option<String>,
    /// Every load that was measured, by load.
    pub loads: Vec<Load>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(title = "seepage knee")]
struct Document<'a> {
    /// Version of this shape, `major.minor`; within a major version, fields are only added.
    format: &'static str,
    /// `found`, `none` or `unclear`.
    answer: &'static str,
    /// The answer in one sentence.
    sentence: String,
    /// Name of the scenario.
    name: &'a str,
    /// When it began, RFC 3339 in UTC.
    started: &'a str,
    /// The highest number of requests in flight that was asked for.
    highest: u64,
    /// What ended the search before its time, in words; null if nothing did.
    cut: Option<&'a str>,
    /// The knee; null if none was found.
    knee: Option<KneePart>,
    /// From which load on it leaks; null if no leak was shown.
    leaks: Option<LeakPart>,
    /// Every load that was measured, by load.
    loads: Vec<LoadPart<'a>>,
}

/// The knee.
#[derive(Serialize, JsonSchema)]
struct KneePart {
    /// Requests in flight up to which the target keeps up; 0 if one is too much.
    at: u64,
    /// The highest load that was measured to be good; null if none was.
    good: Option<u64>,
    /// The lowest load above it that was measured to be too much.
    bad: u64,
    /// By what: `errors`, `failure` or `goodput`.
    by: &'static str,
    /// The highest goodput of all loads, per second.
    goodput: f64,
    /// Whether goodput still grows at the highest load that was measured.
    still_grows: bool,
}

/// Where it begins to leak.
#[derive(Serialize, JsonSchema)]
struct LeakPart {
    /// The lowest load that leaks.
    load: u64,
    /// The highest load below it that doesn't; null if the lowest of all leaks.
    below: Option<u64>,
    /// Whether that is proven to be clean; null if there is none.
    below_is_clean: Option<bool>,
}

/// One load that was measured.
#[derive(Serialize, JsonSchema)]
struct LoadPart<'a> {
    /// Requests in flight.
    load: u64,
    /// Name of its run's directory.
    run: &'a str,
    /// Successes per second, with the bounds of a confidence interval of 95 %; null if too little was measured.
    goodput: Option<[f64; 3]>,
    /// Requests of the soak that ended, whether or not they failed.
    ended: u64,
    /// Requests of the soak that failed.
    failed: u64,
    /// Answers by status.
    statuses: &'a BTreeMap<u16, u64>,
    /// Failures by kind.
    errors: &'a BTreeMap<String, u64>,
    /// 95th percentile of the latency of successes, in seconds; null if there were none.
    p95: Option<f64>,
    /// `leak`, `clean` or `inconclusive`.
    verdict: String,
    /// What leaks, in words.
    leaks: Vec<String>,
    /// Why the run came to no end; null if it did.
    broke: Option<&'a str>,
    /// Its verdict in a sentence.
    sentence: &'a str,
}

/// The JSON schema of `knee.json`.
pub fn knee_schema() -> serde_json::Value {
    schemars::schema_for!(Document<'_>).into()
}

impl KneeReport {
    fn mood(&self) -> Mood {
        match &self.answer {
            _ if self.leaks.is_some() => Mood::Bad,
            Answer::Found(knee) if knee.good.is_none() => Mood::Bad,
            Answer::Found(_) | Answer::NoneUpTo(_) => Mood::Good,
            Answer::Unclear(_) => Mood::Unsure,
        }
    }

    fn headline(&self) -> Headline {
        let steps: Vec<&Step> = self.loads.iter().map(|load| &load.step).collect();
        words::headline(&words::Search {
            name: &self.name,
            answer: &self.answer,
            leaks: self.leaks.as_ref(),
            steps: &steps,
            cut: self.cut.as_deref(),
        })
    }

    fn chart(&self) -> KneeChart {
        let first = self.headline();
        KneeChart::new((first.word, self.mood()), plain(&first.rest), (&self.answer, self.leaks.as_ref()), &self.loads)
    }

    /// Renders the end of a search for a terminal, with colours if `colour`.
    pub fn terminal(&self, colour: bool) -> String {
        let mut out = terminal::said(&self.headline(), terminal::style(self.mood()), colour);
        if self.loads.is_empty() {
            return out;
        }
        let heads = ["in flight", "goodput", "fail", "p95", "leaks"].map(str::to_owned);
        let rows: Vec<[String; 5]> = std::iter::once(heads).chain(self.loads.iter().map(row)).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        out.push('\n');
        for row in &rows {
            let cells = (0..4).map(|column| format!("{:>1$}", plain(&row[column]), width(column)));
            let _ = writeln!(out, "  {}  {}", cells.collect::<Vec<_>>().join("  "), plain(&row[4]));
        }
        out
    }

    /// Renders `knee.json`.
    pub fn json(&self) -> String {
        let knee = match &self.answer {
            Answer::Found(knee) => Some(KneePart {
                at: knee.at,
                good: knee.good,
                bad: knee.bad,
                by: match knee.sign {
                    Sign::Errors => "errors",
                    Sign::Broke => "failure",
                    Sign::Goodput => "goodput",
                },
                goodput: knee.most,
                still_grows: knee.still_grows,
            }),
            Answer::NoneUpTo(_) | Answer::Unclear(_) => None,
        };
        let document = Document {
            format: "1.0",
            answer: match self.answer {
                Answer::Found(_) => "found",
                Answer::NoneUpTo(_) => "none",
                Answer::Unclear(_) => "unclear",
            },
            sentence: self.headline().to_string(),
            name: &self.name,
            started: &self.started,
            highest: self.highest,
            cut: self.cut.as_deref(),
            knee,
            leaks: self.leaks.as_ref().map(|leak| LeakPart {
                load: leak.load,
                below: leak.below.map(|below| below.0),
                below_is_clean: leak.below.map(|below| below.1),
            }),
            loads: self.loads.iter().map(part).collect(),
        };
        printable(&serde_json::to_string_pretty(&document).expect("a document of plain fields is JSON")) + "\n"
    }

    /// Renders a summary for a CI job.
    pub fn markdown(&self) -> String {
        let mut out = markdown::said(&self.headline());
        out.push_str("| In flight | Goodput | Fail | p95 | Leaks |\n|--:|--:|--:|--:|---|\n");
        for load in &self.loads {
            // Writing to a string doesn't fail.
            let _ = writeln!(out, "| {} |", row(load).map(|cell| escape(&cell)).join(" | "));
        }
        out
    }

    /// Renders the page; fails only if the chart can't be drawn.
    fn html(&self) -> Result<String, ReportError> {
        let first = self.headline();
        let drawn = svg(&self.chart())?;
        let page = page! {
            (DOCTYPE)
            html lang="en" {
                (html::head(html::NO_SCRIPTS, first.word, &self.name, &html::dark_charts()))
                body {
                    header { span.brand { "seepage" } span { (plain(&self.name)) } span { (plain(&self.started)) } }
                    main {
                        section.verdict.(html::tone(self.mood())) {
                            (html::said(&first))
                        }
                        section { h2 { "By requests in flight" } figure { (PreEscaped(drawn)) } }
                        section {
                            h2 { "Load by load" }
                            div.scroll {
                                table.gates {
                                    thead { tr { th { "In flight" } th { "Goodput" } th { "Fail" } th { "p95" } th { "Leaks" } th { "Run" } } }
                                    tbody {
                                        @for load in &self.loads {
                                            @let [at, goodput, fail, p95, leaks] = row(load);
                                            tr {
                                                th scope="row" { (at) }
                                                td data-head="goodput" { (plain(&goodput)) }
                                                td data-head="fail" { (plain(&fail)) }
                                                td data-head="p95" { (plain(&p95)) }
                                                td data-head="leaks" { (plain(&capital(&leaks))) }
                                                td data-head="run" { a href={ (plain(&load.run)) "/report.html" } { (plain(&load.sentence)) } }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                    footer { "seepage " (env!("CARGO_PKG_VERSION")) }
                }
            }
        };
        Ok(html::finished(page))
    }

    /// Writes every format into `directory`, the chart below `charts/`, and returns the paths.
    ///
    /// # Errors
    /// At the first file that can't be written, or if the chart can't be drawn.
    pub fn write(&self, directory: &Path) -> Result<Vec<PathBuf>, ReportError> {
        let failed = |path: PathBuf| move |source| ReportError::Write { path, source };
        let place = write::Directory::open(directory).map_err(failed(directory.to_owned()))?;
        let files = [("knee.json", self.json()), ("report.html", self.html()?), ("report.md", self.markdown())];
        let mut written = Vec::new();
        for (name, content) in &files {
            place.write(name, content.as_bytes()).map_err(failed(directory.join(name)))?;
            written.push(directory.join(name));
        }
        let folder = directory.join("charts");
        let charts = place.subdirectory("charts").map_err(failed(folder.clone()))?;
        for (name, content) in [("knee.svg", svg(&self.chart())?.into_bytes()), ("knee.png", png(&self.chart())?)] {
            charts.write(name, &content).map_err(failed(folder.join(name)))?;
            written.push(folder.join(name));
        }
        Ok(written)
    }
}

/// Requests in flight, goodput, share of failures with their kinds, p95, and whether it leaks.
fn row(load: &Load) -> [String; 5] {
    let step = &load.step;
    let unknown = || "–".to_owned();
    let leaks = match &step.broke {
        Some(broke) => format!("the run failed: {}", broke.why),
        None if step.grows.is_empty() => outcome_word(step.outcome).to_owned(),
        None => step.grows.iter().map(words::grows).collect::<Vec<_>>().join(", "),
    };
    [
        step.load.to_string(),
        step.goodput.map_or_else(unknown, |goodput| words::per_second(goodput.estimate)),
        step.error_rate().map_or_else(unknown, percent),
        step.p95.map_or_else(unknown, format_seconds),
        leaks,
    ]
}

fn part(load: &Load) -> LoadPart<'_> {
    let Load { step, run, sentence } = load;
    LoadPart {
        load: step.load,
        run,
        goodput: step.goodput.map(|g| [g.estimate, g.lower, g.upper]),
        ended: step.ended,
        failed: step.failed,
        statuses: &step.statuses,
        errors: &step.errors,
        p95: step.p95,
        verdict: outcome_word(step.outcome).to_owned(),
        leaks: step.grows.iter().map(words::grows).collect(),
        broke: step.broke.as_ref().map(|broke| broke.why.as_str()),
        sentence,
    }
}
