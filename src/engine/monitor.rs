//! The one loop of a run: records what the other threads saw, watches over the target, has it shown and looked at, and
//! knows when to end.

use super::end::{Cut, Finished};
use super::interrupt::Interrupt;
use super::pulse::Pulse;
use super::recorder::Recorder;
use crate::config::PhaseConfig;
use crate::model::{EventKind, RunRecord};
use std::time::{Duration, Instant};

/// How often the recorder looks at signals and at the target.
const LOOK: Duration = Duration::from_millis(50);

/// A look at a run while it goes on.
pub struct Progress<'a> {
    /// What is known so far.
    pub record: &'a RunRecord,
    /// Seconds since the start of the run.
    pub elapsed: f64,
    /// The phase that goes on, its place from 0, and how many there are; `None` before the first.
    pub phase: Option<(&'a PhaseConfig, usize, usize)>,
    /// Seconds since the phase began.
    pub phase_elapsed: f64,
    /// Workers alive.
    pub alive: usize,
    /// Requests since the start of the run, if anything counts them.
    pub requests: Option<u64>,
    /// Of those, the ones in the phase.
    pub phase_requests: u64,
    /// Requests that failed since the start of the run.
    pub failures: u64,
}

/// Called some twenty times a second while a run goes on.
pub type ShowProgress<'a> = dyn FnMut(&Progress<'_>) + 'a;

/// A look at the record of a soak that goes on, at this share of its plan, or after so many seconds if it has no plan.
pub type LookAt<'a> = dyn FnMut(&RunRecord, f64) -> Option<Looked> + 'a;

/// What a look found.
pub struct Looked {
    /// The error probability of this look.
    pub alpha: f64,
    /// In a few words.
    pub found: String,
    /// Whether the soak may end now.
    pub proven: bool,
}

/// What is watched over: a target that was launched, or one that ran already.
pub trait Followed {
    /// Takes in what happened to it; `alive` of its workers live.
    ///
    /// # Errors
    /// If the run has to end for it, as when it is no more.
    fn check(&mut self, recorder: &mut Recorder, alive: usize) -> Result<(), Cut>;

    /// Whether it is known who the workers of all beside are: before that, no answer can be proven.
    fn knows_workers(&self) -> bool {
        true
    }

    /// Why the run has to end soon, if that is known already: it goes on for a moment to see what comes of it.
    fn falling(&self, _recorder: &Recorder) -> Option<Cut> {
        None
    }
}

/// How far a soak has come.
#[derive(Debug, Clone, Copy)]
pub enum Soaked {
    /// This share of its plan.
    Share(f64),
    /// So many seconds; it has no plan.
    Seconds(f64),
}

/// Where a stretch stands.
pub struct Stand<'a> {
    /// Its phase, the place of that from 0, and how many there are.
    pub phase: (&'a PhaseConfig, usize, usize),
    /// When the phase began.
    pub begun: Instant,
    /// Requests since the start of the run, if anything counts them.
    pub requests: Option<u64>,
    /// Of those, the ones in the phase.
    pub phase_requests: u64,
    /// Requests that failed since the start of the run.
    pub failures: u64,
    /// How far the soak has come; missing while it isn't to be looked at.
    pub soaked: Option<Soaked>,
}

/// A phase that goes on by itself until it ends or is halted.
pub trait Stretch {
    /// How it ended, if it has.
    fn end(&mut self) -> Option<Result<(), Cut>>;

    /// Lets it end soon.
    fn halt(&mut self);

    /// Lets it end soon, and the whole soak with it: the answer is proven.
    fn conclude(&mut self);

    /// Where it stands, as the record and the number of living workers have it.
    fn stand(&self, record: &RunRecord, alive: usize) -> Stand<'_>;
}

/// A run that goes on.
pub struct Monitor<'a> {
    /// Records it.
    pub recorder: Recorder,
    /// What all its threads know.
    pub pulse: Pulse,
    /// What ends it before its time.
    pub interrupt: Interrupt,
    /// Shows it.
    pub watch: &'a mut ShowProgress<'a>,
    /// Looks whether the answer is proven.
    pub look: &'a mut LookAt<'a>,
}

