//! An external command as load: k6, wrk, ab, or anybody's script.
//!
//! It is run once for each phase with load, and ends with it, with all that it started. What it printed last is kept in memory, a
//! bounded amount, for the count of requests and for error messages.

use super::counters::Counters;
use super::record::{ErrorKind, LoadRecorder};
use super::running::{GRACE, Running, SHORT_GRACE};
use super::{PhaseEnd, WorkloadError, is_set};
use crate::config::{PhaseConfig, WorkloadConfig};
use crate::model::{ExitCause, LoadSample, PhaseKind};
use crate::supervise::{Guard, LaunchError};
use regex::Regex;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// How much of it an error message shows.
const SHOWN: usize = 2000;
const TICK: Duration = Duration::from_millis(20);
/// The index of the only step.
const STEP: usize = 0;

/// The external command of a workload.
pub(super) struct CommandLoad {
    /// Below it the command is started; one of its own, if none was given.
    guard: Option<Arc<Guard>>,
    environment: BTreeMap<String, String>,
    command: Vec<String>,
    requests: Option<Regex>,
    recorder: LoadRecorder,
}

impl CommandLoad {
    pub(super) fn new(
        config: &WorkloadConfig,
        origin: Instant,
        counters: Arc<Counters>,
        seconds: mpsc::Sender<LoadSample>,
    ) -> Result<CommandLoad, WorkloadError> {
        let command = config.command.clone().unwrap_or_default();
        if command.is_empty() {
            return Err(WorkloadError::new("workload.command", "is empty; give a program and its arguments"));
        }
        let requests = match &config.command_requests {
            None => None,
            Some(pattern) => Some(compile(pattern).map_err(|e| WorkloadError::new("workload.command-requests", e))?),
        };
        let recorder = LoadRecorder::new(origin, counters, seconds);
        Ok(CommandLoad { guard: None, environment: BTreeMap::new(), command, requests, recorder })
    }

    pub(super) fn below(&mut self, guard: Arc<Guard>, environment: BTreeMap<String, String>) {
        (self.guard, self.environment) = (Some(guard), environment);
    }

    pub(super) fn recorder(&self) -> &LoadRecorder {
        &self.recorder
    }

    /// Runs the command to its end, or to that of the phase.
    pub(super) fn run(&mut self, phase: &PhaseConfig, stop: &AtomicBool) -> PhaseEnd {
        self.recorder.begin_phase(phase.kind == PhaseKind::Soak, Instant::now());
        let end = match self.start() {
            Ok(running) => self.follow(running, phase, stop),
            Err(LaunchError::Thread(error)) => PhaseEnd::Broken(error.to_string()),
            Err(error) => PhaseEnd::Failed(format!("can't start the command `{}`: {error}", self.command[0])),
        };
        if let PhaseEnd::Failed(why) = &end {
            let now = Instant::now();
            self.recorder.explain(STEP, why);
            let outcome = super::record::RequestEnd::Failed(ErrorKind::Command, None);
            self.recorder.ended(STEP, outcome, None, 0, now);
        }
        self.recorder.end_phase(Instant::now());
        end
    }

    fn start(&mut self) -> Result<Running, LaunchError> {
        let guard = match &self.guard {
            Some(guard) => guard,
            None => self.guard.insert(Arc::new(Guard::start()?)),
        };
        Running::start(guard, &self.command, &self.environment)
    }

    fn follow(&mut self, mut running: Running, phase: &PhaseConfig, stop: &AtomicBool) -> PhaseEnd {
        let until = phase.duration.map(|span| Instant::now() + span.0);
        let mut ended_by_phase = false;
        let end = loop {
            if is_set(stop) {
                running.stop(SHORT_GRACE);
                break PhaseEnd::Stopped;
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                running.stop(GRACE);
                ended_by_phase = true;
                break PhaseEnd::Complete;
            }
            match running.wait(TICK) {
                Ok(None) => self.recorder.roll(Instant::now()),
                Ok(Some(ExitCause::Code(0))) => break PhaseEnd::Complete,
                Ok(Some(cause)) => {
                    break PhaseEnd::Failed(format!(
                        "the command `{}` ended with {cause}; its last output:\n{}",
                        self.command[0],
                        running.tail(SHOWN).trim()
                    ));
                }
                Err(error) => break PhaseEnd::Failed(format!("can't follow the command: {error}")),
            }
        };
        let Some(pattern) = &self.requests else { return end };
        match count(pattern, &running.output()) {
            Some(count) => self.recorder.reported(STEP, count),
            // Without a count growth can't be put in relation to requests: that isn't the same as no requests.
            None if end == PhaseEnd::Complete => {
                return PhaseEnd::Failed(format!(
                    "`command-requests` matches nothing in the output of the command `{}`, which {}; \
                     its last output:\n{}",
                    self.command[0],
                    if ended_by_phase { "was ended with its phase" } else { "ended by itself" },
                    running.tail(SHOWN).trim()
                ));
            }
            None => {}
        }
        end
    }
}

