//! How long a run has to be to prove a budget: the noise that a rehearsal shows, played on at several lengths and judged by
//! the very rule that will judge the run.
//!
//! No formula stands between the plan and the rule, so that the plan is right for whatever the rule does. Always: the same
//! rehearsal gives the same plan, and a length that isn't found within bounds is missing.

use crate::answer::Outcome;
use crate::limits::plan::{
    CLEAN, CONSTANTS, FEWEST, GREATEST, LEAKING, LONGER, LONGEST, MARGIN, MOST_WORKERS, PLAYED, READINGS, STILL_WARMING,
};
use crate::model::{Axis, Resource, Series, WorkerId};
use crate::rule::find;
use crate::rule::finding::least_jump;
use crate::rule::levels::level::Levels;
use crate::rule::levels::pool::{Member, Pool};
use crate::rule::models::plausible::{Plausible, plausible};
use crate::rule::steps::at_one_mix;
use crate::stats::{median, normal_quantile};
use crate::working::Residuals;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a rehearsal shows of the workers' memory beside growth.
#[derive(Debug, Clone, PartialEq)]
pub struct Noise {
    /// What is planned along.
    pub axis: Axis,
    /// Workers that were judged.
    pub workers: usize,
    /// Steps of the axis that each was watched over.
    pub span: f64,
    /// Steps of the axis in a second.
    pub pace: f64,
    /// Standard deviation of the noise that is a worker's own, in bytes.
    pub own: f64,
    /// Standard deviation of the noise that all workers share.
    pub common: f64,
    /// Autocorrelation of the noise from one stretch to the next.
    pub rho: f64,
    /// Steps of the axis in a stretch.
    pub stretch: f64,
    /// Steps of the axis from one reading of a worker to the next.
    pub reading: f64,
    /// Steps of the axis until the warm-up is over; missing if none was seen.
    pub warm_up: Option<f64>,
    /// Whether the warm-up was still going on at the end of the rehearsal, so that it is not well known.
    pub still_warming: bool,
    /// Abrupt jumps; they are not in the plan.
    pub jumps: usize,
    /// Bytes to which levels are rounded.
    quantum: f64,
}

/// Why a rehearsal is too short to measure the noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooShort {
    /// Nothing could be fitted.
    Unfitted,
    /// It gave too few levels.
    Levels {
        /// How many.
        levels: usize,
        /// How many are needed.
        needed: usize,
    },
}

/// The lengths that prove one budget.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Planned {
    /// The budget in bytes per step of the axis.
    pub budget: f64,
    /// How many times the budget the leak is that is to be called one.
    pub times: f64,
    /// Steps of the axis in which that leak is called one; missing if none that was tried is enough.
    pub leak: Option<f64>,
    /// Steps of the axis in which a worker that grows by half of the budget at most is called clean.
    pub clean: Option<f64>,
}

impl Planned {
    /// The length that proves either; missing if one of the two is.
    pub fn both(&self) -> Option<f64> {
        Some(self.leak?.max(self.clean?))
    }
}

