//! How many requests in flight a target takes, found by runs with more and more of them.
//!
//! Each load has a target of its own, launched anew: what too much of it leaves behind never spoils the next.

use super::Observer;
use super::one::{OneRunError, Runs};
use crate::answer::ExitCode;
use crate::config::{Harness, PhaseConfig, Span, WorkloadConfig};
use crate::engine::{Interrupt, Interruption};
use crate::knee::{self, Answer, LeaksFrom, Load, Step};
use crate::model::PhaseKind;
use crate::words;
use std::path::Path;
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
    pub measured: Vec<Load>,
    /// What ended it before its time.
    pub cut: Option<Interruption>,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum KneeError {
    /// The number of requests in flight can't be set.
    #[error("{0}")]
    NoLoad(String),
    /// A run could not begin, or failed that should not have: with one request in flight, or for a reason that has to do with none.
    #[error(transparent)]
    Run(#[from] OneRunError),
}

/// Measures the target of a harness file with one request in flight, two, four and so on.
///
/// # Errors
/// If the number of requests in flight can't be set, a run can't begin, or the target fails with one already.
pub fn knee(request: &KneeRequest<'_>, observer: &mut dyn Observer) -> Result<KneeEnd, KneeError> {
    check(request)?;
    let mut measured: Vec<Load> = Vec::new();
    let mut cut = None;
    while let Some(load) = knee::next(&measured, request.highest) {
        match measure(request, load, observer)? {
            Ok(load) => measured.push(load),
            Err(by) => {
                cut = Some(by);
                break;
            }
        }
    }
    let answer = knee::answer(&measured, request.highest);
    Ok(KneeEnd { answer, leaks: knee::leaks_from(&measured), measured, cut })
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
    let lasting = |kind, length: Duration| PhaseConfig::lasting(kind, Some(Span(length)));
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
) -> Result<Result<Load, Interruption>, KneeError> {
    if let Some(by) = request.interrupt.cause() {
        return Ok(Err(by));
    }
    let what = format!("{} in flight", words::counted(load, "request"));
    observer.begin(&what);
    let label = format!("load-{load:04}");
    let harness = at(request, load);
    let KneeRequest { harness_dir, directory, interrupt, .. } = request;
    let (finished, verdict) = match (Runs { harness_dir, directory, interrupt }).one(&harness, &label, observer) {
        Ok(ran) => ran,
        Err(source) => return Err(OneRunError::Begin { what, source }.into()),
    };
    if let Some(by) = finished.interrupted {
        return Ok(Err(by));
    }
    let step = Step::of(load, &finished.record, &verdict);
    if let Some(broke) = &step.broke
        && (load == 1 || !matches!(broke.exit, ExitCode::Target | ExitCode::Workload))
    {
        let (why, exit) = (broke.why.clone(), broke.exit);
        return Err(OneRunError::Failed { what, why, directory: finished.directory, exit }.into());
    }
    observer.end(&finished.directory, &finished.record, &verdict);
    observer.so_far(&words::knee::step(&step));
    Ok(Ok(Load { step, run: label, sentence: words::headline(&finished.record, &verdict).to_string() }))
}
