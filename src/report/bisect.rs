//! What a search among modules found, and every step's evidence: terminal, Markdown, JSON and HTML.

use super::fold::hung;
use super::json::printable;
use super::markdown::{self, escape};
use super::text::{Mood, plain};
use super::{ReportError, html, terminal, write};
use crate::bisect::{Blame, Finding, Kept, Purpose, State};
use crate::words::{Headline, bisect as words, capital};
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
    pub modules: Vec<String>,
    /// Those that stayed on, each with the reason.
    pub kept: Vec<(String, Kept)>,
    /// What was found, or what ended the search before, in words.
    pub finding: Result<Finding, String>,
    /// What was found before it ended.
    pub blamed: Vec<Blame>,
    /// Modules that are suspected still.
    pub suspects: Vec<String>,
    /// Every measured configuration, in order.
    pub steps: Vec<BisectStep>,
}

/// One measured configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct BisectStep {
    /// What it was to tell.
    pub purpose: Purpose,
    /// Modules that were off.
    pub off: Vec<String>,
    /// What was seen.
    pub state: State,
    /// Names of its runs' directories.
    pub runs: Vec<String>,
    /// The verdict of the last run.
    pub sentence: String,
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
    kept: Vec<(&'a str, String)>,
    /// Modules that were suspected at the end; those to blame are among them only if the search ended before it had an answer.
    suspects: &'a [String],
    /// Every measured configuration, in order.
    steps: Vec<StepPart<'a>>,
}

