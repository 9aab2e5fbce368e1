//! The phases of a run one after the other, its soaks cut by their pauses.

use super::{Harness, PhaseConfig, Span};
use crate::model::PhaseKind;

impl Harness {
    /// The phases as they are gone through: a soak with pauses becomes as many soaks, each with a settle phase after it.
    pub fn schedule(&self) -> Vec<PhaseConfig> {
        self.phases.iter().flat_map(|phase| self.parts(phase, self.settle.pauses)).collect()
    }

    /// The soaks as the harness file has them.
    pub fn soaks(&self) -> impl DoubleEndedIterator<Item = &PhaseConfig> {
        self.phases.iter().filter(|phase| phase.kind == PhaseKind::Soak)
    }

    /// The length of all soaks together; missing if they are measured in different units, or one ends by itself.
    pub fn soak_length(&self) -> Option<Length> {
        let mut lengths = self.soaks().map(PhaseConfig::length);
        let first = lengths.next()??;
        lengths.try_fold(first, |sum, next| sum.plus(next?))
    }

    /// The part of all soaks together that the last one is, 0 to 1; missing if that can't be told.
    pub fn last_soak(&self) -> Option<f64> {
        self.soaks().next_back()?.length()?.share_of(self.soak_length()?)
    }

    /// Whether a phase without judgement, in which the target warms up, comes before the first soak.
    pub fn warms_up(&self) -> bool {
        self.phases.iter().take_while(|phase| phase.kind != PhaseKind::Soak).any(|p| p.kind == PhaseKind::WarmUp)
    }

    /// The phases by which the soak goes on to `factor` times its length: more of the last one, with pauses as often as it
    /// has. Nothing if the soak's length can't be told.
    pub fn extension(&self, factor: f64) -> Vec<PhaseConfig> {
        let Some((last, share)) = self.soaks().next_back().zip(self.last_soak()) else { return Vec::new() };
        let more = (factor - 1.0) / share;
        let pauses = (f64::from(self.settle.pauses) * more).ceil() as u32;
        self.parts(&last.times(more), pauses)
    }

    fn parts(&self, phase: &PhaseConfig, pauses: u32) -> Vec<PhaseConfig> {
        let parts = u64::from(pauses);
        if phase.kind != PhaseKind::Soak || parts == 0 {
            return vec![phase.clone()];
        }
        // Counts are cut so that they add up to the whole.
        let cut = |count: Option<u64>, i: u64| count.map(|n| edge(n, i + 1, parts) - edge(n, i, parts));
        let pause = PhaseConfig::lasting(PhaseKind::Settle, Some(self.settle.duration));
        (0..parts)
            .flat_map(|i| {
                let soak = PhaseConfig {
                    duration: phase.duration.map(|span| Span(span.0 / pauses)),
                    requests: cut(phase.requests, i),
                    requests_per_worker: cut(phase.requests_per_worker, i),
                    ..phase.clone()
                };
                [soak, pause.clone()]
            })
            .collect()
    }
}

/// How long a phase is, in the unit in which the harness file says it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Length {
    /// In time, in seconds.
    Seconds(f64),
    /// In requests of all workers together.
    Requests(f64),
    /// In requests for each worker.
    RequestsPerWorker(f64),
}

impl Length {
    /// Both together; missing if they are in different units.
    fn plus(self, other: Length) -> Option<Length> {
        match (self, other) {
            (Length::Seconds(a), Length::Seconds(b)) => Some(Length::Seconds(a + b)),
            (Length::Requests(a), Length::Requests(b)) => Some(Length::Requests(a + b)),
            (Length::RequestsPerWorker(a), Length::RequestsPerWorker(b)) => Some(Length::RequestsPerWorker(a + b)),
            _ => None,
        }
    }

    /// Which part of `whole` it is; missing if they are in different units, or the whole is nothing.
    pub fn share_of(self, whole: Length) -> Option<f64> {
        let (part, whole) = match (self, whole) {
            (Length::Seconds(a), Length::Seconds(b))
            | (Length::Requests(a), Length::Requests(b))
            | (Length::RequestsPerWorker(a), Length::RequestsPerWorker(b)) => (a, b),
            _ => return None,
        };
        (whole > 0.0).then(|| part / whole)
    }
}

impl PhaseConfig {
    /// How long it is; missing if its command ends it.
    pub fn length(&self) -> Option<Length> {
        let seconds = self.duration.map(|span| Length::Seconds(span.0.as_secs_f64()));
        let requests = self.requests.map(|n| Length::Requests(n as f64));
        let per_worker = self.requests_per_worker.map(|n| Length::RequestsPerWorker(n as f64));
        seconds.or(requests).or(per_worker)
    }

    /// The same phase, this many times as long.
    pub fn times(&self, factor: f64) -> PhaseConfig {
        let count = |n: Option<u64>| n.map(|n| (n as f64 * factor).ceil() as u64);
        PhaseConfig {
            duration: self.duration.map(|span| Span(span.0.mul_f64(factor))),
            requests: count(self.requests),
            requests_per_worker: count(self.requests_per_worker),
            ..self.clone()
        }
    }
}

/// Where part `i` of `parts` ends.
fn edge(count: u64, i: u64, parts: u64) -> u64 {
    (u128::from(count) * u128::from(i) / u128::from(parts)) as u64
}

#[cfg(test)]
mod tests {
    use crate::config::{Overrides, parse};
    use crate::model::PhaseKind;

    #[test]
    fn a_soak_is_cut_by_its_pauses_and_keeps_its_length() {
        let text = "name = 'x'\n[target]\ncommand = ['x']\n[workload]\nbase-url = ['http://127.0.0.1']\nconcurrency = 1\n\
                    [[workload.step]]\nname = 'a'\npath = '/'\n[[phase]]\nkind = 'warm-up'\nduration = '1s'\n\
                    [[phase]]\nkind = 'soak'\nrequests = 100\n[settle]\npauses = 7\nfor = '300ms'\n";
        let harness = parse(text, "x.toml", &Overrides::default()).unwrap();
        let schedule = harness.schedule();
        let kinds: Vec<PhaseKind> = schedule.iter().map(|p| p.kind).collect();
        assert_eq!(
            (schedule.len(), kinds[0], kinds[1], kinds[14]),
            (15, PhaseKind::WarmUp, PhaseKind::Soak, PhaseKind::Settle)
        );
        assert_eq!(schedule.iter().filter_map(|p| p.requests).sum::<u64>(), 100);
        assert!(schedule.iter().filter_map(|p| p.requests).all(|n| n == 14 || n == 15));
        let longer = harness.phases[1].times(1.5);
        assert_eq!((longer.kind, longer.requests, longer.duration), (PhaseKind::Soak, Some(150), None));
        let plain = parse(&text.replace("pauses = 7", "pauses = 0"), "x.toml", &Overrides::default()).unwrap();
        assert_eq!(plain.schedule(), plain.phases);
    }
}
