//! The soak of a run as a whole, over all its phases: how much of its plan is done, and where it ends.

use crate::config::{Harness, Length, PhaseConfig};
use crate::model::PhaseKind;
use crate::workload::Totals;
use std::time::Duration;

/// The phases of a run as they are gone through, and how much of the soak is done.
pub(super) struct Soaking {
    phases: Vec<PhaseConfig>,
    /// Place of the phase that goes on.
    index: usize,
    /// Place after the last soak and the pause that belongs to it.
    end: usize,
    /// Length of all soaks together; missing if it can't be told.
    planned: Option<Length>,
    /// The share of it that the soaks before this phase had.
    before: f64,
    /// Whether the soak was ended, or went on beyond its planned end.
    ended: bool,
    extended: bool,
    /// What was sent before the first soak.
    before_soak: Option<Totals>,
}

impl Soaking {
    /// Before the first phase.
    pub fn new(harness: &Harness) -> Self {
        let phases = harness.schedule();
        let end = after_soaks(&phases) + usize::from(harness.settle.pauses > 0);
        let planned = harness.soak_length();
        Soaking { phases, index: 0, end, planned, before: 0.0, ended: false, extended: false, before_soak: None }
    }

    /// The phase that goes on; missing after the last.
    pub fn phase(&self) -> Option<&PhaseConfig> {
        self.phases.get(self.index)
    }

    /// Place of the phase that goes on, from 0, and how many there are.
    pub fn place(&self) -> (usize, usize) {
        (self.index, self.phases.len())
    }

    /// The share of the planned soak that is done, above 1 beyond its end; missing out of the soak, after it was ended, and
    /// if its length can't be told.
    pub fn share(&self, elapsed: Duration, sent: u64, alive: usize) -> Option<f64> {
        let phase = self.phase().filter(|phase| phase.kind == PhaseKind::Soak && !self.ended)?;
        Some(self.before + self.part(phase)? * done(phase.length()?, elapsed, sent, alive))
    }

    /// Whether the soak has just come to its planned end, with all that was planned.
    pub fn is_over(&self) -> bool {
        self.index == self.end && !self.ended && !self.extended
    }

    /// Whether no more of the soak is to come.
    pub fn is_past(&self) -> bool {
        self.index >= after_soaks(&self.phases)
    }

    /// A soak begins, before which this was sent.
    pub fn begin_soak(&mut self, sent: Totals) {
        self.before_soak.get_or_insert(sent);
    }

    /// What was sent before the first soak, once that has begun.
    pub fn before_soak(&self) -> Option<Totals> {
        self.before_soak
    }

    /// Ends the soak: what is left of it is passed over, but for its last pause and what comes after it.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Goes on to the next phase.
    pub fn next(&mut self) {
        let part = self.phase().filter(|phase| phase.kind == PhaseKind::Soak).and_then(|phase| self.part(phase));
        self.before += part.unwrap_or(0.0);
        self.index += 1;
        if self.ended {
            self.index = self.index.max(after_soaks(&self.phases));
        }
    }

    /// Lets the soak go on beyond its end, before anything else.
    pub fn extend(&mut self, more: Vec<PhaseConfig>) {
        self.extended = true;
        self.phases.splice(self.end..self.end, more);
    }

    /// The part of the planned soak that a phase is.
    fn part(&self, phase: &PhaseConfig) -> Option<f64> {
        phase.length()?.share_of(self.planned?)
    }
}

/// The place after the last soak.
fn after_soaks(phases: &[PhaseConfig]) -> usize {
    phases.iter().rposition(|phase| phase.kind == PhaseKind::Soak).unwrap_or(0) + 1
}