impl Noise {
    /// Measures the noise in the series of a rehearsal; `quantum` is the page size.
    ///
    /// # Errors
    /// If the rehearsal is too short to tell.
    pub fn measure(axis: Axis, series: &[Series], quantum: f64) -> Result<Self, TooShort> {
        let of = |series: &[Series]| {
            let pool = Pool::new(series, least_jump(Resource::Memory, quantum));
            let averaged = pool.members.len() as f64 / pool.raw.len().max(1) as f64;
            let models = plausible(&pool.raw, &pool.smooth, pool.jumps.len(), averaged, quantum).models;
            (pool, averaged, models)
        };
        let (pool, _, models) = of(series);
        let series = &at_one_mix(series, &pool, &models, quantum);
        let (pool, averaged, models) = of(series);
        let pace = crate::rule::forecast::pace(series).ok_or(TooShort::Unfitted)?;
        let workers = pool.members.len();
        let whole = models.first().ok_or(TooShort::Unfitted)?;
        let span = pool.total_span() / workers.max(1) as f64;
        let blocks = pool.raw.iter().map(|l| l.x.len()).max().unwrap_or(0);
        if blocks < FEWEST || span <= 0.0 {
            return Err(TooShort::Levels { levels: blocks, needed: FEWEST });
        }
        let (together, rho) = left(whole, if whole.stepped { &pool.smooth } else { &pool.raw });
        let one = |m: &Levels, smooth: &Levels, jumps: usize| {
            let (raw, smooth) = (std::slice::from_ref(m), std::slice::from_ref(smooth));
            let models = plausible(raw, smooth, jumps, 1.0, quantum).models;
            models.first().map(|model| left(model, if model.stepped { smooth } else { raw }).0)
        };
        let alone: Vec<f64> =
            pool.members.iter().take(MOST_WORKERS).filter_map(|m| one(&m.levels, &m.smooth, m.jumps.len())).collect();
        let alone = alone.iter().sum::<f64>() / alone.len().max(1) as f64;
        // The variance of a mean of n is that of what they share and an n-th of what is each one's own.
        let common =
            if averaged > 1.0 { ((averaged * together - alone) / (averaged - 1.0)).clamp(0.0, alone) } else { 0.0 };
        let judged = |s: &Series| (s.x.len() - s.judged_from()).saturating_sub(1);
        let apart = |m: &Member| m.levels.span() / judged(&series[m.index]).max(1) as f64;
        let reading = median(&pool.members.iter().map(apart).collect::<Vec<f64>>());
        let bounded = whole.transients.iter().filter(|t| t.is_bounded());
        let over = bounded.map(|t| if t.has_level() { t.over_from(CONSTANTS) } else { 1.0 });
        let warm_up = over.max_by(f64::total_cmp);
        Ok(Noise {
            axis,
            workers,
            span,
            pace,
            own: (alone - common).max(0.0).sqrt(),
            common: common.sqrt(),
            rho,
            stretch: span / (blocks - 1) as f64,
            reading: reading.unwrap_or(span / (blocks - 1) as f64),
            warm_up: warm_up.map(|share| share * span),
            still_warming: warm_up.is_some_and(|share| share > STILL_WARMING),
            jumps: pool.jumps.len(),
            quantum,
        })
    }

    /// Plays a run of `length` steps in which every worker grows by `slope` a step.
    fn play(&self, length: f64, slope: f64, rng: &mut ChaCha8Rng) -> Vec<Series> {
        let readings = ((length / self.reading) as usize + 1).clamp(FEWEST, READINGS);
        let step = length / (readings - 1) as f64;
        let rho = self.rho.powf(step / self.stretch);
        // What is known is the noise of stretches; that of the readings in them is larger.
        let larger = 1.0 / averaged(rho, (self.stretch / step) as usize).sqrt();
        let path = |spread: f64, rng: &mut ChaCha8Rng| {
            let spread = spread * larger;
            let mut level = spread * normal(rng);
            let innovation = spread * (1.0 - rho * rho).sqrt();
            (0..readings)
                .map(|_| {
                    level = rho * level + innovation * normal(rng);
                    level
                })
                .collect::<Vec<f64>>()
        };
        let shared = path(self.common, rng);
        (0..self.workers.clamp(1, MOST_WORKERS))
            .map(|worker| {
                let own = path(self.own, rng);
                let x: Vec<f64> = (0..readings).map(|i| step * i as f64).collect();
                // Any level will do: the rule knows differences only. Each worker begins at its own place in a page.
                let base = self.quantum * (4096.0 + rng.random::<f64>());
                let level = |i: usize| base + slope * x[i] + shared[i] + own[i];
                let y = (0..readings).map(|i| (level(i) / self.quantum).round() * self.quantum).collect();
                let t = x.iter().map(|x| x / self.pace).collect();
                Series { worker: Some(WorkerId::new(worker as u32 + 1, 1)), t, x, y, ..Series::default() }
            })
            .collect()
    }

    /// Whether runs of this length get the answer that is true, with probability `power`; stops as soon as that is settled.
    fn is_enough(&self, length: f64, slope: f64, budget: f64, wanted: Outcome, power: f64) -> bool {
        let needed = (PLAYED as f64 * power).ceil() as u64;
        let (mut right, mut played) = (0, 0);
        while right < needed && right + (PLAYED - played) >= needed {
            let series = self.play(length, slope, &mut ChaCha8Rng::seed_from_u64(played));
            let finding = find(Resource::Memory, self.axis, &series, budget, self.quantum);
            right += u64::from(finding.outcome == wanted);
            played += 1;
        }
        right >= needed
    }

    /// The shortest length from `from` on that is enough.
    fn shortest(&self, from: f64, slope: f64, budget: f64, wanted: Outcome, power: f64) -> Option<f64> {
        let is_enough = |length: &f64| self.is_enough(*length, slope, budget, wanted, power);
        let lengths = (0..).map(|k| from * LONGER.powi(k)).take_while(|l| *l <= LONGEST * self.span);
        let enough = lengths.into_iter().find(is_enough)?;
        // Between this one and the one before, which wasn't.
        let between = enough / LONGER.sqrt();
        Some(if enough > from && is_enough(&between) { between } else { enough })
    }

