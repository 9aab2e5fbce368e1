//! Pairs of runs, one of each side, in an order that a coin decides, until the answer is clear.
//!
//! Always: each run starts fresh processes with the same workload seed; the first pair is a rehearsal that isn't counted;
//! a pair counts only if both of its runs came to their end.

use super::Observer;
use super::one::{OneRunError, Runs};
use crate::answer::{ExitCode, Verdict};
use crate::compare::{
    self, Answer, Comparison, LEAST_PAIRS, MOST_PAIRS, Margins, Pair, RunSummary, ServiceMargins, Sides,
};
use crate::config::Harness;
use crate::engine::{Interrupt, Interruption};
use crate::model::{RunRecord, RunStatus};
use crate::store::{self, Experiment};
use crate::verdict;
use crate::words;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::Path;
use thiserror::Error;

/// What is to be compared.
pub struct AbRequest<'a> {
    /// Names of the sides.
    pub sides: &'a Sides,
    /// The baseline.
    pub a: &'a Harness,
    /// The candidate.
    pub b: &'a Harness,
    /// What difference is allowed.
    pub margins: &'a Margins,
    /// The same in each service.
    pub services: &'a ServiceMargins,
    /// Where the harness file is.
    pub harness_dir: &'a Path,
    /// The experiment's directory, with the runs of an earlier session if it is resumed.
    pub directory: &'a Path,
    /// Pairs that count.
    pub pairs: usize,
    /// Seed of the coin.
    pub seed: u64,
    /// What ends it before its time.
    pub interrupt: Interrupt,
}

/// Why no more pairs were run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// All planned pairs were.
    Complete,
    /// The answer was clear before.
    Early,
    /// A signal or the deadline ended it.
    Interrupted(Interruption),
}

/// What came of it.
#[derive(Debug)]
pub struct AbEnd {
    /// The pairs that count.
    pub pairs: Vec<Pair>,
    /// What they say.
    pub comparison: Comparison,
    /// Why it ended.
    pub stop: Stop,
}

/// Why there is no comparison.
#[derive(Debug, Error)]
pub enum AbError {
    /// A run could not begin, or failed.
    #[error(transparent)]
    Run(#[from] OneRunError),
    /// The runs of an earlier session can't be read or moved.
    #[error("{0}")]
    Store(String),
}

/// Runs pairs until all are done, the answer is clear, or a signal comes.
///
/// # Errors
/// If a run can't begin or fails; which one, is told.
pub fn ab(request: &AbRequest<'_>, observer: &mut dyn Observer) -> Result<AbEnd, AbError> {
    let mut pairs = finished_pairs(request.directory, request.pairs, request.seed);
    let judge =
        |pairs: &[Pair]| compare::compare(request.sides, pairs, request.pairs, request.margins, request.services);
    let mut stop = if pairs.len() >= request.pairs { Stop::Complete } else { Stop::Early };
    let mut decided = is_decided(&pairs, request.pairs, &judge(&pairs));
    let rehearsed = read_pair(request.directory, 0, false).is_some() || !pairs.is_empty();
    let order = coins(request.seed, request.pairs);
    let first = if rehearsed { pairs.len() + 1 } else { 0 };
    for (number, b_first) in order.enumerate().skip(first) {
        if decided {
            break;
        }
        set_aside(request.directory, number)?;
        let ran = run_pair(request, number, b_first, observer);
        // What fails because it is to end is no failure.
        match ran.or_else(|error| request.interrupt.cause().map(Err).ok_or(error))? {
            Ok(_) if number == 0 => {}
            Ok(pair) => {
                pairs.push(pair);
                let comparison = judge(&pairs);
                observer.so_far(
                    &words::comparison::so_far(&comparison).unwrap_or_else(|| "one pair says nothing yet".into()),
                );
                decided = is_decided(&pairs, request.pairs, &comparison);
                stop = if pairs.len() >= request.pairs { Stop::Complete } else { Stop::Early };
            }
            Err(by) => {
                stop = Stop::Interrupted(by);
                break;
            }
        }
    }
    let comparison = judge(&pairs);
    Ok(AbEnd { pairs, comparison, stop })
}

/// Whether the pairs so far are enough: only a look may say so.
fn is_decided(pairs: &[Pair], planned: usize, comparison: &Comparison) -> bool {
    compare::is_look(pairs.len(), planned) && comparison.answer != Answer::Inconclusive
}

/// For the rehearsal and each pair whether the candidate goes first.
fn coins(seed: u64, pairs: usize) -> impl Iterator<Item = bool> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..=pairs).map(move |_| rng.random())
}

/// Runs both sides; the inner error is what interrupted them.
fn run_pair(
    request: &AbRequest<'_>,
    number: usize,
    b_first: bool,
    observer: &mut dyn Observer,
) -> Result<Result<Pair, Interruption>, AbError> {
    let mut runs: [Option<RunSummary>; 2] = [None, None];
    for side in if b_first { [1, 0] } else { [0, 1] } {
        if let Some(by) = request.interrupt.cause() {
            return Ok(Err(by));
        }
        match run_side(request, number, side, observer)? {
            Ok(summary) => runs[side] = Some(summary),
            Err(by) => return Ok(Err(by)),
        }
    }
    let [Some(a), Some(b)] = runs else {
        return Err(AbError::Store("a side was not run; please report this".into()));
    };
    Ok(Ok(Pair { a, b, b_first }))
}