/// The number of requests in the last match of `pattern`.
fn count(pattern: &Regex, output: &str) -> Option<u64> {
    pattern.captures_iter(output).last()?.name("count")?.as_str().parse().ok()
}

fn compile(pattern: &str) -> Result<Regex, String> {
    let regex = Regex::new(pattern).map_err(|e| format!("is not a regular expression: {e}"))?;
    if regex.capture_names().flatten().any(|name| name == "count") {
        Ok(regex)
    } else {
        Err(format!(r"`{pattern}` has no group `count`; write it like `(?P<count>\d+) requests`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::testing::{phase, workload};

    fn load(script: &str, pattern: Option<&str>) -> (CommandLoad, Arc<Counters>, mpsc::Receiver<LoadSample>) {
        let mut config = workload("");
        config.command = Some(["sh", "-c", script].map(str::to_owned).to_vec());
        config.command_requests = pattern.map(str::to_owned);
        let counters = Arc::new(Counters::new(&config));
        let (sender, receiver) = mpsc::channel();
        (CommandLoad::new(&config, Instant::now(), counters.clone(), sender).unwrap(), counters, receiver)
    }

    fn run(script: &str, pattern: Option<&str>, phase_toml: &str) -> (PhaseEnd, CommandLoad, u64) {
        let (mut load, counters, _receiver) = load(script, pattern);
        let end = load.run(&phase(phase_toml), &AtomicBool::new(false));
        (end, load, counters.totals().sent)
    }

    #[test]
    fn the_count_is_taken_from_the_last_match() {
        let script = "echo 5 requests; echo 12 requests in 3s >&2";
        let (end, load, sent) = run(script, Some(r"(?P<count>\d+) requests"), "kind = 'soak'");
        assert_eq!((end, sent), (PhaseEnd::Complete, 12));
        let summary = load.recorder().summary("command", Instant::now());
        assert_eq!((summary.sent, summary.ok, summary.failed), (12, 12, 0));
    }

    #[test]
    fn a_failure_shows_the_last_output() {
        let (end, load, _) = run("echo no such host; exit 3", None, "kind = 'soak'");
        let PhaseEnd::Failed(why) = end else { panic!("{end:?}") };
        assert!(why.contains("exit code 3") && why.ends_with("no such host"), "{why}");
        assert_eq!(load.recorder().summary("command", Instant::now()).failed, 1);
    }

    #[test]
    fn a_count_that_is_not_printed_is_a_failure() {
        let pattern = Some(r"(?P<count>\d+) requests");
        let (end, _, _) = run("echo done", pattern, "kind = 'soak'");
        assert!(matches!(end, PhaseEnd::Failed(why) if why.contains("ended by itself") && why.ends_with("done")));
        let (end, _, _) = run("sleep 60", pattern, "kind = 'soak'\nduration = '50ms'");
        assert!(matches!(end, PhaseEnd::Failed(why) if why.contains("was ended with its phase")));
    }

    #[test]
    fn a_missing_program_is_a_failure() {
        let mut config = workload("");
        config.command = Some(vec!["/nowhere/at/all".into()]);
        let counters = Arc::new(Counters::new(&config));
        let mut load = CommandLoad::new(&config, Instant::now(), counters, mpsc::channel().0).unwrap();
        let end = load.run(&phase("kind = 'soak'"), &AtomicBool::new(false));
        assert!(matches!(end, PhaseEnd::Failed(why) if why.contains("/nowhere/at/all")));
    }

    #[test]
    fn much_output_is_bounded_and_its_end_kept() {
        let script = "yes | head -c 3000000; echo 7 requests";
        let (end, _, sent) = run(script, Some(r"(?P<count>\d+) requests"), "kind = 'soak'");
        assert_eq!((end, sent), (PhaseEnd::Complete, 7));
    }

    #[test]
    fn the_phase_ends_the_command_and_keeps_its_count() {
        let script = "trap 'echo 9 requests; exit 1' INT; sleep 60 & wait";
        let pattern = Some(r"(?P<count>\d+) requests");
        // Time enough for the shell to have set its trap, on any machine.
        let (end, _, sent) = run(script, pattern, "kind = 'soak'\nduration = '3s'");
        assert_eq!((end, sent), (PhaseEnd::Complete, 9));
    }

    #[test]
    fn patterns_without_a_count_are_refused() {
        assert!(compile("(").is_err());
        assert!(compile(r"\d+ requests").unwrap_err().contains("group `count`"));
    }
}
