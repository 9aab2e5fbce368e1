//! From an assessment to why a finding is what it is, what would settle it, and the numbers behind it.

use super::assess::Assessment;
use crate::answer::{Condition, Fact, History, Interval, JumpPattern, LeakClass, ModelShape, Outcome, Reason, Settle};
use crate::limits::{MODELS, TIMES_LONGER};
use crate::model::Axis;
use crate::rule::levels::level::longest;
use crate::rule::levels::pool::Pool;
use crate::rule::models::plausible::Plausible;
use crate::stats::student_t;
use crate::thresholds::assess::ALPHA;
use crate::thresholds::scale::{ENOUGH, LITTLE, TENTH};

/// Everything that a finding is explained by.
pub struct Situation<'a> {
    pub axis: Axis,
    pub outcome: Outcome,
    pub class: LeakClass,
    pub budget: f64,
    pub growth: Option<Interval>,
    pub whole: Option<&'a Assessment>,
    pub pool: &'a Pool,
    /// Workers that leak beyond doubt by themselves.
    pub leaking: usize,
    /// Steps of the axis in a second, in a worker.
    pub pace: Option<f64>,
    /// Workers that could be judged by themselves.
    pub judged: usize,
    /// Rises that were taken back by equal falls, or the reverse.
    pub swings: usize,
    /// Series that gave memory back at first.
    pub released: usize,
    /// Series there are.
    pub series: usize,
}