    /// By how much longer a run has to be if the noise is as great as it may be with this probability. What counts of the
    /// noise goes with `sigma / (1 - rho)`; known from `n` levels these have relative variances of `1 / 2n` and
    /// `(1 + rho) / ((1 - rho) n)` (Bartlett 1946), and the length that is needed goes with the power 2/3.
    fn margin(&self, power: f64) -> f64 {
        let n = self.span / self.stretch + 1.0;
        let variance = 0.5 / n + (1.0 + self.rho) / ((1.0 - self.rho) * n);
        (2.0 / 3.0 * normal_quantile(power) * variance.sqrt()).exp().clamp(1.0, MARGIN)
    }
}

/// The variance of what a model leaves of these levels, and its autocorrelation from one level to the next, corrected for
/// the bias that comes from fitting a line (Tjostheim & Paulsen 1983).
fn left(model: &Plausible, levels: &[Levels]) -> (f64, f64) {
    let left = Residuals::of(model, levels);
    let (n, fitted) =
        (left.points.iter().map(Vec::len).sum::<usize>() as f64, 2.0 + 2.0 * model.transients.len() as f64);
    let squares: f64 = left.points.iter().flatten().map(|p| p.1 * p.1).sum();
    let found = left.autocorrelation.first().copied().unwrap_or(0.0);
    let rho = found + (2.0 + 4.0 * found) / n.max(1.0);
    (squares / (n - fitted).max(1.0), rho.clamp(0.0, GREATEST))
}

/// The variance of a mean of `n` readings as a part of that of one, at this autocorrelation from one to the next.
fn averaged(rho: f64, n: usize) -> f64 {
    let n = n.max(1);
    let others: f64 = (1..n).map(|lag| (n - lag) as f64 * rho.powi(lag as i32)).sum();
    (n as f64 + 2.0 * others) / (n * n) as f64
}

/// The lengths that prove each of `budgets` with probability `power`, in their order, and find a leak of so many `times` the budget: of
/// twice if nothing is said.
pub fn plan(noise: &Noise, budgets: &[f64], times: Option<f64>, power: f64) -> Vec<Planned> {
    let times = times.unwrap_or(LEAKING);
    let mut rising = budgets.to_vec();
    rising.sort_by(f64::total_cmp);
    rising.dedup();
    let least = Some(noise.stretch * (FEWEST - 1) as f64);
    let lengths = |search: &dyn Fn(f64, f64) -> Option<f64>| {
        let mut found = vec![None; rising.len()];
        fill(&rising, &mut found, least, search);
        found
    };
    let leak = lengths(&|from, budget| noise.shortest(from, times * budget, budget, Outcome::Leak, power));
    let clean = lengths(&|from, budget| noise.shortest(from, CLEAN * budget, budget, Outcome::Clean, power));
    let planned = |budget: &f64| {
        let place = rising.partition_point(|b| b < budget);
        let with_margin = |length: Option<f64>| length.map(|l| l * noise.margin(power));
        Planned { budget: *budget, times, leak: with_margin(leak[place]), clean: with_margin(clean[place]) }
    };
    budgets.iter().map(planned).collect()
}

/// Finds the length for each of the rising `budgets`. Larger ones need shorter runs: the search for a smaller one begins
/// where that for a larger one ended, and what lies between two that need the same is not searched for.
fn fill(budgets: &[f64], found: &mut [Option<f64>], from: Option<f64>, search: &dyn Fn(f64, f64) -> Option<f64>) {
    let Some(last) = budgets.len().checked_sub(1) else { return };
    found[last] = from.and_then(|from| search(from, budgets[last]));
    if last == 0 {
        return;
    }
    found[0] = found[last].and_then(|from| search(from, budgets[0]));
    if found[0] == found[last] {
        found.fill(found[last]);
    } else {
        let from = found[last];
        fill(&budgets[1..last], &mut found[1..last], from, search);
    }
}

