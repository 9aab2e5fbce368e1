//! A comparison on its way to the user: of two runs, of a run with its baseline, of an experiment that is rendered again.

use super::baseline;
use super::output::{Answer, Inconclusive, Printed, colours, columns, folded, place, put, tell, told};
use super::problem::{Done, Problem};
use super::recorded::How;
use crate::answer::ExitCode;
use crate::baseline::Baseline;
use crate::compare::{self, Comparison, ComparisonNote, Margins, Pair, RunSummary, ServiceMargins, Side, Sides};
use crate::engine::Finished;
use crate::experiment;
use crate::model::{CountingSource, Per, RunRecord, RunStatus};
use crate::report::comparison::Report;
use crate::report::{Format, plain};
use crate::store;
use crate::verdict;
use crate::words;
use serde_json::Value;
use std::path::Path;

/// A finished run that is compared, from its readings or from the file of its verdict alone.
pub struct Run {
    /// Its directory's name.
    pub id: String,
    known: Baseline,
    summary: RunSummary,
    margins: Margins,
    services: ServiceMargins,
    /// Whether it is a table, which is named by its file.
    is_table: bool,
    /// What it was asked to send, and in which phases; missing where only the verdict is there.
    workload: Option<[Option<Value>; 2]>,
}

impl Run {
    /// Reads it from its directory, or from the file of its verdict; an error if it failed.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        if path.is_file() {
            return Run::of_file(baseline::read(path)?, path);
        }
        Run::of(path, store::read(path).map_err(|error| Problem::new(ExitCode::Failure, error))?)
    }

    /// The same, or a table that another tool wrote.
    pub fn read_recorded(path: &Path, how: &How) -> Result<Self, Problem> {
        if !baseline::is_one(path) {
            return Run::of(path, how.shown(path)?);
        }
        if !how.is_usual() {
            let what = "the file of a verdict has its own budgets: --budget and the options of columns are for runs and tables";
            return Err(Problem::new(ExitCode::Usage, format!("{}: {what}", path.display())));
        }
        Run::of_file(baseline::read(path)?, path)
    }

    /// What was read from the directory or the table `path`.
    fn of(path: &Path, record: RunRecord) -> Result<Self, Problem> {
        let path_is = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if record.meta.budgets.per != Per::Request {
            return Err(by_the_hour(path));
        }
        Run::of_record(path_is(&path.canonicalize()?), &record)
    }

    /// What was recorded in a directory of this name.
    fn of_record(id: String, record: &RunRecord) -> Result<Self, Problem> {
        let verdict = verdict::judge(record);
        if let Some((exit, what)) = experiment::failure(record, &verdict) {
            return Err(failed(&id, exit, &what));
        }
        let sentence = words::headline(record, &verdict).to_string();
        let part = |key: &str| record.meta.config.get(key).cloned();
        // The base URL names the port of the run.
        let workload = part("workload").map(|mut workload| {
            workload.as_object_mut().map(|keys| keys.remove("base-url"));
            workload
        });
        Ok(Run {
            summary: compare::summarize(&id, record, &verdict, sentence.clone()),
            known: Baseline::of(record, &verdict, sentence),
            margins: experiment::margins_of_run(record),
            services: experiment::margins_of_services_of_run(record),
            is_table: record.meta.counting.source == CountingSource::Table,
            workload: Some([workload, part("phase")]),
            id,
        })
    }

    /// What the file of a verdict says.
    fn of_file(known: Baseline, path: &Path) -> Result<Self, Problem> {
        if !known.is_by_request() {
            return Err(by_the_hour(path));
        }
        let id = known.run.id.clone();
        if let Some((exit, what)) = known.failure() {
            return Err(failed(&id, exit, &what));
        }
        let (summary, margins) = (known.summary(&id), experiment::margins_of_baseline(&known));
        let services = ServiceMargins::new();
        Ok(Run { id, known, summary, margins, services, is_table: false, workload: None })
    }
}

fn by_the_hour(path: &Path) -> Problem {
    let what = "growth per hour can't be compared, because the load of those hours was its own";
    Problem::new(ExitCode::Usage, format!("{}: {what}", path.display()))
}

fn failed(id: &str, exit: ExitCode, what: &str) -> Problem {
    Problem::new(exit, format!("{id} failed, so that nothing can be compared: {what}"))
}

/// Prints a comparison that exits with `code`; its reports go into `directory`, if they are wanted.
pub fn conclude(
    report: &Report<'_>,
    directory: Option<&Path>,
    format: Printed,
    code: ExitCode,
) -> Result<Answer, Problem> {
    let mut answer = Answer::new(code);
    let text = match format {
        Printed::Terminal => printed(report),
        Printed::Json => report.render(Format::Json, false)?.unwrap_or_default(),
    };
    answer.print(&text);
    if let Some(directory) = directory {
        put(&mut answer, report.write(directory), format);
    }
    Ok(answer)
}

/// A comparison as it is printed for somebody to read.
fn printed(report: &Report<'_>) -> Vec<u8> {
    folded(report.terminal(colours(), columns())).into_bytes()
}

/// What a comparison exits with, given what an inconclusive one counts as. One that was cut short never passes, and what its
/// pairs look like between two looks proves nothing.
pub fn exit_code(comparison: &Comparison, inconclusive: Option<Inconclusive>, complete: bool) -> ExitCode {
    let code = if complete { comparison.exit() } else { ExitCode::Inconclusive };
    match (code, inconclusive) {
        (ExitCode::Inconclusive, Some(Inconclusive::Pass)) if complete => ExitCode::Clean,
        (ExitCode::Inconclusive, Some(Inconclusive::Fail)) => ExitCode::Worse,
        (code, _) => code,
    }
}

