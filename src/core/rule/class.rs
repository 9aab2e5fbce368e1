//! What kind of behaviour a resource shows, and what proves it.

use super::assess::Assessment;
use crate::answer::{Because, Full, LeakClass, Outcome, Transient, When};
use crate::limits::EVER;
use crate::model::Series;
use crate::rule::levels::pool::Pool;
use crate::stats::median;
use crate::thresholds::assess::ALPHA_SUSPICIOUS;
use crate::thresholds::scale::FEW;

/// What a class is told from.
pub struct Behaviour<'a> {
    pub series: &'a [Series],
    pub pool: &'a Pool,
    pub outcome: Outcome,
    /// Workers that leak beyond doubt by themselves.
    pub leaking: usize,
    pub budget: f64,
    /// The least change of level that counts as a jump.
    pub least_jump: f64,
}

/// When a transient is over.
#[derive(Debug, Clone, Copy, PartialEq)]
struct End {
    when: When,
    /// In the best model, as a share of the judged part.
    share: f64,
    /// What is still to come after the run.
    left: f64,
}

impl Behaviour<'_> {
    /// The class that fits the answer.
    pub fn classify(&self, a: &Assessment) -> LeakClass {
        let (pool, budget) = (self.pool, self.budget);
        let small = 0.5 * budget * self.span();
        match self.outcome {
            Outcome::Leak
                if self.leaking > 0 && self.leaking < pool.members.len() && 2 * self.leaking <= pool.members.len() =>
            {
                LeakClass::LeakInOneWorker
            }
            Outcome::Leak => LeakClass::Leak,
            Outcome::Inconclusive if self.is_filling(a, small) => LeakClass::CacheFilling,
            Outcome::Inconclusive => LeakClass::Unknown,
            Outcome::Clean => {
                // Growth in a configured warm-up phase isn't judged, but it is what the reader sees.
                let total = self.total();
                let abrupt = mean(self.histories().iter().map(|y| two_largest_rises(y, self.least_jump)));
                if pool.sawtooth {
                    LeakClass::Sawtooth
                } else if total > small && abrupt > 0.5 * total {
                    LeakClass::HighWaterMark
                } else if total > small && self.is_filling(a, small) {
                    LeakClass::CacheFilling
                } else if total > small && total > 2.0 * a.end.estimate.max(0.0) * self.span() {
                    LeakClass::WarmUp
                } else if a.models.iter().all(|m| m.end.lower(ALPHA_SUSPICIOUS.get()) > 0.0) {
                    LeakClass::WithinBudget
                } else {
                    LeakClass::Flat
                }
            }
        }
    }

    /// What shows that it is of its class; `None` where the reason says it all.
    pub fn because(&self, a: &Assessment, class: LeakClass) -> Option<Because> {
        let span = self.span();
        let jumps = || mean(self.histories().iter().map(|y| two_largest_rises(y, self.least_jump)));
        Some(match class {
            LeakClass::Leak | LeakClass::LeakInOneWorker | LeakClass::LeakInOneStep => {
                let grown: Vec<f64> =
                    self.members().filter_map(|s| s.y.last().zip(s.y.first()).map(|(b, a)| b - a)).collect();
                let most = grown.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                Because::Rose { span, usual: median(&grown)?, most: (grown.len() != 1).then_some(most) }
            }
            LeakClass::CacheFilling => Because::Fills(self.end(a).map(|end| Full { when: end.when, left: end.left })),
            LeakClass::WarmUp => Because::Settled {
                grown: self.total(),
                level: self.last_level()?,
                after: self.end(a).map(|end| end.when),
            },
            LeakClass::HighWaterMark => Because::InJumps { grown: self.total(), jumps: jumps() },
            LeakClass::Sawtooth => {
                let floors: Vec<f64> = self.members().flat_map(|levels| levels.y.iter().copied()).collect();
                Because::Floors { collections: floors.len(), level: median(&floors)? }
            }
            LeakClass::WithinBudget => Because::Grows { estimate: a.end.estimate },
            LeakClass::Flat => {
                let all: Vec<f64> = self.pool.raw.iter().flat_map(|s| s.y.iter().copied()).collect();
                let low = all.iter().copied().fold(f64::INFINITY, f64::min);
                let high = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                Because::Stays { span, within: high - low, around: median(&all)? }
            }
            LeakClass::CopyOnWrite
            | LeakClass::SwapHidIt
            | LeakClass::SharedPages
            | LeakClass::Retention
            | LeakClass::BornBigger
            | LeakClass::Unknown => return None,
        })
    }

    fn members(&self) -> impl Iterator<Item = &crate::rule::levels::level::Levels> {
        self.pool.members.iter().map(|m| &m.levels)
    }

    fn histories(&self) -> Vec<&[f64]> {
        self.pool.members.iter().map(|m| &self.series[m.index].y[..]).collect()
    }

    /// What a worker grew by over its whole life, on average.
    fn total(&self) -> f64 {
        mean(self.histories().iter().map(|y| y.last().unwrap_or(&0.0) - y.first().unwrap_or(&0.0)))
    }

    /// Steps of the axis that a worker's judged part spans, on average.
    fn span(&self) -> f64 {
        self.pool.total_span() / self.pool.members.len().max(1) as f64
    }

    fn last_level(&self) -> Option<f64> {
        median(&self.members().filter_map(|l| l.y.last().copied()).collect::<Vec<_>>())
    }

    /// Whether growth goes on at the end in the best model, and belongs to a transient that isn't over.
    fn is_filling(&self, a: &Assessment, small: f64) -> bool {
        let Some(best) = a.models.first() else { return false };
        let fading = !best.transients.is_empty() && best.transients.iter().all(|t| t.is_bounded());
        let slows = best.end.value > 2.0 * best.end.se && best.end.value > 1.5 * best.persistent.value.max(0.0);
        let far = self.end(a).is_none_or(|end| end.share > 1.0 && end.left > small);
        fading && slows && far && best.end.value * self.span() > small
    }

    /// When the best model's last transient is over; `None` if it has none that ends.
    fn end(&self, a: &Assessment) -> Option<End> {
        let over = |transients: &[Transient]| {
            let ends = transients.iter().filter(|t| t.has_level()).map(|t| t.over_from(FEW.get() as f64));
            ends.max_by(f64::total_cmp)
        };
        let best = a.models.first()?;
        let share = over(&best.transients)?;
        let all = || a.models.iter().filter_map(|m| over(&m.transients));
        let (soonest, latest) = (all().fold(share, f64::min), all().fold(share, f64::max));
        let starts: Vec<f64> = self.members().filter_map(|l| l.x.first().copied()).collect();
        let start = median(&starts)?;
        let place = |share: f64| start + share * self.span();
        let left = best.transients.iter().zip(&best.amplitudes).map(|(t, a)| a * (t.at(EVER) - t.at(1.0))).sum::<f64>();
        let when = When { at: place(share), soonest: place(soonest), latest: place(latest) };
        Some(End { when, share, left: left.max(0.0) })
    }
}

