//! Several resources of one run: memory has its own error probability, all others share one.

use super::assess::{Demands, Terms};
use super::finding::find_by;
use crate::answer::{Finding, Outcome};
use crate::model::{Axis, EvidenceClass, Resource, Series};

/// A resource that has a budget, with its series.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub resource: Resource,
    pub axis: Axis,
    pub series: Vec<Series>,
    /// Allowed growth per step of the axis.
    pub budget: f64,
}

impl Candidate {
    fn is_secondary(&self) -> bool {
        self.resource.evidence() == EvidenceClass::Secondary
    }

    fn find(&self, tests: usize, page: f64, demands: Demands) -> Finding {
        let quantum = self.resource.quantum(page);
        find_by(self.resource, self.axis, &self.series, Terms { budget: self.budget, quantum, tests, demands })
    }
}

/// Judges memory by itself, and the others with one error probability for all of them, by the step-down procedure of Holm
/// (1979): at first each has its even share; one that is proven to leak leaves its share to those that are still open.
pub fn step_down(judged: &[Candidate], page: f64, demands: Demands) -> Vec<Finding> {
    let secondary = judged.iter().filter(|one| one.is_secondary()).count();
    let tests =
        |one: &Candidate, proven: usize| if one.is_secondary() { secondary.saturating_sub(proven).max(1) } else { 1 };
    let mut findings: Vec<Finding> = judged.iter().map(|one| one.find(tests(one, 0), page, demands)).collect();
    let mut proven = 0;
    loop {
        let leaks = |(finding, one): &(&Finding, &Candidate)| one.is_secondary() && finding.outcome == Outcome::Leak;
        let now = findings.iter().zip(judged).filter(leaks).count();
        if now == proven {
            return findings;
        }
        proven = now;
        for (finding, one) in findings.iter_mut().zip(judged) {
            if one.is_secondary() && finding.outcome == Outcome::Inconclusive {
                *finding = one.find(tests(one, proven), page, demands);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WorkerId;

    fn judged(resource: Resource, slope: f64, noise: f64) -> Candidate {
        let mut state = 7u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1u32 << 31) - 0.5
        };
        let x: Vec<f64> = (0..60).map(|i| 10.0 * f64::from(i)).collect();
        let y = x.iter().map(|x| 1000.0 + slope * x + noise * (0..6).map(|_| random()).sum::<f64>()).collect();
        let worker = Some(WorkerId::new(1, 1));
        let series = Series { worker, t: x.clone(), x, y, ..Series::default() };
        Candidate { resource, axis: Axis::WorkerRequests, series: vec![series], budget: 0.01 }
    }

    #[test]
    fn what_is_proven_leaves_its_share_to_the_others() {
        // Of descriptors that grow just so much that half of the error probability proves it and a third doesn't.
        let weak = |noise: f64| judged(Resource::Descriptors, 0.012, noise);
        let outcome = |tests, noise| weak(noise).find(tests, 4096.0, Demands::at_the_end()).outcome;
        let noise = (1..200).map(|k| f64::from(k) * 0.002);
        let noise = noise.clone().find(|n| outcome(1, *n) == Outcome::Leak && outcome(4, *n) == Outcome::Inconclusive);
        let noise = noise.expect("somewhere between");
        let flat = |resource| judged(resource, 0.0, 0.0);
        let among = |first: Candidate| {
            let all = [first, weak(noise), judged(Resource::Tmpfs, 1.0, 0.0), judged(Resource::Kernel, 1.0, 0.0)];
            step_down(&all, 1.0, Demands::at_the_end()).into_iter().map(|f| f.outcome).collect::<Vec<_>>()
        };
        assert_eq!(among(judged(Resource::Threads, 1.0, 0.0)), [Outcome::Leak; 4]);
        let all = [flat(Resource::Threads), weak(noise), flat(Resource::Tmpfs), flat(Resource::Kernel)];
        assert_eq!(step_down(&all, 1.0, Demands::at_the_end())[1].outcome, Outcome::Inconclusive);
    }

    #[test]
    fn nothing_to_judge_is_no_finding() {
        assert!(step_down(&[], 4096.0, Demands::at_the_end()).is_empty());
    }
}
