//! A comparison on its way to the user: of two runs, of a run with its baseline, of an experiment that is rendered again.

use super::output::{Answer, Inconclusive, Printed, colours, columns, folded, place, put, tell, told};
use super::problem::{Done, Problem};
use crate::compare::{self, Comparison, ComparisonNote, Pair, RunSummary, Side, Sides};
use crate::engine::Finished;
use crate::experiment;
use crate::model::{CountingSource, Per, RunRecord, RunStatus};
use crate::report::comparison::Report;
use crate::report::{Format, plain};
use crate::store;
use crate::verdict::{self, ExitCode};
use crate::words;
use std::path::Path;

/// A finished run that is compared.
pub struct Run {
    /// Its directory's name.
    pub id: String,
    /// All that is known of it.
    pub record: RunRecord,
}

impl Run {
    /// Reads it from its directory.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        Run::of(path, store::read(path).map_err(|error| Problem::new(ExitCode::Failure, error))?)
    }

    /// What was read from `path`.
    pub fn of(path: &Path, record: RunRecord) -> Result<Self, Problem> {
        if record.meta.budgets.per != Per::Request {
            let what = format!(
                "{}: growth per hour can't be compared, because the load of those hours was its own",
                path.display()
            );
            return Err(Problem::new(ExitCode::Usage, what));
        }
        let path = path.canonicalize()?;
        let id = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Run { id, record })
    }
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

/// A finished run that another is held against.
pub struct Baseline(Run);

impl Baseline {
    /// Reads it before anything is launched, so that a wrong path costs no run.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let run = Run::read(path)?;
        summary(&run)?;
        Ok(Baseline(run))
    }

    /// Holds a run against it: prints that, writes it into `baseline` in the run's directory, and exits with 12 if the run is
    /// worse. A run that failed or was cut short is no better or worse than another.
    pub fn hold(&self, run: &Finished, format: Printed, answer: &mut Answer) -> Result<(), Problem> {
        let Finished { record, directory, .. } = run;
        let judged =
            matches!(answer.code(), ExitCode::Clean | ExitCode::Leak | ExitCode::Inconclusive | ExitCode::Failure);
        if record.meta.status != RunStatus::Complete || !judged {
            return Ok(());
        }
        let id = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let candidate = Run { id, record: record.clone() };
        let two = TwoRuns::new(&self.0, &candidate)?;
        let report = two.report(&candidate.id);
        if two.comparison.exit() == ExitCode::Worse {
            answer.becomes(ExitCode::Worse);
        }
        if format == Printed::Terminal {
            let text =
                format!("\nAgainst the baseline {}:\n{}", plain(&self.0.id), report.terminal(colours(), columns()));
            answer.print(folded(text).as_bytes());
        }
        let folder = directory.join("baseline");
        let made = std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()));
        put(answer, made.and_then(|()| report.write(&folder).map_err(|e| e.to_string())), format);
        Ok(())
    }
}

/// A run that came to its end, reduced to its numbers.
fn summary(run: &Run) -> Result<RunSummary, Problem> {
    let verdict = verdict::judge(&run.record);
    match experiment::failure(&run.record, &verdict) {
        Some((exit, what)) => {
            Err(Problem::new(exit, format!("{} failed, so that nothing can be compared: {what}", run.id)))
        }
        None => {
            let sentence = words::headline(&run.record, &verdict).to_string();
            Ok(compare::summarize(&run.id, &run.record, &verdict, sentence))
        }
    }
}

/// Two runs, one held against the other.
pub struct TwoRuns<'a> {
    candidate: &'a Run,
    pairs: [Pair; 1],
    comparison: Comparison,
    notes: Vec<ComparisonNote>,
}

impl<'a> TwoRuns<'a> {
    /// Compares them; an error if one of them failed.
    pub fn new(baseline: &Run, candidate: &'a Run) -> Result<Self, Problem> {
        let side = |name: &str, run: &Run| Side { name: name.into(), phrase: format!("in {}", run.id) };
        let sides = Sides { a: side("baseline", baseline), b: side("candidate", candidate) };
        let pair = Pair { a: summary(baseline)?, b: summary(candidate)?, b_first: false };
        let margins = experiment::margins_of_run(&candidate.record);
        let comparison = compare::compare_runs(&sides, &pair.a, &pair.b, &margins);
        let notes = unlike(&baseline.record, &candidate.record);
        Ok(TwoRuns { candidate, pairs: [pair], comparison, notes })
    }

    /// What differs.
    pub fn comparison(&self) -> &Comparison {
        &self.comparison
    }

    /// What is to be told of it, under this id.
    pub fn report(&'a self, id: &'a str) -> Report<'a> {
        let meta = &self.candidate.record.meta;
        // A table is named by its file, as its side is.
        let is_table = meta.counting.source == CountingSource::Table;
        Report {
            name: if is_table { "the service" } else { &meta.name },
            id,
            started: &meta.started,
            seed: None,
            comparison: &self.comparison,
            pairs: &self.pairs,
            notes: &self.notes,
        }
    }
}

/// What makes two runs unlike, beside the target.
fn unlike(a: &RunRecord, b: &RunRecord) -> Vec<ComparisonNote> {
    let part = |run: &RunRecord, key: &str| run.meta.config.get(key).cloned();
    // The base URL names the port of the run.
    let workload = |run: &RunRecord| {
        let mut workload = part(run, "workload")?;
        workload.as_object_mut()?.remove("base-url");
        Some(workload)
    };
    let mut notes = Vec::new();
    if workload(a) != workload(b) || part(a, "phase") != part(b, "phase") {
        notes.push(ComparisonNote::WorkloadsDiffer);
    }
    if a.meta.host != b.meta.host {
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
    let comparison = compare::compare(&sides, &pairs, head.pairs, &experiment::margins_of_run(&record));
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