/// The two largest rises between neighbouring readings, together; rises under `least` are flutter and count for nothing.
fn two_largest_rises(y: &[f64], least: f64) -> f64 {
    let (mut first, mut second) = (0.0, 0.0);
    for rise in y.windows(2).map(|w| w[1] - w[0]).filter(|r| *r >= least) {
        if rise > first {
            (first, second) = (rise, first);
        } else if rise > second {
            second = rise;
        }
    }
    first + second
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len().max(1) as f64;
    values.sum::<f64>() / n
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Finding;
    use crate::model::{Axis, Resource, WorkerId};
    use crate::rule::finding::find;

    /// One worker's memory as a function of its requests, 300 readings over 30,000, with a little noise.
    fn judged(level: impl Fn(f64) -> f64) -> Finding {
        judged_pool(1, |_, x| level(x))
    }

    /// The same of several workers.
    fn judged_pool(workers: u32, level: impl Fn(u32, f64) -> f64) -> Finding {
        let mut state = 1u64;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) as f64 / f64::from(1u32 << 31) - 0.5) * 40_000.0
        };
        let x: Vec<f64> = (0..300).map(|i| 100.0 * f64::from(i)).collect();
        let mut series = |pid: u32| {
            let y = x.iter().map(|x| ((50e6 + level(pid, *x) + noise()) / 4096.0).round() * 4096.0).collect();
            let worker = Some(WorkerId::new(pid, 1));
            Series { worker, t: x.clone(), x: x.clone(), y, ..Series::default() }
        };
        let series: Vec<Series> = (1..=workers).map(&mut series).collect();
        find(Resource::Memory, Axis::WorkerRequests, &series, 64.0, 4096.0)
    }

    fn because(finding: &Finding) -> Because {
        finding.evidence.because.expect("what shows its class")
    }

    #[test]
    fn where_some_workers_leak_the_worst_of_them_is_told() {
        let leak = |pid: u32| match pid {
            3 => 1500.0,
            5 => 900.0,
            _ => 0.0,
        };
        let finding = judged_pool(8, |pid, x| leak(pid) * x);
        assert_eq!((finding.outcome, finding.class), (Outcome::Leak, LeakClass::LeakInOneWorker));
        let growth = finding.growth.expect("a leak has growth");
        assert!(growth.lower <= 1500.0 && 1500.0 <= growth.upper && growth.lower > 1400.0, "{growth:?}");
    }

    #[test]
    fn a_warm_up_says_where_and_when_it_settled() {
        let finding = judged(|x| 20e6 * (1.0 - (-x / 3000.0).exp()));
        assert_eq!((finding.outcome, finding.class), (Outcome::Clean, LeakClass::WarmUp), "{:?}", finding.reason);
        let Because::Settled { level, after: Some(after), .. } = because(&finding) else {
            panic!("{:?}", because(&finding))
        };
        assert!((8000.0..10_000.0).contains(&after.at), "{after:?}");
        assert!((66.0..67.5).contains(&(level / 1048576.0)), "{level}");
    }

    #[test]
    fn a_cache_that_fills_says_when_it_would_be_full() {
        let finding = judged(|x| 20e6 * (1.0 - (-x / 18_000.0).exp()));
        assert_eq!(finding.class, LeakClass::CacheFilling, "{:?}", finding.reason);
        let Because::Fills(Some(full)) = because(&finding) else { panic!("{:?}", because(&finding)) };
        assert!((40_000.0..72_000.0).contains(&full.when.at), "{full:?}");
    }

    #[test]
    fn a_leak_says_what_it_took() {
        let finding = judged(|x| 300.0 * x);
        assert_eq!((finding.outcome, finding.class), (Outcome::Leak, LeakClass::Leak));
        let Because::Rose { span, usual, most: None } = because(&finding) else { panic!("{:?}", because(&finding)) };
        assert!(span.round() == 29500.0 && (usual / 300.0 / span - 1.0).abs() < 0.01, "{span}, {usual}");
    }

    #[test]
    fn what_is_flat_says_how_flat() {
        let finding = judged(|_| 0.0);
        assert_eq!(finding.class, LeakClass::Flat);
        let Because::Stays { within, around, .. } = because(&finding) else { panic!("{:?}", because(&finding)) };
        assert!(within < 40_000.0 && (around - 50e6).abs() < 10_000.0, "{within}, {around}");
    }
}
