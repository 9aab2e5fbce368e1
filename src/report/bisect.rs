//! What a search among modules found, and every step's evidence: terminal, Markdown, JSON and HTML.

use super::json::printable;
use super::markdown::escape;
use super::text::{Mood, plain};
use super::{ReportError, html, write};
use crate::bisect::{Blame, Finding, State};
use maud::{DOCTYPE, html as page};
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// A search with all that its reports tell of it.
#[derive(Debug, Clone, PartialEq)]
pub struct BisectReport {
    /// Name of the harness file's scenario.
    pub name: String,
    /// When it began, RFC 3339 in UTC.
    pub started: String,
    /// Modules that there are.
    pub modules: usize,
    /// Those that stayed on, each with the reason.
    pub kept: Vec<(String, String)>,
    /// What was found; missing if the search was interrupted.
    pub finding: Option<Finding>,
    /// Every measured configuration, in order.
    pub steps: Vec<BisectStep>,
}

/// One measured configuration.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct BisectStep {
    /// What it was to tell.
    pub purpose: String,
    /// Modules that were off.
    pub off: Vec<String>,
    /// `leaks`, `clean` or `unclear`.
    pub state: &'static str,
    /// Names of its runs' directories.
    pub runs: Vec<String>,
    /// The verdict of the last run.
    pub sentence: String,
}

/// The word of a state.
pub fn state_word(state: State) -> &'static str {
    match state {
        State::Leaks => "leaks",
        State::Clean => "clean",
        State::Unclear => "unclear",
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(title = "seepage bisect")]
struct Document<'a> {
    /// Version of this shape, `major.minor`; within a major version, fields are only added.
    format: &'static str,
    /// `found`, `no-leak`, `elsewhere`, `unclear` or `interrupted`.
    answer: &'static str,
    /// The answer in one sentence.
    sentence: String,
    /// Name of the scenario.
    name: &'a str,
    /// When it began, RFC 3339 in UTC.
    started: &'a str,
    /// What is to blame; several entries leak each by itself.
    blamed: Vec<BlamePart<'a>>,
    /// Modules that there are.
    modules: usize,
    /// Modules that stayed on, each with the reason.
    kept: &'a [(String, String)],
    /// Every measured configuration, in order.
    steps: &'a [BisectStep],
}

/// Modules that make a leak together.
#[derive(Serialize, JsonSchema)]
struct BlamePart<'a> {
    /// Their names.
    modules: &'a [String],
    /// Whether they leak with everything else off; null if that wasn't measured.
    alone: Option<bool>,
    /// Whether everything else is clean without them; null if that wasn't measured.
    cured: Option<bool>,
}