/// How much of a length is done, 0 to 1.
fn done(length: Length, elapsed: Duration, sent: u64, alive: usize) -> f64 {
    let done = match length {
        Length::Seconds(_) => Length::Seconds(elapsed.as_secs_f64()),
        Length::Requests(_) => Length::Requests(sent as f64),
        Length::RequestsPerWorker(_) => Length::RequestsPerWorker(sent as f64 / alive.max(1) as f64),
    };
    done.share_of(length).map_or(1.0, |share| share.min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Overrides, parse};

    fn harness(phases: &str) -> Harness {
        let text = format!(
            "name = 'x'\n[target]\ncommand = ['x']\n[workload]\nbase-url = ['http://127.0.0.1']\nconcurrency = 1\n\
             [[workload.step]]\nname = 'a'\npath = '/'\n[[phase]]\nkind = 'warm-up'\nduration = '1s'\n{phases}"
        );
        parse(&text, "x.toml", &Overrides::default()).unwrap()
    }

    const SOAK: &str = "[[phase]]\nkind = 'soak'\nrequests = 100\n";
    const LONG: &str = "[[phase]]\nkind = 'soak'\nrequests = 300\n";
    const TIMED: &str = "[[phase]]\nkind = 'soak'\nduration = '10s'\n";
    const SETTLE: &str = "[[phase]]\nkind = 'settle'\nduration = '1s'\n";
    const PAUSES: &str = "[settle]\npauses = 4\nfor = '300ms'\n";

    fn kinds(soaking: &mut Soaking) -> Vec<PhaseKind> {
        std::iter::from_fn(|| {
            let kind = soaking.phase()?.kind;
            soaking.next();
            Some(kind)
        })
        .collect()
    }

    fn share(soaking: &Soaking, sent: u64) -> Option<f64> {
        soaking.share(Duration::ZERO, sent, 2)
    }

    #[test]
    fn shares_go_on_from_phase_to_phase() {
        let mut soaking = Soaking::new(&harness(&format!("{SOAK}{SETTLE}{LONG}")));
        assert_eq!(share(&soaking, 50), None, "the warm-up is no soak");
        soaking.next();
        assert_eq!(share(&soaking, 50), Some(0.125));
        soaking.next();
        assert_eq!(share(&soaking, 50), None);
        soaking.next();
        assert_eq!((share(&soaking, 150), share(&soaking, 900)), (Some(0.625), Some(1.0)));
    }

    #[test]
    fn pauses_cut_the_soak_but_not_its_share() {
        let mut soaking = Soaking::new(&harness(&format!("{SOAK}{PAUSES}")));
        (0..5).for_each(|_| soaking.next());
        assert_eq!(share(&soaking, 5), Some(0.55));
    }

    #[test]
    fn lengths_in_different_units_have_no_share() {
        let mut soaking = Soaking::new(&harness(&format!("{SOAK}{TIMED}")));
        soaking.next();
        assert_eq!(share(&soaking, 50), None);
    }

    #[test]
    fn what_is_left_of_an_ended_soak_is_passed_over() {
        let mut soaking = Soaking::new(&harness(&format!("{SOAK}{SETTLE}{PAUSES}")));
        (0..3).for_each(|_| soaking.next());
        soaking.end();
        assert_eq!(share(&soaking, 10), None);
        soaking.next();
        // Its last pause, and the phase after it.
        assert_eq!(kinds(&mut soaking), [PhaseKind::Settle, PhaseKind::Settle]);
        assert!(!soaking.is_over());
    }

    #[test]
    fn a_soak_goes_on_in_pauses_as_it_was() {
        let harness = harness(&format!("{SOAK}{SETTLE}{PAUSES}"));
        let mut soaking = Soaking::new(&harness);
        (0..9).for_each(|_| soaking.next());
        assert!(soaking.is_over());
        soaking.extend(harness.extension(1.5));
        assert!(!soaking.is_over());
        assert_eq!(share(&soaking, 25), Some(1.25));
        let rest = [PhaseKind::Soak, PhaseKind::Settle, PhaseKind::Soak, PhaseKind::Settle, PhaseKind::Settle];
        assert_eq!(kinds(&mut soaking), rest);
    }

    #[test]
    fn several_soaks_go_on_with_the_load_of_the_last() {
        let harness = harness(&format!("{SOAK}{LONG}{SETTLE}"));
        let more = harness.extension(2.0);
        assert_eq!(more.iter().map(|phase| phase.requests).collect::<Vec<_>>(), [Some(400)]);
        assert!(harness.warms_up() && harness.last_soak() == Some(0.75));
    }
}
