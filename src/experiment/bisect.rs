//! Which of a target's modules makes it leak, found by runs with some of them off.
//!
//! First it is found out what the target can't do without: what its configuration needs, and what the workload fails
//! without, in short runs that measure nothing. What is left is searched with measured runs.

use super::modules::{Modules, ModulesError};
use super::one::{OneRunError, Runs};
use super::{Observer, failure};
use crate::answer::{Outcome, Verdict};
use crate::bisect::{self, Blame, Finding, Kept, Oracle, Purpose, Searched, State, Step};
use crate::config::{Harness, PhaseConfig};
use crate::engine::{Interrupt, Interruption};
use crate::model::{PhaseKind, Resource, RunRecord};
use crate::words;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// How often a configuration is measured until its answer is clear.
const TRIES: usize = 3;

/// Requests of a run that only shows whether the target works.
const SMOKE: u64 = 60;

/// What is to be searched.
pub struct BisectRequest<'a> {
    /// The harness file.
    pub harness: &'a Harness,
    /// Where it is.
    pub harness_dir: &'a Path,
    /// The experiment's directory.
    pub directory: &'a Path,
    /// Modules that stay on whatever happens.
    pub keep: &'a [String],
    /// What ends it before its time.
    pub interrupt: Interrupt,
}

/// What came of it.
#[derive(Debug)]
pub struct BisectEnd {
    /// All modules, in the order of their loading.
    pub modules: Vec<String>,
    /// Those that stayed on, each with the reason.
    pub kept: Vec<(String, Kept)>,
    /// What was found, or what ended the search before.
    pub finding: Result<Finding, Interruption>,
    /// Every measured configuration.
    pub measured: Vec<Measured>,
    /// Modules that may be to blame still, if the search ended before.
    pub suspects: Vec<String>,
    /// What was found before that.
    pub blamed: Vec<Blame>,
}