/// The JSON schema of `bisect.json`.
pub fn bisect_schema() -> serde_json::Value {
    schemars::schema_for!(Document<'_>).into()
}

impl BisectReport {
    fn blamed(&self) -> &[Blame] {
        match &self.finding {
            Some(Finding::Blamed(blamed)) => blamed,
            _ => &[],
        }
    }

    fn answer(&self) -> (&'static str, &'static str, Mood) {
        match self.finding {
            Some(Finding::Blamed(_)) => ("found", "FOUND", Mood::Bad),
            Some(Finding::NoLeak) => ("no-leak", "NO LEAK", Mood::Good),
            Some(Finding::Elsewhere) => ("elsewhere", "ELSEWHERE", Mood::Bad),
            Some(Finding::Unclear(_)) => ("unclear", "INCONCLUSIVE", Mood::Unsure),
            None => ("interrupted", "INTERRUPTED", Mood::Unsure),
        }
    }

    /// The answer in one sentence, without its first word.
    fn rest(&self) -> String {
        let after = match self.steps.len() {
            1 => "1 measured configuration".to_owned(),
            n => format!("{n} measured configurations"),
        };
        match &self.finding {
            Some(Finding::Blamed(blamed)) => {
                let words: Vec<String> = blamed.iter().map(blame_words).collect();
                format!("{}; {after}", words.join("; "))
            }
            Some(Finding::NoLeak) => format!("the target doesn't leak as it is; {after}"),
            Some(Finding::Elsewhere) => {
                format!("it leaks with everything off that can be: the fault is in what stayed on; {after}")
            }
            Some(Finding::Unclear(among)) => {
                format!("a configuration could not be decided; among {}; {after}", among.join(", "))
            }
            None => format!("after {after}"),
        }
    }

    /// Renders the end of a search for a terminal, with colours if `colour`.
    pub fn terminal(&self, colour: bool) -> String {
        let (_, word, mood) = self.answer();
        let style = match mood {
            Mood::Good => console::Style::new().green(),
            Mood::Bad => console::Style::new().red(),
            Mood::Unsure => console::Style::new().yellow(),
        };
        let word = style.bold().force_styling(colour).apply_to(word).to_string();
        let mut out = format!("{word}  {}\n\n", plain(&self.rest()));
        for (index, step) in self.steps.iter().enumerate() {
            out.push_str(&format!("  {:2}  {:7}  {}\n", index + 1, step.state, plain(&step.purpose)));
        }
        if !self.kept.is_empty() {
            out.push('\n');
        }
        for (name, why) in &self.kept {
            out.push_str(&format!("  - {} stayed on: {}\n", plain(name), plain(why)));
        }
        out
    }

    /// Renders `bisect.json`.
    pub fn json(&self) -> String {
        let (answer, word, _) = self.answer();
        let blamed = self.blamed().iter();
        let document = Document {
            format: "1.0",
            answer,
            sentence: format!("{word}  {}", self.rest()),
            name: &self.name,
            started: &self.started,
            blamed: blamed.map(|b| BlamePart { modules: &b.modules, alone: b.alone, cured: b.cured }).collect(),
            modules: self.modules,
            kept: &self.kept,
            steps: &self.steps,
        };
        printable(&serde_json::to_string_pretty(&document).expect("a document of plain fields is JSON")) + "\n"
    }

    /// Renders a summary for a CI job.
    pub fn markdown(&self) -> String {
        let (_, word, _) = self.answer();
        let mut out = format!("## **{word}** {}\n\n", escape(&self.rest()));
        out.push_str("| Step | | What for | Off | Verdict |\n|--:|---|---|--:|---|\n");
        for (index, step) in self.steps.iter().enumerate() {
            let (purpose, sentence) = (escape(&step.purpose), escape(&step.sentence));
            // Writing to a string doesn't fail.
            let _ = writeln!(out, "| {} | {} | {purpose} | {} | {sentence} |", index + 1, step.state, step.off.len());
        }
        for (name, why) in &self.kept {
            let _ = writeln!(out, "\n- {} stayed on: {}", escape(name), escape(why));
        }
        out
    }

    /// Renders the page.
    pub fn html(&self) -> String {
        let (_, word, mood) = self.answer();
        page! {
            (DOCTYPE)
            html lang="en" {
                (html::head(html::NO_SCRIPTS, word, &self.name, ""))
                body {
                    header { span.brand { "seepage" } span { (plain(&self.name)) } span { (plain(&self.started)) } }
                    main {
                        section.verdict.(html::tone(mood)) { h1 { span.word { (word) } " " (plain(&self.rest())) } }
                        section {
                            h2 { "Step by step" }
                            div.scroll {
                                table {
                                    thead { tr { th { "" } th { "" } th { "What for" } th { "Off" } th { "Verdict" } th { "Runs" } } }
                                    tbody {
                                        @for (index, step) in self.steps.iter().enumerate() {
                                            tr {
                                                th scope="row" { (index + 1) }
                                                td { span.state.(html::tone(step_mood(step))) { (step.state) } }
                                                td { (plain(&step.purpose)) }
                                                td { (plain(&step.off.join(", "))) }
                                                td { (plain(&step.sentence)) }
                                                td { @for run in &step.runs { a href={ (plain(run)) "/report.html" } { (plain(run)) } " " } }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                        @if !self.kept.is_empty() {
                            section {
                                h2 { "What stayed on" }
                                table.facts {
                                    tbody { @for (name, why) in &self.kept { tr { th scope="row" { (plain(name)) } td { (plain(why)) } } } }
                                }
                            }
                        }
                    }
                    footer { "seepage " (env!("CARGO_PKG_VERSION")) }
                }
            }
        }
        .into_string()
    }

    /// Writes every format into `directory` and returns the paths.
    ///
    /// # Errors
    /// At the first file that can't be written.
    pub fn write(&self, directory: &Path) -> Result<Vec<PathBuf>, ReportError> {
        let failed = |path: PathBuf| move |source| ReportError::Write { path, source };
        let place = write::Directory::open(directory).map_err(failed(directory.to_owned()))?;
        let files = [("bisect.json", self.json()), ("report.html", self.html()), ("report.md", self.markdown())];
        for (name, content) in &files {
            place.write(name, content.as_bytes()).map_err(failed(directory.join(name)))?;
        }
        Ok(files.map(|(name, _)| directory.join(name)).to_vec())
    }
}

fn step_mood(step: &BisectStep) -> Mood {
    match step.state {
        "leaks" => Mood::Bad,
        "clean" => Mood::Good,
        _ => Mood::Unsure,
    }
}

fn blame_words(blame: &Blame) -> String {
    let names = blame.modules.join(" and ");
    let together = if blame.modules.len() > 1 { " together" } else { "" };
    let alone = match blame.alone {
        Some(true) => format!("with only {names} on it leaks"),
        Some(false) => "it doesn't leak with only that on: it needs still more".to_owned(),
        None => "whether it leaks by itself wasn't measured".to_owned(),
    };
    let cured = match blame.cured {
        Some(true) => ", without it everything else is clean",
        Some(false) => ", and something else leaks too",
        None => "; everything else without it wasn't measured",
    };
    format!("{names}{together}: {alone}{cured}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::HOSTILE;

    fn report() -> BisectReport {
        let step = |purpose: &str, off: &[&str], state, sentence: &str| BisectStep {
            purpose: purpose.into(),
            off: off.iter().map(|s| (*s).to_owned()).collect(),
            state,
            runs: vec!["step-01".into()],
            sentence: sentence.into(),
        };
        BisectReport {
            name: "apache-upload".into(),
            started: "2026-11-21T00:12:31Z".into(),
            modules: 4,
            kept: vec![("mpm_prefork_module".into(), "the target doesn't start without it: No MPM loaded.".into())],
            finding: Some(Finding::Blamed(vec![Blame {
                modules: vec!["upload_module".into()],
                alone: Some(true),
                cured: Some(true),
            }])),
            steps: vec![
                step("as it is", &[], "leaks", "LEAK  4.1 KiB/request"),
                step("1 of 2 suspects off", &["upload_module"], "clean", "CLEAN  at most 12 B/request"),
            ],
        }
    }

    #[test]
    fn a_search_reads_well() {
        insta::assert_snapshot!("bisect_terminal", report().terminal(false));
        insta::assert_snapshot!("bisect_markdown", report().markdown());
    }

    #[test]
    fn searches_fit_their_published_schema() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/bisect.schema.json");
        let current = serde_json::to_string_pretty(&bisect_schema()).unwrap() + "\n";
        if std::env::var_os("SEEPAGE_BLESS").is_some() {
            std::fs::write(path, &current).unwrap();
        }
        assert!(std::fs::read_to_string(path).unwrap_or_default() == current, "SEEPAGE_BLESS=1 writes {path}");
        let validator = jsonschema::validator_for(&bisect_schema()).unwrap();
        for finding in [report().finding, Some(Finding::NoLeak), Some(Finding::Elsewhere), None] {
            let report = BisectReport { finding, ..report() };
            let document: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
            let errors: Vec<String> = validator.iter_errors(&document).map(|e| e.to_string()).collect();
            assert!(errors.is_empty(), "{errors:?}");
        }
    }

    #[test]
    fn nothing_hostile_gets_through() {
        let mut report = report();
        report.kept = vec![(HOSTILE.into(), HOSTILE.into())];
        report.finding = Some(Finding::Unclear(vec![HOSTILE.into()]));
        report.steps[0].runs = vec![HOSTILE.into()];
        report.steps[0].sentence = HOSTILE.into();
        for text in [report.html(), report.markdown(), report.terminal(false), report.json()] {
            assert_eq!(text.chars().find(|c| c.is_control() && *c != '\n'), None);
        }
        assert!(!report.html().contains("<img") && !report.markdown().contains("<img"));
    }
}