/// One measured configuration.
#[derive(Serialize, JsonSchema)]
struct StepPart<'a> {
    /// What it was to tell.
    purpose: String,
    /// Modules that were off.
    off: &'a [String],
    /// `leaks`, `clean` or `unclear`.
    state: &'static str,
    /// Names of its runs' directories.
    runs: &'a [String],
    /// The verdict of the last run.
    sentence: &'a str,
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
    fn answer(&self) -> (&'static str, Mood) {
        match self.finding {
            Ok(Finding::Blamed(_)) => ("found", Mood::Bad),
            Ok(Finding::NoLeak) => ("no-leak", Mood::Good),
            Ok(Finding::Elsewhere) => ("elsewhere", Mood::Bad),
            Ok(Finding::Unclear(_)) => ("unclear", Mood::Unsure),
            Err(_) => ("interrupted", Mood::Unsure),
        }
    }

    fn headline(&self) -> Headline {
        let states: Vec<State> = self.steps.iter().map(|step| step.state).collect();
        let stays = |name: &&String| self.kept.iter().any(|(kept, _)| kept == *name);
        let modules: Vec<String> = self.modules.iter().filter(|name| !stays(name)).cloned().collect();
        words::headline(&words::Search {
            name: &self.name,
            finding: self.finding.as_ref().map_err(String::as_str),
            blamed: &self.blamed,
            suspects: &self.suspects,
            modules: &modules,
            steps: &states,
        })
    }

    /// What else there is to say, a sentence each without its full stop; the name of a module keeps its small letters.
    fn notes(&self) -> Vec<String> {
        self.kept.iter().map(|(name, why)| format!("{name} stays on: {}", words::kept(why))).collect()
    }

    /// Renders the end of a search for a terminal, with colours if `colour`; what a step is for is folded to `width` columns.
    pub fn terminal(&self, colour: bool, width: usize) -> String {
        let mut out = terminal::said(&self.headline(), terminal::style(self.answer().1), colour);
        if !self.steps.is_empty() {
            out.push('\n');
        }
        for (index, step) in self.steps.iter().enumerate() {
            let (state, purpose) = (words::state(step.state), words::purpose(&step.purpose));
            out.push_str(&hung(&format!("  {:2}  {state:5}  ", index + 1), &plain(&purpose), width));
        }
        if !self.kept.is_empty() {
            out.push('\n');
        }
        out.extend(self.notes().iter().map(|note| format!("  - {}\n", plain(note))));
        out
    }

    /// Renders `bisect.json`.
    pub fn json(&self) -> String {
        let blamed = self.blamed.iter();
        let document = Document {
            format: "1.1",
            answer: self.answer().0,
            sentence: self.headline().to_string(),
            name: &self.name,
            started: &self.started,
            blamed: blamed.map(|b| BlamePart { modules: &b.modules, alone: b.alone, cured: b.cured }).collect(),
            modules: self.modules.len(),
            kept: self.kept.iter().map(|(name, why)| (name.as_str(), words::kept(why))).collect(),
            suspects: &self.suspects,
            steps: self.steps.iter().map(step_part).collect(),
        };
        printable(&serde_json::to_string_pretty(&document).expect("a document of plain fields is JSON")) + "\n"
    }

    /// Renders a summary for a CI job.
    pub fn markdown(&self) -> String {
        let mut out = markdown::said(&self.headline());
        out.push_str("| Step | | What for | Off | Verdict |\n|--:|---|---|--:|---|\n");
        for (index, step) in self.steps.iter().enumerate() {
            let (purpose, sentence) = (escape(&words::purpose(&step.purpose)), escape(&step.sentence));
            let (state, off) = (words::state(step.state), step.off.len());
            // Writing to a string doesn't fail.
            let _ = writeln!(out, "| {} | {state} | {purpose} | {off} | {sentence} |", index + 1);
        }
        for note in self.notes() {
            let _ = writeln!(out, "\n- {}", escape(&note));
        }
        out
    }

    /// Renders the page.
    pub fn html(&self) -> String {
        let mood = self.answer().1;
        let first = self.headline();
        let page = page! {
            (DOCTYPE)
            html lang="en" {
                (html::head(html::NO_SCRIPTS, first.word, &self.name, ""))
                body {
                    header { span.brand { "seepage" } span { (plain(&self.name)) } span { (plain(&self.started)) } }
                    main {
                        section.verdict.(html::tone(mood)) {
                            (html::said(&first))
                        }
                        section {
                            h2 { "Step by step" }
                            div.scroll {
                                table.gates {
                                    thead { tr { th { "" } th { "" } th { "What for" } th { "Off" } th { "Verdict" } th { "Runs" } } }
                                    tbody {
                                        @for (index, step) in self.steps.iter().enumerate() {
                                            tr {
                                                th scope="row" { (index + 1) }
                                                td { span.state.(html::tone(step_mood(step))) { (words::state(step.state)) } }
                                                td { (plain(&words::purpose(&step.purpose))) }
                                                td data-head="off" { (plain(&step.off.join(", "))) }
                                                td data-head="verdict" { (plain(&step.sentence)) }
                                                td data-head="runs" { @for run in &step.runs { a href={ (plain(run)) "/report.html" } { (plain(run)) } " " } }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                        @if !self.kept.is_empty() {
                            section {
                                h2 { "What stays on" }
                                table.facts {
                                    tbody {
                                        @for (name, why) in &self.kept {
                                            tr { th scope="row" { (plain(name)) } td { (plain(&capital(&words::kept(why)))) } }
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
        html::finished(page)
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

fn step_part(step: &BisectStep) -> StepPart<'_> {
    let BisectStep { purpose, off, state, runs, sentence } = step;
    let state = if *state == State::Unclear { "unclear" } else { words::state(*state) };
    StepPart { purpose: words::purpose(purpose), off, state, runs, sentence }
}

fn step_mood(step: &BisectStep) -> Mood {
    match step.state {
        State::Leaks => Mood::Bad,
        State::Clean => Mood::Good,
        State::Unclear => Mood::Unsure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::HOSTILE;

    fn report() -> BisectReport {
        let step = |purpose: Purpose, off: &[&str], state, sentence: &str| BisectStep {
            purpose,
            off: off.iter().map(|s| (*s).to_owned()).collect(),
            state,
            runs: vec!["step-01".into()],
            sentence: sentence.into(),
        };
        let blamed = vec![Blame { modules: vec!["upload_module".into()], alone: Some(true), cured: Some(true) }];
        BisectReport {
            name: "apache-upload".into(),
            started: "2026-11-21T00:12:31Z".into(),
            modules: ["mpm_prefork_module", "alias_module", "upload_module"].map(str::to_owned).to_vec(),
            kept: vec![("mpm_prefork_module".into(), Kept::NoStart("No MPM loaded.".into()))],
            finding: Ok(Finding::Blamed(blamed.clone())),
            blamed,
            suspects: vec!["upload_module".into()],
            steps: vec![
                step(Purpose::AsItIs, &[], State::Leaks, "apache-upload LEAKS: each request leaves 4.1 KiB"),
                step(Purpose::PartOff { off: 1, of: 2 }, &["upload_module"], State::Clean, "apache-upload is CLEAN"),
            ],
        }
    }

    /// A search that was cut short after its steps, or before its first.
    fn cut(by: &str, steps: usize) -> BisectReport {
        let mut report = BisectReport { finding: Err(by.into()), blamed: Vec::new(), ..report() };
        report.steps.truncate(steps);
        report
    }

    #[test]
    fn a_search_reads_well() {
        insta::assert_snapshot!("bisect_terminal", report().terminal(false, usize::MAX));
        insta::assert_snapshot!("bisect_markdown", report().markdown());
    }

    #[test]
    fn a_search_without_steps_has_no_gap_for_them() {
        let none = cut("stopped by --deadline 30s", 0).terminal(false, usize::MAX);
        assert!(!none.contains("\n\n\n"), "{none}");
    }

    #[test]
    fn every_answer_reads_well() {
        let two = |names: [&str; 2]| Blame {
            modules: names.map(str::to_owned).to_vec(),
            alone: Some(true),
            cured: Some(false),
        };
        let among: Vec<String> = (b'a'..=b'i').map(|name| char::from(name).to_string()).collect();
        let finding = |finding| BisectReport { finding: Ok(finding), ..report() };
        let mut found_one = cut("stopped by --deadline 30s", 2);
        found_one.blamed = vec![two(["a", "b"])];
        let reports = [
            finding(Finding::Blamed(vec![two(["a", "b"]), Blame { alone: None, cured: None, ..two(["c", "d"]) }])),
            finding(Finding::NoLeak),
            finding(Finding::Elsewhere),
            finding(Finding::Unclear(among)),
            cut("ended early by Ctrl-C", 2),
            cut("stopped by --deadline 30s", 0),
            found_one,
        ];
        let said = |report: &BisectReport| {
            let first = report.headline();
            format!("{}{}", first, first.more.iter().map(|line| format!("\n    {line}")).collect::<String>())
        };
        insta::assert_snapshot!("bisect_answers", reports.each_ref().map(said).join("\n"));
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
        for finding in [report().finding, Ok(Finding::NoLeak), Ok(Finding::Elsewhere), Err("stopped".into())] {
            let report = BisectReport { finding, ..report() };
            let document: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
            let errors: Vec<String> = validator.iter_errors(&document).map(|e| e.to_string()).collect();
            assert!(errors.is_empty(), "{errors:?}");
        }
    }

    #[test]
    fn nothing_hostile_gets_through() {
        let mut report = report();
        report.name = HOSTILE.into();
        report.kept = vec![(HOSTILE.into(), Kept::NoStart(HOSTILE.into()))];
        report.finding = Ok(Finding::Unclear(vec![HOSTILE.into()]));
        report.steps[0].purpose = Purpose::Only(vec![HOSTILE.into()]);
        report.steps[0].runs = vec![HOSTILE.into()];
        report.steps[0].sentence = HOSTILE.into();
        for text in [report.html(), report.markdown(), report.terminal(false, usize::MAX), report.json()] {
            assert_eq!(text.chars().find(|c| c.is_control() && *c != '\n'), None);
        }
        assert!(!report.html().contains("<img") && !report.markdown().contains("<img"));
    }
}