/// One measured configuration with its runs.
#[derive(Debug, Clone)]
pub struct Measured {
    /// What was off, what for, and what was seen.
    pub step: Step,
    /// Names of the runs' directories, in order; several if an answer wasn't clear at once.
    pub runs: Vec<String>,
    /// The verdict of the last of them in a sentence.
    pub sentence: String,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum BisectError {
    /// The modules can't be learned or switched off.
    #[error("{0}")]
    Modules(#[from] ModulesError),
    /// A run could not begin, or failed.
    #[error(transparent)]
    Run(#[from] OneRunError),
    /// A signal or the deadline came.
    #[error("{0}")]
    Interrupted(Interruption),
}

/// Searches the modules of a harness file's target.
///
/// # Errors
/// If the modules can't be learned, or the target fails as it is.
pub fn bisect(request: &BisectRequest<'_>, observer: &mut dyn Observer) -> Result<BisectEnd, BisectError> {
    let modules = Modules::of(request.harness, request.harness_dir, &request.interrupt)?;
    let names = modules.names();
    for name in request.keep {
        modules.find(name)?;
    }
    let mut lab = Lab {
        request,
        modules,
        observer,
        gone_with: BTreeMap::new(),
        leaking: Vec::new(),
        measured: Vec::new(),
        smoked: 0,
    };
    let mut kept = Vec::new();
    let (finding, suspects, blamed) = match lab.search(&names, &mut kept) {
        Ok(searched) => (searched.finding, searched.suspects, searched.blamed),
        Err(error) => {
            // What is not to be kept may be to blame.
            let suspects = names.iter().filter(|name| kept.iter().all(|(kept, _)| kept != *name));
            (Err(error), suspects.cloned().collect(), Vec::new())
        }
    };
    let finding = match finding {
        Ok(finding) => Ok(finding),
        Err(BisectError::Interrupted(by)) => Err(by),
        // What fails because the search is to end is no failure.
        Err(error) => Err(request.interrupt.cause().ok_or(error)?),
    };
    Ok(BisectEnd { modules: names, kept, finding, measured: lab.measured, suspects, blamed })
}

struct Lab<'a> {
    request: &'a BisectRequest<'a>,
    modules: Modules,
    observer: &'a mut dyn Observer,
    /// For each module all that goes off with it.
    gone_with: BTreeMap<String, BTreeSet<String>>,
    /// What leaks in the target as it is, and in which part of it, by the place in [`Verdict::parts`]: only that is looked for.
    leaking: Vec<(usize, Resource)>,
    measured: Vec<Measured>,
    smoked: usize,
}

impl Lab<'_> {
    fn search(
        &mut self,
        names: &[String],
        kept: &mut Vec<(String, Kept)>,
    ) -> Result<Searched<BisectError>, BisectError> {
        // A target that fails, or doesn't leak, needs no search for what it can do without.
        let removable = match self.measure(&BTreeSet::new(), &Purpose::AsItIs)? {
            State::Leaks => self.removable(names, kept)?,
            State::Clean | State::Unclear => names.to_vec(),
        };
        Ok(bisect::search(&removable, self))
    }

    /// The modules that the target can do without; the others go to `kept`.
    fn removable(&mut self, names: &[String], kept: &mut Vec<(String, Kept)>) -> Result<Vec<String>, BisectError> {
        let file = self.request.directory.join("probe.conf");
        let mut removable = Vec::new();
        for name in names {
            if self.request.keep.iter().any(|k| self.modules.find(k).is_ok_and(|k| k == *name)) {
                kept.push((name.clone(), Kept::Asked));
                continue;
            }
            match self.modules.without(std::slice::from_ref(name), &file) {
                Ok(without) => {
                    self.gone_with.insert(name.clone(), without.off.into_iter().collect());
                    removable.push(name.clone());
                }
                Err(ModulesError::Apache(crate::apache::OffError::Broken { what, .. })) => {
                    let first = what.lines().last().unwrap_or_default().to_owned();
                    kept.push((name.clone(), Kept::NoStart(first)));
                }
                Err(error) => return Err(error.into()),
            }
            if let Some(by) = self.request.interrupt.cause() {
                return Err(BisectError::Interrupted(by));
            }
        }
        let _ = std::fs::remove_file(&file);
        let needed = self.needed(&removable)?;
        // What needs a module that stays can go; what a module that stays needs can't.
        let needed: BTreeSet<String> = needed.into_iter().collect();
        let (kept_too, free): (Vec<String>, Vec<String>) = removable
            .into_iter()
            .partition(|name| self.gone_with.get(name).is_some_and(|gone| gone.iter().any(|g| needed.contains(g))));
        kept.extend(kept_too.into_iter().map(|name| (name, Kept::NoWorkload)));
        Ok(free)
    }

    /// Of these modules, those without which the workload fails: halves are switched off until each that fails is alone.
    fn needed(&mut self, names: &[String]) -> Result<Vec<String>, BisectError> {
        if names.is_empty() || self.works_without(names)? {
            return Ok(Vec::new());
        }
        if names.len() == 1 {
            return Ok(names.to_vec());
        }
        let (first, second) = names.split_at(names.len() / 2);
        let mut needed = self.needed(first)?;
        needed.extend(self.needed(second)?);
        Ok(needed)
    }

    /// Whether a short run without these modules goes through.
    fn works_without(&mut self, names: &[String]) -> Result<bool, BisectError> {
        let harness = self.request.harness;
        // What an external command sends can't be cut short; it is taken to work.
        if harness.workload.as_ref().is_none_or(|workload| workload.command.is_some()) {
            return Ok(true);
        }
        self.smoked += 1;
        let label = format!("try-{:02}", self.smoked);
        let file = self.request.directory.join(format!("{label}.conf"));
        let mut harness = match self.modules.without(names, &file) {
            Ok(without) => without.harness,
            Err(ModulesError::Apache(crate::apache::OffError::Broken { .. })) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        harness.phases = vec![PhaseConfig { requests: Some(SMOKE), ..PhaseConfig::lasting(PhaseKind::Soak, None) }];
        let (record, verdict, _) =
            self.run(&harness, &label, &format!("does it work without {}?", words::bisect::list(names)))?;
        let works = failure(&record, &verdict).is_none();
        self.observer.so_far(if works { "it does" } else { "it doesn't" });
        Ok(works)
    }

    fn run(
        &mut self,
        harness: &Harness,
        label: &str,
        what: &str,
    ) -> Result<(RunRecord, Verdict, PathBuf), BisectError> {
        if let Some(by) = self.request.interrupt.cause() {
            return Err(BisectError::Interrupted(by));
        }
        self.observer.begin(what);
        let BisectRequest { harness_dir, directory, interrupt, .. } = self.request;
        let ran = Runs { harness_dir, directory, interrupt }.one(harness, label, self.observer);
        let (finished, verdict) = ran.map_err(|source| OneRunError::Begin { what: what.to_owned(), source })?;
        match finished.interrupted {
            Some(by) => Err(BisectError::Interrupted(by)),
            None => Ok((finished.record, verdict, finished.directory)),
        }
    }

    /// What a run says of the leak that is looked for.
    fn state(&mut self, verdict: &Verdict) -> State {
        let of = |outcome: Outcome| {
            verdict.parts().enumerate().flat_map(move |(place, part)| {
                let found = part.findings.iter().filter(move |finding| finding.outcome == outcome);
                found.map(move |finding| (place, finding.resource))
            })
        };
        if self.measured.is_empty() {
            self.leaking = of(Outcome::Leak).collect();
        }
        let wanted = |leak: &(usize, Resource)| self.leaking.contains(leak);
        if of(Outcome::Leak).any(|r| wanted(&r)) {
            State::Leaks
        } else if self.leaking.is_empty() {
            // As it is: nothing leaks, or it isn't clear.
            if verdict.outcome == Outcome::Clean { State::Clean } else { State::Unclear }
        } else if of(Outcome::Clean).filter(|r| wanted(r)).count() == self.leaking.len() {
            State::Clean
        } else {
            State::Unclear
        }
    }
}

impl Oracle for Lab<'_> {
    type Error = BisectError;

    fn with_dependents(&self, off: &BTreeSet<String>) -> BTreeSet<String> {
        off.iter().flat_map(|name| self.gone_with.get(name).into_iter().flatten().chain([name])).cloned().collect()
    }

    fn measure(&mut self, off: &BTreeSet<String>, purpose: &Purpose) -> Result<State, BisectError> {
        // The search begins with what was measured before it.
        if let Some(first) = self.measured.first().filter(|_| off.is_empty()) {
            return Ok(first.step.state);
        }
        let number = self.measured.len() + 1;
        let names: Vec<String> = off.iter().cloned().collect();
        let file = self.request.directory.join(format!("step-{number:02}.conf"));
        let harness = self.modules.without(&names, &file)?.harness;
        let mut runs = Vec::new();
        let mut last = (State::Unclear, String::new());
        for attempt in 1..=TRIES {
            let label =
                if attempt == 1 { format!("step-{number:02}") } else { format!("step-{number:02}-again-{attempt}") };
            let what = format!(
                "step {number}: {}{}",
                words::bisect::purpose(purpose),
                if names.is_empty() { String::new() } else { format!("; off: {}", words::bisect::list(&names)) }
            );
            let (record, verdict, directory) = self.run(&harness, &label, &what)?;
            self.observer.end(&directory, &record, &verdict);
            self.observer.so_far(&words::headline(&record, &verdict).to_string());
            if let Some((exit, why)) = failure(&record, &verdict) {
                return Err(OneRunError::Failed { what, why, directory, exit }.into());
            }
            runs.push(label);
            last = (self.state(&verdict), words::headline(&record, &verdict).to_string());
            if last.0 != State::Unclear {
                break;
            }
        }
        let (state, sentence) = last;
        let step = Step { off: names, purpose: purpose.clone(), state };
        self.measured.push(Measured { step, runs, sentence });
        Ok(state)
    }
}
