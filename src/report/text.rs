//! Words and numbers as every report writes them, and what only reports need: moods, endings.

use crate::answer::{ExitCode, GateKind, GateState, Named, Outcome, Verdict};
use crate::compare::Answer;
use crate::model::{EventKind, ExitCause, RunRecord, WorkerId, percent};
use crate::words;
use std::collections::HashMap;

pub use crate::model::{amount, rate};
pub use crate::words::{
    axis_name, bounds, budget, capital, class_name, clip, gate_word, growth, headline, is_direction, outcome_word,
    plain,
};

/// How bad something is, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Clean, passed.
    Good,
    /// Leak, failed, broken.
    Bad,
    /// Not decided.
    Unsure,
}

impl Mood {
    /// Of a whole verdict.
    pub fn of_verdict(verdict: &Verdict) -> Self {
        match verdict.exit {
            ExitCode::Clean => Mood::Good,
            ExitCode::Accepted | ExitCode::Inconclusive | ExitCode::Interrupted(_) => Mood::Unsure,
            _ => Mood::Bad,
        }
    }

    /// Of a finding.
    pub fn of_outcome(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Clean => Mood::Good,
            Outcome::Leak => Mood::Bad,
            Outcome::Inconclusive => Mood::Unsure,
        }
    }

    /// Of a comparison, or of one of its measures.
    pub fn of_answer(answer: Answer) -> Self {
        match answer {
            Answer::Improvement | Answer::Equivalent => Mood::Good,
            Answer::Regression => Mood::Bad,
            Answer::Inconclusive => Mood::Unsure,
        }
    }

    /// Of a gate.
    pub fn of_gate(state: GateState) -> Self {
        match state {
            GateState::Pass => Mood::Good,
            GateState::Fail => Mood::Bad,
            GateState::Unknown => Mood::Unsure,
        }
    }
}

/// Who the workers are, where that was found out, and all else that is said beside a verdict, a sentence each.
pub fn beside(record: &RunRecord, verdict: &Verdict) -> Vec<String> {
    // Who works isn't seen of a target that never did.
    let worked = record.events.iter().any(|event| matches!(event.kind, EventKind::Phase { .. }));
    let chosen = record.meta.target.chosen.as_ref().filter(|_| worked || record.meta.failure.is_none());
    let workers = chosen.map(|chosen| capital(&words::chosen(chosen)));
    // Where nothing was judged, a longer run settles nothing.
    let said = match record.failed_before_soak() {
        true => words::notes(verdict).iter().map(|note| capital(note)).collect(),
        false => words::beside(verdict),
    };
    workers.into_iter().chain(said).collect()
}

/// A worker as reports call it: its PID, or the pool.
pub fn worker_name(worker: Option<WorkerId>) -> String {
    worker.map_or_else(|| "pool".to_owned(), |w| format!("PID {}", w.pid))
}

/// A process as reports call it: its PID and its command.
pub fn process_name(who: &Named) -> String {
    plain(&words::process(who))
}

/// What heads the intervals of a verdict, such as `98 % interval`; nothing if it has none.
pub fn interval(verdict: &Verdict) -> String {
    confidence(verdict).map_or_else(String::new, |sure| format!("{sure} interval"))
}

/// The confidence of the intervals, such as `98 %`.
pub fn confidence(verdict: &Verdict) -> Option<String> {
    let growth = verdict.gates.iter().find_map(|gate| match &gate.kind {
        GateKind::Growth { growth, .. } => growth.as_ref(),
        _ => None,
    });
    growth.map(|growth| percent(growth.confidence))
}

/// A command that can be pasted into a shell: what would mean something to it is quoted.
pub fn command(parts: &[String]) -> String {
    let harmless = |c: char| c.is_alphanumeric() || "_-+=:,./@%^".contains(c);
    let quoted = |part: &String| {
        let part = plain(part);
        let bare = !part.is_empty() && part.chars().all(harmless);
        if bare { part } else { format!("'{}'", part.replace('\'', r"'\''")) }
    };
    parts.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// How each worker ended that did.
pub fn endings(record: &RunRecord) -> HashMap<WorkerId, Ending> {
    let mut endings = HashMap::new();
    for event in &record.events {
        if let EventKind::Exited { worker, cause, stopping } = &event.kind {
            endings.insert(*worker, Ending { t: event.t, cause: *cause, stopping: *stopping });
        }
    }
    endings
}

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ending {
    /// Seconds since the start of the run.
    pub t: f64,
    /// How, where that could be learned.
    pub cause: Option<ExitCause>,
    /// Whether the harness had begun to stop the target.
    pub stopping: bool,
}

impl Ending {
    /// In a few words: `exit code 0`, `signal 11 (SIGSEGV)`, `stopped with the target`.
    pub fn words(&self) -> String {
        match (self.cause, self.stopping) {
            (Some(cause), _) if cause.is_abnormal() => cause.to_string(),
            (_, true) => "stopped with the target".to_owned(),
            (Some(cause), false) => cause.to_string(),
            (None, false) => "ended, cause not known".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_pasted() {
        let told = |parts: &[&str]| command(&parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>());
        assert_eq!(told(&["/bin/serve", "--keep", "4 KiB", "--port=80"]), "/bin/serve --keep '4 KiB' --port=80");
        assert_eq!(told(&["sh", "-c", "echo 'a' $B", "", "~"]), r"sh -c 'echo '\''a'\'' $B' '' '~'");
    }
}
