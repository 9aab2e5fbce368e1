//! The phases of a run one after the other, its soaks cut by their pauses.

use super::{Harness, PhaseConfig, Span};
use crate::model::PhaseKind;

impl Harness {
    /// The phases as they are gone through: a soak with pauses becomes as many soaks, each with a settle phase after it.
    pub fn schedule(&self) -> Vec<PhaseConfig> {
        self.phases.iter().flat_map(|phase| self.parts(phase)).collect()
    }

    fn parts(&self, phase: &PhaseConfig) -> Vec<PhaseConfig> {
        let parts = u64::from(self.settle.pauses);
        if phase.kind != PhaseKind::Soak || parts == 0 {
            return vec![phase.clone()];
        }
        // Counts are cut so that they add up to the whole.
        let cut = |count: Option<u64>, i: u64| count.map(|n| edge(n, i + 1, parts) - edge(n, i, parts));
        let pause = PhaseConfig {
            kind: PhaseKind::Settle,
            duration: Some(self.settle.duration),
            requests: None,
            requests_per_worker: None,
            rate: None,
            concurrency: None,
        };
        (0..parts)
            .flat_map(|i| {
                let soak = PhaseConfig {
                    duration: phase.duration.map(|span| Span(span.0 / self.settle.pauses)),
                    requests: cut(phase.requests, i),
                    requests_per_worker: cut(phase.requests_per_worker, i),
                    ..phase.clone()
                };
                [soak, pause.clone()]
            })
            .collect()
    }
}

impl PhaseConfig {
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