impl Monitor<'_> {
    /// Follows a stretch to its end. If the run has to end before, the stretch is halted, and recorded until it has ended.
    ///
    /// # Errors
    /// If the run has to end.
    pub fn follow(&mut self, stretch: &mut dyn Stretch, subject: &mut dyn Followed) -> Result<(), Cut> {
        let mut cut = None;
        loop {
            if let Some(end) = stretch.end() {
                if end.is_err() && cut.is_none() {
                    // If the subject has ended, too, that is the cause.
                    cut = self.wait(subject).err().or_else(|| subject.falling(&self.recorder));
                }
                return cut.map_or(end, Err);
            }
            self.recorder.take(LOOK);
            if cut.is_none() {
                cut = self.go_on(subject).err();
                if cut.is_some() {
                    stretch.halt();
                }
            }
            let stand = stretch.stand(&self.recorder.record, self.pulse.alive());
            let soaked =
                stand.soaked.filter(|_| cut.is_none() && self.pulse.knows_workers() && subject.knows_workers());
            let proven = soaked.is_some_and(|soaked| self.is_proven(soaked));
            self.show(&stand);
            if proven && subject.falling(&self.recorder).is_none() {
                stretch.conclude();
            }
        }
    }

    /// Records for a moment what comes.
    ///
    /// # Errors
    /// If the run has to end now.
    pub fn wait(&mut self, subject: &mut dyn Followed) -> Result<(), Cut> {
        self.recorder.take(LOOK);
        self.go_on(subject)
    }

    /// Looks whether the run may go on.
    ///
    /// # Errors
    /// If it has to end now.
    pub fn go_on(&mut self, subject: &mut dyn Followed) -> Result<(), Cut> {
        if let Some(by) = self.interrupt.cause() {
            return Err(Cut::interrupted(by));
        }
        if self.pulse.is_unsampled() {
            return Err(Cut::unsampled());
        }
        subject.check(&mut self.recorder, self.pulse.alive())?;
        self.recorder.failure().map_or(Ok(()), |error| Err(Cut::recording(error.to_string())))
    }

    /// Why something failed: it may be that it was interrupted.
    pub fn cut(&self, failed: Cut) -> Cut {
        self.interrupt.cause().map_or(failed, Cut::interrupted)
    }

    /// Records what the user should know.
    pub fn note(&mut self, text: String) {
        self.recorder.event(EventKind::Note { text });
    }

    /// Closes the run, with how it ended.
    pub fn finish(self, end: Result<(), Cut>) -> Finished {
        self.recorder.finish(end)
    }

    /// Lets it be looked whether the answer is proven.
    fn is_proven(&mut self, soaked: Soaked) -> bool {
        let (at, share) = match soaked {
            Soaked::Share(share) => (share, Some(share)),
            Soaked::Seconds(seconds) => (seconds, None),
        };
        let looked = self.recorder.live(|record| (self.look)(record, at));
        let Some(Looked { alpha, found, proven }) = looked else { return false };
        self.recorder.event(EventKind::Look { share, alpha, found, proven });
        proven
    }

    fn show(&mut self, stand: &Stand<'_>) {
        let (elapsed, alive) = (self.pulse.seconds(), self.pulse.alive());
        self.recorder.live(|record| {
            (self.watch)(&Progress {
                record,
                elapsed,
                phase: Some(stand.phase),
                phase_elapsed: stand.begun.elapsed().as_secs_f64(),
                alive,
                requests: stand.requests,
                phase_requests: stand.phase_requests,
                failures: stand.failures,
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::ExitCode;
    use crate::model::Failure;
    use crate::store::{Entry, RunDirectory};
    use seepage_core::fixture::run::{clean, leaking};
    use std::sync::mpsc::channel;

    /// A phase that ends some rounds after it was halted, or with an error of its own; it notes what it is told.
    struct Phase {
        config: PhaseConfig,
        rounds: u32,
        fails: bool,
        told: Vec<&'static str>,
    }

    impl Phase {
        fn new(rounds: u32, fails: bool) -> Self {
            let config = "kind = 'soak'\nduration = '1h'".parse().unwrap();
            Phase { config, rounds, fails, told: Vec::new() }
        }
    }

    impl Stretch for Phase {
        fn end(&mut self) -> Option<Result<(), Cut>> {
            if self.fails || !self.told.is_empty() {
                let left = self.rounds.checked_sub(1);
                self.rounds = left.unwrap_or(0);
                return left.is_none().then(|| if self.fails { Err(Cut::workload("no load")) } else { Ok(()) });
            }
            None
        }

        fn halt(&mut self) {
            self.told.push("halt");
        }

        fn conclude(&mut self) {
            self.told.push("conclude");
        }

        fn stand(&self, _record: &RunRecord, _alive: usize) -> Stand<'_> {
            Stand {
                phase: (&self.config, 0, 1),
                begun: Instant::now(),
                requests: None,
                phase_requests: 0,
                failures: 0,
                soaked: Some(Soaked::Share(0.5)),
            }
        }
    }

    /// A target that lives for so many checks.
    struct Target(u32);

    impl Followed for Target {
        fn check(&mut self, _recorder: &mut Recorder, _alive: usize) -> Result<(), Cut> {
            self.0 = self.0.checked_sub(1).ok_or_else(|| Cut::target("it died"))?;
            Ok(())
        }
    }

    /// What following `phase` comes to, with how many looks were taken; the last of `looks` proves the answer.
    fn follow(phase: &mut Phase, mut target: Target, looks: u32) -> (Result<(), Cut>, u32) {
        let parent = tempfile::tempdir().unwrap();
        let directory = RunDirectory::create(parent.path(), "run").unwrap();
        let ((_sink, entries), (_, loads)) = (channel(), channel());
        let pulse = Pulse::begin();
        let recorder = Recorder::new(clean().meta, directory, pulse.clone(), entries, loads);
        let (mut taken, mut shown) = (0, 0);
        let mut look = |_: &RunRecord, share: f64| {
            assert_eq!(share, 0.5);
            taken += 1;
            Some(Looked { alpha: 0.01, found: String::new(), proven: taken == looks })
        };
        let interrupt = Interrupt::default();
        let mut monitor = Monitor { recorder, pulse, interrupt, watch: &mut |_| shown += 1, look: &mut look };
        let end = monitor.follow(phase, &mut target);
        let recorded =
            monitor.recorder.record.events.iter().filter(|e| matches!(e.kind, EventKind::Look { .. })).count();
        assert_eq!(recorded, taken as usize);
        assert!(shown >= taken);
        (end, taken)
    }

    #[test]
    fn a_sampler_that_panics_ends_the_run_which_is_judged_as_far_as_it_went() {
        let parent = tempfile::tempdir().unwrap();
        let directory = RunDirectory::create(parent.path(), "run").unwrap();
        let ((sink, entries), (_, loads)) = (channel(), channel());
        let pulse = Pulse::begin();
        let recorded = leaking();
        let recorder = Recorder::new(recorded.meta, directory, pulse.clone(), entries, loads);
        let sampled = pulse.sampled();
        let sampler = std::thread::spawn(move || {
            let _sampled = sampled;
            recorded.samples.into_iter().for_each(|sample| sink.send(Entry::Sample(sample)).unwrap());
            recorded.events.into_iter().for_each(|event| sink.send(Entry::Event(event)).unwrap());
            panic!("as planned");
        });
        assert!(sampler.join().is_err());
        let (mut watch, mut look) = (|_: &Progress<'_>| {}, |_: &RunRecord, _: f64| None);
        let (interrupt, mut phase) = (Interrupt::default(), Phase::new(3, false));
        let mut monitor = Monitor { recorder, pulse, interrupt, watch: &mut watch, look: &mut look };
        let begun = Instant::now();
        let end = monitor.follow(&mut phase, &mut Target(100));
        assert!(begun.elapsed() >= 3 * LOOK, "it doesn't spin: {:?}", begun.elapsed());
        let Finished { record, directory, .. } = monitor.finish(end);
        assert_eq!((phase.told, record.meta.failure), (vec!["halt"], Some(Failure::Recording)));
        assert!(record.meta.aborted.as_ref().unwrap().contains("samples panicked"), "{:?}", record.meta.aborted);
        let stored = crate::store::read(&directory).unwrap();
        assert_eq!(stored.samples.len(), record.samples.len());
        assert_eq!(crate::verdict::judge(&stored).exit, ExitCode::Leak);
    }

    #[test]
    fn a_target_that_dies_halts_its_phase_once_and_is_not_looked_at_any_more() {
        let mut phase = Phase::new(3, false);
        let (end, looks) = follow(&mut phase, Target(2), 100);
        let cut = end.unwrap_err();
        assert_eq!((cut.failure, cut.reason.as_str()), (Some(Failure::Target), "it died"));
        assert_eq!((phase.told, looks), (vec!["halt"], 2));
    }

    #[test]
    fn a_proven_answer_concludes_the_soak() {
        let mut phase = Phase::new(0, false);
        let (end, looks) = follow(&mut phase, Target(100), 3);
        assert!(end.is_ok());
        assert_eq!((phase.told, looks), (vec!["conclude"], 3));
    }

    #[test]
    fn a_phase_that_fails_says_why() {
        let (end, _) = follow(&mut Phase::new(1, true), Target(100), 100);
        assert_eq!(end.unwrap_err().failure, Some(Failure::Workload));
    }
}
