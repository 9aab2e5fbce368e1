//! How many requests in flight a target takes, found by runs with more and more of them.
//!
//! Each load has a target of its own, launched anew: what too much of it leaves behind never spoils the next.

use super::Observer;
use crate::answer::ExitCode;
use crate::config::{Harness, PhaseConfig, Span, WorkloadConfig};
use crate::engine::{self, Interrupt, Interruption, RunError, RunRequest};
use crate::knee::{self, Answer, LeaksFrom, Step};
use crate::model::PhaseKind;
use crate::verdict;
use crate::words;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// A warm-up is no longer: caches fill in the first seconds, and there are many runs.
const WARM_UP: Duration = Duration::from_secs(2);

/// What is to be measured.
pub struct KneeRequest<'a> {
    /// The harness file.
    pub harness: &'a Harness,
    /// Where it is.
    pub harness_dir: &'a Path,
    /// The experiment's directory.
    pub directory: &'a Path,
    /// The highest number of requests in flight.
    pub highest: u64,
    /// How long each load is held.
    pub soak: Duration,
    /// The variable that tells an external command how many requests to have in flight.
    pub variable: Option<&'a str>,
    /// What ends it before its time.
    pub interrupt: Interrupt,
}

/// What came of it.
#[derive(Debug)]
pub struct KneeEnd {
    /// What was found.
    pub answer: Answer,
    /// From which load on it leaks, if it does.
    pub leaks: Option<LeaksFrom>,
    /// Every load that was measured, in the order of the runs.
    pub measured: Vec<AtLoad>,
    /// What ended it before its time.
    pub cut: Option<Interruption>,
}