impl Situation<'_> {
    /// Why the outcome is what it is.
    pub fn reason(&self) -> Reason {
        let Some(a) = self.whole else { return self.nothing_to_judge() };
        let second_half = a.by_second_half;
        match self.outcome {
            Outcome::Leak if self.class == LeakClass::LeakInOneWorker => {
                Reason::SomeWorkers { leaking: self.leaking, judged: self.judged }
            }
            Outcome::Leak if a.by_parts => Reason::ByParts,
            Outcome::Leak => {
                let jumps = a.jumps == JumpPattern::GoingOn;
                Reason::GoesOn { lower: a.persistent.lower, jumps }
            }
            Outcome::Clean if !second_half && a.end.upper >= self.budget => {
                Reason::EndsByItself { end: a.end.upper, persistent: a.persistent.upper }
            }
            Outcome::Clean => {
                let history = match self.class {
                    LeakClass::HighWaterMark => Some(History::HighWaterMark),
                    LeakClass::WarmUp => Some(History::WarmUp),
                    LeakClass::WithinBudget => Some(History::Growth),
                    _ => None,
                };
                Reason::Within { upper: a.end.upper, history, second_half }
            }
            Outcome::Inconclusive => self.open(a),
        }
    }

    fn open(&self, a: &Assessment) -> Reason {
        let estimate = a.persistent.estimate;
        let transient = a.models.first().is_some_and(|m| !m.transients.is_empty() && m.end.value > 2.0 * m.end.se);
        if matches!(a.jumps, JumpPattern::Unclear | JumpPattern::GoingOn) {
            Reason::Jumps { count: self.pool.jumps.len(), added: a.by_jumps }
        } else if let Some(upper) = a.grows_while_idle() {
            Reason::GrowsWhileIdle { upper }
        } else if a.is_clean() {
            Reason::SomeSuspicious { recycled: self.pool.recycled }
        } else if a.lacks(|one| matches!(one, Condition::GoesOnToTheEnd { .. })) {
            Reason::Stopped { estimate }
        } else if a.lacks(|one| matches!(one, Condition::LoadApart { .. })) {
            Reason::LoadIsLost { estimate }
        } else if a.lacks(|one| matches!(one, Condition::NotTakenBack { .. } | Condition::ReadingsKeepIt { .. })) {
            Reason::TakenBack { estimate }
        } else if a.persistent.lower > self.budget && a.lacks(|one| matches!(one, Condition::ManyRises { .. })) {
            Reason::FewRises { estimate }
        } else if a.persistent.lower > self.budget && a.lacks(|one| matches!(one, Condition::SeenForLong { .. })) {
            Reason::Recent { estimate }
        } else if a.persistent.lower > self.budget && a.lacks(|one| matches!(one, Condition::DoesNotFade { .. })) {
            Reason::Fading { estimate }
        } else if a.persistent.lower > self.budget {
            Reason::Shapeless { estimate }
        } else if a.persistent.lower > 0.0 && a.least < self.budget {
            Reason::NearBudget { estimate }
        } else if transient && a.end.estimate > a.persistent.estimate {
            Reason::StillWarming { upper: a.end.upper }
        } else if let Some(hidden) = a.may_end_at().filter(|_| a.end.upper <= self.budget && a.end.estimate < 0.0) {
            Reason::MayHideGrowth { estimate: a.end.estimate, hidden }
        } else {
            Reason::TooNoisy { lower: a.persistent.lower, upper: a.end.upper }
        }
    }

    fn nothing_to_judge(&self) -> Reason {
        match (self.series, self.pool.set_aside.first()) {
            (0, _) => Reason::NotRead,
            (_, Some((_, why))) => Reason::NoSeries(*why),
            _ if self.follows_load() => Reason::LoadIsAll,
            _ if self.pool.sawtooth => {
                Reason::FewCollections(self.pool.members.iter().map(|member| member.levels.x.len()).sum())
            }
            _ => Reason::FewReadings,
        }
    }

    /// Whether there is enough to fit but for the load.
    fn follows_load(&self) -> bool {
        self.pool.raw.iter().any(|levels| !levels.load.is_empty() && levels.x.len() >= ENOUGH.get() / 2)
    }

    /// What would settle an inconclusive finding; `None` if it is settled.
    pub fn settle(&self) -> Option<Settle> {
        if self.outcome != Outcome::Inconclusive {
            return None;
        }
        let Some(a) = self.whole else {
            return Some(if self.follows_load() { Settle::OtherLoad } else { Settle::Readings });
        };
        if matches!(self.reason(), Reason::GrowsWhileIdle { .. }) {
            return Some(Settle::BudgetPerHour);
        }
        if self.growth.is_some_and(|growth| self.is_just_the_budget(growth)) {
            return Some(Settle::OtherBudget);
        }
        let times =
            |of: &dyn Fn(&Plausible) -> f64| a.models.iter().map(of).fold(TIMES_LONGER.0, f64::max).min(TIMES_LONGER.1);
        if self.pool.recycled && self.series > 1 {
            return Some(Settle::MoreLives { times: times(&|model| self.short_of(model).powi(2)) });
        }
        let members = self.pool.members.len().max(1) as f64;
        let mean_span = self.pool.total_span() / members;
        let times = times(&|model| self.stretch(model).max(self.until_over(model)));
        let timed = matches!(self.axis, Axis::Hours | Axis::Seconds);
        Some(Settle::Longer { steps: mean_span * times, times, pace: self.pace.filter(|_| !timed) })
    }

    /// Whether all that growth may be is next to the budget, on both sides.
    fn is_just_the_budget(&self, growth: Interval) -> bool {
        let is_near = |bound: f64| (bound - self.budget).abs() <= TENTH.get() * self.budget;
        growth.lower <= self.budget && self.budget <= growth.upper && is_near(growth.lower) && is_near(growth.upper)
    }

    /// How many times longer the run must be for this model's bound to clear the budget, if its estimate is right: the
    /// standard error of a slope falls with the 3/2 power of the length.
    fn stretch(&self, model: &Plausible) -> f64 {
        self.short_of(model).powf(2.0 / 3.0)
    }

    /// How many times longer the run must be for what ends by itself to have ended, if this model has its shape: its pace is nearer then to
    /// what lasts than to the budget. Once where the model says that it lasts.
    fn until_over(&self, model: &Plausible) -> f64 {
        let span = longest(&self.pool.raw);
        let ends = 0.5 * (self.budget + model.persistent.value);
        let pace = |times: f64| (model.grown(times) - model.grown(times - LITTLE.get())) / (LITTLE.get() * span);
        if model.persistent.value >= self.budget || pace(1.0) <= ends {
            return 1.0;
        }
        let longer = std::iter::successors(Some(TIMES_LONGER.0), |times| Some(times * TIMES_LONGER.0));
        let longer = longer.take_while(|times| *times < TIMES_LONGER.1);
        longer.into_iter().find(|times| pace(*times) <= ends).unwrap_or(TIMES_LONGER.1)
    }

    /// By what the standard error has to fall for that; that of a mean over lives falls with the root of their number.
    fn short_of(&self, model: &Plausible) -> f64 {
        let margin = (self.budget - model.end.value).abs().max(LITTLE.get() * self.budget);
        let t = student_t(1.0 - ALPHA.get(), model.end.df);
        model.end.se * t / margin
    }

    /// The numbers behind the finding, in the order to be shown.
    pub fn facts(&self) -> Vec<Fact> {
        let pool = self.pool;
        let mut facts = vec![Fact::Judged { count: pool.members.len(), recycled: pool.recycled }];
        if !pool.set_aside.is_empty() {
            facts.push(Fact::SetAside { count: pool.set_aside.len(), of: self.series });
        }
        facts.push(Fact::Against(self.axis));
        facts.extend((self.released > 0).then_some(Fact::Released(self.released)));
        facts.extend((self.swings > 0).then_some(Fact::Swings(self.swings)));
        let Some(a) = self.whole else { return facts };
        facts.extend(self.growth.map(Fact::Growth));
        facts.extend([Fact::Persistent(a.persistent), Fact::AtTheEnd(a.end)]);
        facts.extend(a.mixed.then_some(Fact::Mixed));
        facts.extend(a.by_second_half.then_some(Fact::SecondHalf));
        facts.push(Fact::Least(a.least));
        facts.push(Fact::Models(a.models.len()));
        facts.extend(a.models.iter().take(MODELS).map(|model| Fact::Model {
            shape: ModelShape::of(model),
            persistent: model.persistent.value,
            end: model.end.value,
            error: model.end.se,
            distance: model.distance,
        }));
        if let Some(best) = a.models.first() {
            facts.extend([Fact::Autocorrelation(best.rho), Fact::Innovation(best.sigma)]);
        }
        if !pool.jumps.is_empty() {
            facts.push(Fact::Jumps { count: pool.jumps.len(), added: a.by_jumps, pattern: a.jumps });
        }
        facts
    }
}