/// Holds a run against `baseline`: prints that, writes it into `baseline` in the run's directory, and exits with 12 if the run is
/// worse. A run that failed or was cut short is no better or worse than another.
pub fn hold(baseline: &Run, run: &Finished, format: Printed, answer: &mut Answer) -> Result<(), Problem> {
    let Finished { record, directory, .. } = run;
    let judged = matches!(
        answer.code(),
        ExitCode::Clean | ExitCode::Accepted | ExitCode::Leak | ExitCode::Inconclusive | ExitCode::Failure
    );
    if record.meta.status != RunStatus::Complete || !judged {
        return Ok(());
    }
    let id = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let candidate = Run::of_record(id, record)?;
    let two = TwoRuns::new(baseline, &candidate);
    let report = two.report(&candidate.id);
    if two.comparison.exit() == ExitCode::Worse {
        answer.becomes(ExitCode::Worse);
    }
    if format == Printed::Terminal {
        let text =
            format!("\nAgainst the baseline {}:\n{}", plain(&baseline.id), report.terminal(colours(), columns()));
        answer.print(folded(text).as_bytes());
    }
    let folder = directory.join("baseline");
    let made = std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()));
    put(answer, made.and_then(|()| report.write(&folder).map_err(|e| e.to_string())), format);
    Ok(())
}

/// Two runs, one held against the other.
pub struct TwoRuns<'a> {
    candidate: &'a Run,
    pairs: [Pair; 1],
    comparison: Comparison,
    notes: Vec<ComparisonNote>,
}

impl<'a> TwoRuns<'a> {
    /// Compares them.
    pub fn new(baseline: &Run, candidate: &'a Run) -> Self {
        let side = |name: &str, run: &Run| Side { name: name.into(), phrase: format!("in {}", run.id) };
        let sides = Sides { a: side("baseline", baseline), b: side("candidate", candidate) };
        let pair = Pair { a: baseline.summary.clone(), b: candidate.summary.clone(), b_first: false };
        // The file of a verdict has the target alone.
        let mut services = candidate.services.clone();
        services.retain(|name, _| pair.a.services.contains_key(name));
        let comparison = compare::compare_runs(&sides, &pair.a, &pair.b, &candidate.margins, &services);
        TwoRuns { candidate, pairs: [pair], comparison, notes: unlike(baseline, candidate) }
    }

    /// What differs.
    pub fn comparison(&self) -> &Comparison {
        &self.comparison
    }

    /// What is to be told of it, under this id.
    pub fn report(&'a self, id: &'a str) -> Report<'a> {
        let run = &self.candidate.known.run;
        Report {
            name: if self.candidate.is_table { "the service" } else { &run.name },
            id,
            started: &run.started,
            seed: None,
            comparison: &self.comparison,
            pairs: &self.pairs,
            notes: &self.notes,
        }
    }
}

/// What makes two runs unlike, beside the target.
fn unlike(a: &Run, b: &Run) -> Vec<ComparisonNote> {
    let mut notes = Vec::new();
    if a.known.rule != b.known.rule {
        notes.push(ComparisonNote::RulesDiffer { a: a.known.rule, b: b.known.rule });
    }
    match (&a.workload, &b.workload) {
        (Some(a), Some(b)) if a == b => {}
        (Some(_), Some(_)) => notes.push(ComparisonNote::WorkloadsDiffer),
        _ => notes.push(ComparisonNote::WorkloadUnknown),
    }
    if !a.known.shares_machine(&b.known) {
        notes.push(ComparisonNote::HostsDiffer);
    }
    notes
}

/// How an experiment goes on that was ended before its time.
pub fn goes_on(by: Option<String>, directory: &Path) -> ComparisonNote {
    ComparisonNote::GoesOn { by, directory: directory.display().to_string() }
}

/// Renders an experiment again, from its directory alone.
pub fn render_again(directory: &Path, format: Option<Format>, to: Option<&Path>) -> Done {
    let failed = |error: String| Problem::new(ExitCode::Failure, error);
    let head = experiment::read_head(directory)?;
    let pairs = experiment::finished_pairs(directory, head.pairs, head.seed);
    let Some(first) = pairs.first() else {
        let what = format!(
            "{}: no pair of runs of this experiment came to its end, so that there is nothing to compare; the command that \
             began it goes on with `--resume {}`",
            directory.display(),
            directory.display()
        );
        return Err(failed(what));
    };
    let record = store::read(&directory.join(&first.a.id)).map_err(|e| failed(e.to_string()))?;
    let side = |s: &store::ExperimentSide| Side { name: s.name.clone(), phrase: s.phrase.clone() };
    let sides = Sides { a: side(&head.sides[0]), b: side(&head.sides[1]) };
    let (margins, services) = (experiment::margins_of_run(&record), experiment::margins_of_services_of_run(&record));
    let comparison = compare::compare(&sides, &pairs, head.pairs, &margins, &services);
    let path = directory.canonicalize()?;
    let mut notes: Vec<ComparisonNote> = head.notes.iter().cloned().map(ComparisonNote::Recorded).collect();
    if comparison.is_unfinished() {
        notes.push(goes_on(None, directory));
    }
    let report = Report {
        name: &head.name,
        id: &path.file_name().unwrap_or_default().to_string_lossy(),
        started: &head.started,
        seed: Some(head.seed),
        comparison: &comparison,
        pairs: &pairs,
        notes: &notes,
    };
    Ok(match format {
        Some(Format::Terminal) => tell(&printed(&report)),
        Some(format) => match report.render(format, false)? {
            Some(content) => tell(&content),
            None => return Err(Problem::new(ExitCode::Usage, format!("a comparison can't be rendered as {format}"))),
        },
        None => told(&report.write(&place(directory, to)?)?),
    })
}