/// One run, with one number of requests in flight.
#[derive(Debug, Clone)]
pub struct AtLoad {
    /// What it says.
    pub step: Step,
    /// Name of its directory.
    pub run: String,
    /// Its verdict in a sentence.
    pub sentence: String,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum KneeError {
    /// The number of requests in flight can't be set.
    #[error("{0}")]
    NoLoad(String),
    /// A run could not begin.
    #[error("{what}: {source}")]
    Run {
        /// Which one.
        what: String,
        /// Why.
        source: RunError,
    },
    /// A run failed that should not have, with one request in flight or for a reason that has to do with none.
    #[error("{what}: {why}; its directory is {}", .directory.display())]
    Failed {
        /// Which one.
        what: String,
        /// What it says.
        why: String,
        /// Where it is.
        directory: PathBuf,
        /// What to exit with.
        exit: ExitCode,
    },
}

/// Measures the target of a harness file with one request in flight, two, four and so on.
///
/// # Errors
/// If the number of requests in flight can't be set, a run can't begin, or the target fails with one already.
pub fn knee(request: &KneeRequest<'_>, observer: &mut dyn Observer) -> Result<KneeEnd, KneeError> {
    check(request)?;
    let mut measured: Vec<AtLoad> = Vec::new();
    let mut steps: Vec<Step> = Vec::new();
    let mut cut = None;
    while let Some(load) = knee::next(&steps, request.highest) {
        match measure(request, load, observer)? {
            Ok(at_load) => {
                steps.push(at_load.step.clone());
                measured.push(at_load);
            }
            Err(by) => {
                cut = Some(by);
                break;
            }
        }
    }
    let answer = knee::answer(&steps, request.highest);
    Ok(KneeEnd { answer, leaks: knee::leaks_from(&steps), measured, cut })
}

/// Checks that there is a number of requests in flight to be set.
fn check(request: &KneeRequest<'_>) -> Result<(), KneeError> {
    let no = |text: &str| Err(KneeError::NoLoad(text.to_owned()));
    match (&request.harness.workload, request.variable) {
        (None, _) => {
            no("a knee is sought by sending more and more requests, and this harness file has no [workload]: add one")
        }
        (Some(workload), None) if workload.command.is_some() => no(
            "this workload is a command of its own, which must be told how many requests to have in flight: name the variable of its \
             environment that says it, as in `--variable CONCURRENCY`",
        ),
        (Some(workload), Some(_)) if workload.command.is_none() => no(
            "--variable is for a workload that is a command: the driver's own steps know how many requests are in flight",
        ),
        (Some(workload), Some(variable)) if !takes(request.harness, workload, variable) => no(&format!(
            "nothing in this harness file takes the variable {variable}: if the workload's command reads it, name it in pass-env or \
             [target.env]",
        )),
        _ => Ok(()),
    }
}

/// Whether the file names this variable of the environment that its workload's command gets: otherwise it may be misspelt, and every
/// load would be the same.
fn takes(harness: &Harness, workload: &WorkloadConfig, variable: &str) -> bool {
    let named =
        harness.target.env.contains_key(variable) || harness.target.pass_env.iter().any(|name| name == variable);
    let words = |text: &str| text.split(|c: char| c != '_' && !c.is_ascii_alphanumeric()).any(|word| word == variable);
    named || workload.command.iter().flatten().any(|argument| words(argument))
}

/// The harness file with so many requests in flight, and no longer than is needed.
fn at(request: &KneeRequest<'_>, load: u64) -> Harness {
    let mut harness = request.harness.clone();
    if let Some(workload) = &mut harness.workload {
        workload.rate = None;
        workload.concurrency = u32::try_from(load).ok().filter(|_| workload.command.is_none());
    }
    if let Some(variable) = request.variable {
        harness.target.env.insert(variable.to_owned(), load.to_string());
    }
    let lasting = |kind, length: Duration| PhaseConfig {
        kind,
        duration: Some(Span(length)),
        requests: None,
        requests_per_worker: None,
        rate: None,
        concurrency: None,
    };
    let of_kind = |kind| request.harness.phases.iter().find(move |phase| phase.kind == kind);
    let warm_up = of_kind(PhaseKind::WarmUp)
        .map(|phase| lasting(PhaseKind::WarmUp, phase.duration.map_or(WARM_UP, |span| span.0.min(WARM_UP))));
    let settle = of_kind(PhaseKind::Settle).cloned();
    harness.phases = warm_up.into_iter().chain([lasting(PhaseKind::Soak, request.soak)]).chain(settle).collect();
    harness
}

/// Runs the target with so many requests in flight; or what ended that before its time.
fn measure(
    request: &KneeRequest<'_>,
    load: u64,
    observer: &mut dyn Observer,
) -> Result<Result<AtLoad, Interruption>, KneeError> {
    if let Some(by) = request.interrupt.cause() {
        return Ok(Err(by));
    }
    let what = format!("{} in flight", words::counted(load, "request"));
    observer.begin(&what);
    let label = format!("load-{load:04}");
    let harness = at(request, load);
    let run = RunRequest {
        harness: &harness,
        harness_dir: request.harness_dir,
        reports: request.directory,
        label: Some(&label),
        extend: None,
        keep: false,
        interrupt: request.interrupt.clone(),
    };
    let finished = match engine::run(&run, &mut |progress| observer.look(progress), &mut |_, _| None) {
        Ok(finished) => finished,
        Err(source) => return Err(KneeError::Run { what, source }),
    };
    if let Some(by) = finished.interrupted {
        return Ok(Err(by));
    }
    let verdict = verdict::judge(&finished.record);
    let step = Step::of(load, &finished.record, &verdict);
    if let Some(broke) = &step.broke
        && (load == 1 || !matches!(broke.exit, ExitCode::Target | ExitCode::Workload))
    {
        let (why, exit) = (broke.why.clone(), broke.exit);
        return Err(KneeError::Failed { what, why, directory: finished.directory, exit });
    }
    observer.end(&finished.directory, &finished.record, &verdict);
    observer.so_far(&words::knee::step(&step));
    Ok(Ok(AtLoad { step, run: label, sentence: words::headline(&finished.record, &verdict).to_string() }))
}