impl ModelShape {
    /// What is told of a fitted model.
    pub fn of(model: &Plausible) -> Self {
        ModelShape { transients: model.transients.clone(), stepped: model.stepped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Resource, Series};
    use crate::rule::finding::find;

    fn settle(readings: usize, pace: f64) -> Option<Settle> {
        let along: Vec<f64> = (0..readings).map(|i| i as f64 * 100.0).collect();
        let y = along.iter().map(|x| 5e7 + pace * x + 2000.0 * (x * 997.0).sin()).collect();
        let one = Series { t: along.clone(), x: along, y, ..Series::default() };
        find(Resource::Memory, Axis::WorkerRequests, &[one], 64.0, 4.0).settle
    }

    #[test]
    fn no_length_settles_growth_that_is_just_what_is_allowed() {
        assert_eq!(settle(300, 64.0), Some(Settle::OtherBudget));
        assert!(settle(300, 32.0).is_none() && settle(300, 128.0).is_none());
    }

    #[test]
    fn a_warm_up_is_told_how_long_it_takes() {
        let warming = |constant: f64| {
            let x: Vec<f64> = (0..300).map(|i| f64::from(i) * 100.0).collect();
            let level = |x: &f64| 5e7 + 4e7 * (1.0 - (-x / (30_000.0 * constant)).exp()) + 2000.0 * (x * 997.0).sin();
            let one = Series { t: x.clone(), y: x.iter().map(level).collect(), x, ..Series::default() };
            match find(Resource::Memory, Axis::WorkerRequests, &[one], 64.0, 4.0).settle {
                Some(Settle::Longer { times, .. }) => times,
                other => panic!("{other:?}"),
            }
        };
        // Its pace is 1333 B a request at first, and is to fall below 32.
        for (constant, over) in [(0.4, 1.76), (0.7, 2.4)] {
            let told = warming(constant);
            assert!((over..2.0 * over).contains(&told), "{constant}: {told}");
        }
    }

    #[test]
    fn a_brief_watch_of_one_worker_has_to_be_longer_and_not_of_more_lives() {
        let told = settle(12, 128.0);
        assert!(matches!(told, None | Some(Settle::Longer { .. } | Settle::Readings)), "{told:?}");
    }
}