/// A standard normal deviate: the sum of twelve uniform ones is near enough.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rehearsal(spread: f64, rho: f64, warm: f64) -> Vec<Series> {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut worker = |pid| {
            let mut level = 0.0;
            let x: Vec<f64> = (0..300).map(|i| 10.0 * f64::from(i)).collect();
            let y = x
                .iter()
                .map(|x| {
                    level = rho * level + spread * (1.0 - rho * rho).sqrt() * normal(&mut rng);
                    let grown = 1e8 + level + warm * (1.0 - (-x / 200.0).exp());
                    (grown / 4096.0).round() * 4096.0
                })
                .collect();
            let t = x.iter().map(|x| x / 50.0).collect();
            Series { worker: Some(WorkerId::new(pid, 1)), t, x, y, ..Series::default() }
        };
        vec![worker(1), worker(2)]
    }

    #[test]
    fn noise_pace_and_warm_up_are_measured() {
        let noise = Noise::measure(Axis::WorkerRequests, &rehearsal(1e5, 0.9, 2e7), 4096.0).unwrap();
        assert_eq!((noise.workers, noise.jumps), (2, 0));
        assert!((noise.pace - 50.0).abs() < 0.1, "{noise:?}");
        assert!((5e4..2e5).contains(&noise.own.hypot(noise.common)), "{noise:?}");
        assert!((800.0..1300.0).contains(&noise.warm_up.unwrap()) && !noise.still_warming, "{noise:?}");
    }

    /// The same, in which one of two steps keeps so much each time; a block of 500 requests is richer in it, the next as much poorer.
    fn mixed(keeps: f64) -> Vec<Series> {
        let mut workers = rehearsal(1e4, 0.0, 0.0);
        for one in &mut workers {
            let rich = |x: f64| 0.5 * x + 0.3 * (500.0 - (x % 1000.0 - 500.0).abs());
            let uploads: Vec<f64> = one.x.iter().map(|x| rich(*x)).collect();
            one.by_step = vec![uploads.clone(), one.x.iter().zip(&uploads).map(|(x, n)| x - n).collect()];
            one.y.iter_mut().zip(&uploads).for_each(|(y, n)| *y += keeps * n);
        }
        workers
    }

    #[test]
    fn what_the_mix_does_to_levels_is_no_noise() {
        let spread = |series: &[Series]| {
            let noise = Noise::measure(Axis::WorkerRequests, series, 4096.0).unwrap();
            noise.own.hypot(noise.common)
        };
        let without = spread(&mixed(0.0));
        for keeps in [400.0, 4000.0, 40_000.0] {
            let known = mixed(keeps);
            let unknown: Vec<Series> = known.iter().map(|one| Series { by_step: Vec::new(), ..one.clone() }).collect();
            assert!((0.5..2.0).contains(&(spread(&known) / without)), "{keeps} B: {} {without}", spread(&known));
            assert!(spread(&unknown) > 0.03 * keeps * 500.0, "{keeps} B: {}", spread(&unknown));
        }
    }

    #[test]
    fn smaller_budgets_need_longer_runs() {
        let noise = Noise::measure(Axis::WorkerRequests, &rehearsal(3e5, 0.5, 0.0), 4096.0).unwrap();
        let planned = plan(&noise, &[256.0, 4096.0], None, 0.9);
        let lengths: Vec<f64> = planned.iter().map(|p| p.both().unwrap()).collect();
        assert!(lengths[0] > 1.5 * lengths[1], "{planned:?}");
        assert_eq!(planned, plan(&noise, &[256.0, 4096.0], None, 0.9), "the same plan");
        let steep = plan(&noise, &[256.0], Some(8.0), 0.9);
        assert!(steep[0].leak < planned[0].leak && steep[0].clean == planned[0].clean, "{steep:?}");
    }

    #[test]
    fn what_lies_between_two_that_need_the_same_is_not_searched_for() {
        let asked = std::cell::Cell::new(0);
        let search = |from: f64, budget: f64| {
            asked.set(asked.get() + 1);
            Some(if budget < 2.0 { 4.0 * from } else { from })
        };
        let mut found = [None; 6];
        fill(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &mut found, Some(10.0), &search);
        assert_eq!(found, [Some(40.0), Some(10.0), Some(10.0), Some(10.0), Some(10.0), Some(10.0)]);
        assert_eq!(asked.get(), 4);
    }

    #[test]
    fn what_is_too_short_is_told() {
        assert_eq!(Noise::measure(Axis::WorkerRequests, &[], 4096.0), Err(TooShort::Unfitted));
        let mut short = rehearsal(1e4, 0.0, 0.0);
        short.iter_mut().for_each(|s| [&mut s.t, &mut s.x, &mut s.y].into_iter().for_each(|v| v.truncate(10)));
        assert!(Noise::measure(Axis::WorkerRequests, &short, 4096.0).is_err());
    }
}