fn run_side(
    request: &AbRequest<'_>,
    number: usize,
    side: usize,
    observer: &mut dyn Observer,
) -> Result<Result<RunSummary, Interruption>, AbError> {
    let (harness, name) = if side == 0 { (request.a, &request.sides.a) } else { (request.b, &request.sides.b) };
    let what = match number {
        0 => format!("rehearsal: {}", name.name),
        _ => format!("pair {number} of at most {}: {}", request.pairs, name.name),
    };
    let told = || match number {
        0 => format!("`{}` in the rehearsal", name.name),
        _ => format!("`{}` in pair {number}", name.name),
    };
    observer.begin(&what);
    let label = label(number, side);
    let runs = Runs { harness_dir: request.harness_dir, directory: request.directory, interrupt: &request.interrupt };
    let ran = runs.one(harness, &label, observer);
    let (finished, verdict) = ran.map_err(|source| OneRunError::Begin { what: told(), source })?;
    observer.end(&finished.directory, &finished.record, &verdict);
    let sentence = words::headline(&finished.record, &verdict).to_string();
    observer.so_far(&sentence);
    if let Some(by) = finished.interrupted {
        return Ok(Err(by));
    }
    if let Some((exit, why)) = failure(&finished.record, &verdict) {
        return Err(OneRunError::Failed { what: told(), why, directory: finished.directory, exit }.into());
    }
    Ok(Ok(compare::summarize(&label, &finished.record, &verdict, sentence)))
}

/// What failed in a run, if anything did: such a run can't be compared.
pub fn failure(record: &RunRecord, verdict: &Verdict) -> Option<(ExitCode, String)> {
    let failed = match verdict.exit {
        ExitCode::Config | ExitCode::Target | ExitCode::Workload | ExitCode::Failure => true,
        _ => record.meta.status != RunStatus::Complete,
    };
    let exit = match verdict.exit {
        exit @ (ExitCode::Config | ExitCode::Target | ExitCode::Workload) => exit,
        _ => ExitCode::Failure,
    };
    failed.then(|| (exit, record.meta.aborted.clone().unwrap_or_else(|| words::headline(record, verdict).to_string())))
}

/// The name of a run's directory.
fn label(number: usize, side: usize) -> String {
    format!("pair-{number:02}-{}", if side == 0 { 'a' } else { 'b' })
}

/// The head of an experiment, whose number of pairs makes sense.
///
/// # Errors
/// If it can't be read, or wasn't written by us.
pub fn read_head(directory: &Path) -> Result<Experiment, AbError> {
    let head = Experiment::read(directory).map_err(|error| AbError::Store(error.to_string()))?;
    if !(LEAST_PAIRS..=MOST_PAIRS).contains(&head.pairs) {
        let what = format!(
            "{}: {} pairs can't be planned; expected {LEAST_PAIRS} to {MOST_PAIRS}",
            directory.display(),
            head.pairs
        );
        return Err(AbError::Store(what));
    }
    Ok(head)
}

/// The pairs whose runs came to their end, from the first to the first that isn't there.
/// What can't be read is taken to be missing.
pub fn finished_pairs(directory: &Path, planned: usize, seed: u64) -> Vec<Pair> {
    let pairs = coins(seed, planned).enumerate().skip(1);
    pairs.map_while(|(number, b_first)| read_pair(directory, number, b_first)).collect()
}

fn read_pair(directory: &Path, number: usize, b_first: bool) -> Option<Pair> {
    let read = |side: usize| {
        let label = label(number, side);
        let record = store::read(&directory.join(&label)).ok()?;
        let verdict = verdict::judge(&record);
        let sentence = || words::headline(&record, &verdict).to_string();
        failure(&record, &verdict).is_none().then(|| compare::summarize(&label, &record, &verdict, sentence()))
    };
    Some(Pair { a: read(0)?, b: read(1)?, b_first })
}

/// Moves what an earlier session left of a pair out of the way: both of its runs are made anew, one after the other.
fn set_aside(directory: &Path, number: usize) -> Result<(), AbError> {
    for side in [0, 1] {
        let label = label(number, side);
        let from = directory.join(&label);
        if !from.exists() {
            continue;
        }
        let to = (1..).map(|n| directory.join(format!("{label}-broken-{n}"))).find(|to| !to.exists());
        let Some(to) = to else { continue };
        std::fs::rename(&from, &to).map_err(|e| AbError::Store(format!("could not rename {}: {e}", from.display())))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_tosses_the_same_coins() {
        assert!(coins(7, 8).eq(coins(7, 8)) && coins(7, 8).take(5).eq(coins(7, 4)));
        let heads: usize = (0..200).map(|seed| coins(seed, 8).filter(|b| *b).count()).sum();
        assert!((800..1000).contains(&heads), "{heads} of 1800");
    }

    #[test]
    fn what_is_left_of_a_broken_pair_is_kept_under_another_name() {
        let directory = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            std::fs::create_dir(directory.path().join("pair-05-b")).unwrap();
            set_aside(directory.path(), 5).unwrap();
        }
        let mut names: Vec<_> = std::fs::read_dir(directory.path()).unwrap().flatten().map(|e| e.file_name()).collect();
        names.sort();
        assert_eq!(names, ["pair-05-b-broken-1", "pair-05-b-broken-2"]);
        assert!(finished_pairs(directory.path(), 8, 1).is_empty());
    }
}
