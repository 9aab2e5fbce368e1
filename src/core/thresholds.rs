//! Every number that the answers of the rule depend on, by the file that uses it.
//!
//! With the feature `ablation`, one of them is another for a while: `examples/ablation.rs` tells by that what it is good for.

/// A number that an answer depends on.
#[derive(Debug, Clone, Copy)]
pub struct Threshold<T> {
    #[cfg(feature = "ablation")]
    name: &'static str,
    value: T,
}

macro_rules! thresholds {
    ($($file:ident { $($(#[$doc:meta])* $name:ident: $kind:ty = $value:expr;)* })*) => {
        $(pub(crate) mod $file {
            use crate::thresholds::Threshold;
            $($(#[$doc])* pub const $name: Threshold<$kind> = Threshold {
                #[cfg(feature = "ablation")]
                name: concat!(stringify!($file), "::", stringify!($name)),
                value: $value,
            };)*
        })*

        /// The name and the value of each.
        #[cfg(any(test, feature = "ablation"))]
        pub const ALL: &[(&str, f64)] =
            &[$($((concat!(stringify!($file), "::", stringify!($name)), $value as f64)),*),*];
    };
}

#[cfg(not(feature = "ablation"))]
impl<T: Copy> Threshold<T> {
    /// Its value.
    pub const fn get(self) -> T {
        self.value
    }
}

/// Conditions that one can do without, by the names of `verdict::Condition`.
#[cfg(any(test, feature = "ablation"))]
pub const CONDITIONS: &[&str] = &[
    "ShapeKnown",
    "ManyRises",
    "SeenForLong",
    "NotTakenBack",
    "LoadApart",
    "GoesOnToTheEnd",
    "BeyondUsual",
    "LastsUnder",
    "LittleToCome",
    "JumpsAreOver",
];

#[cfg(feature = "ablation")]
pub(crate) use ablation::is_without;
#[cfg(feature = "ablation")]
pub use ablation::{Change, asked_for, with};

/// A rule that is another for a while.
#[cfg(feature = "ablation")]
mod ablation {
    use super::Threshold;
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeSet;

    /// What is changed.
    #[derive(Debug, Clone, Copy)]
    pub enum Change {
        /// Nothing.
        None,
        /// A threshold is `factor` times what it is.
        Scaled {
            /// Its name in [`super::ALL`].
            name: &'static str,
            /// By how much.
            factor: f64,
        },
        /// A condition always holds.
        Without(&'static str),
    }

    thread_local! {
        static CHANGE: Cell<Change> = const { Cell::new(Change::None) };
        static ASKED: RefCell<Option<BTreeSet<&'static str>>> = const { RefCell::new(None) };
    }

    /// The names of the thresholds that are asked for on the way of what is `judged` on this thread.
    pub fn asked_for(judged: impl FnOnce()) -> BTreeSet<&'static str> {
        ASKED.set(Some(BTreeSet::new()));
        judged();
        ASKED.take().unwrap_or_default()
    }

    /// What `judged` gives under a change, which counts on this thread alone.
    pub fn with<T>(change: Change, judged: impl FnOnce() -> T) -> T {
        CHANGE.set(change);
        let result = judged();
        CHANGE.set(Change::None);
        result
    }

    /// Whether this condition always holds.
    pub(crate) fn is_without(condition: &dyn std::fmt::Debug) -> bool {
        let Change::Without(name) = CHANGE.get() else { return false };
        format!("{condition:?}").split(['(', ' ']).next() == Some(name)
    }

    fn scaled(value: f64, of: &'static str) -> f64 {
        ASKED.with_borrow_mut(|asked| asked.as_mut().map(|asked| asked.insert(of)));
        match CHANGE.get() {
            Change::Scaled { name, factor } if name == of => value * factor,
            _ => value,
        }
    }

    impl Threshold<f64> {
        /// Its value.
        pub fn get(self) -> f64 {
            scaled(self.value, self.name)
        }
    }

    impl Threshold<usize> {
        /// Its value.
        pub fn get(self) -> usize {
            scaled(self.value as f64, self.name).round() as usize
        }
    }

    impl Threshold<u64> {
        /// Its value.
        pub fn get(self) -> u64 {
            scaled(self.value as f64, self.name).round() as u64
        }
    }
}

thresholds! {
    account {
        /// Seconds into the soak after which a process that is seen for the first time has begun in it.
        NEW: f64 = 1.5;
    }
    assess {
        /// Error probability of "leak".
        ALPHA_LEAK: f64 = 0.01;
        /// Error probability of "clean": stricter than the 5 % of the rule's first form, so that a leak of exactly the budget
        /// doesn't pass once in twenty times.
        ALPHA_CLEAN: f64 = 0.01;
        /// Error probability of a suspicion: of a leak, of a decline of growth, of a silence after its last rise.
        ALPHA_SUSPICIOUS: f64 = 0.05;
        /// Error probability of "clean" where it rests on how a transient goes on after the run.
        ALPHA_SETTLES: f64 = 0.001;
        /// Autocorrelation of what the best model leaves from which the level wanders, or has a shape that no model has.
        WANDERS: f64 = 0.97;
        /// Autocorrelation from which a level may be a walk.
        DRIFTS: f64 = 0.8;
        /// The part of the error probability of "clean" that is left for what may be a walk.
        STRICTER: f64 = 0.5;
        /// The part of the run after which growth that sets in, or goes on beside a cache that becomes full, has been seen for too
        /// short a time.
        SET_IN: f64 = 0.6;
        /// The part of growth that abrupt falls may take back in all.
        UNDONE: f64 = 0.5;
        /// Constants of a transient that must have passed before a run may be judged early.
        CONSTANTS: f64 = 3.0;
        /// The part of the run by which a transient with an end, or growth that set in late, must have had them.
        EARLY_END: f64 = 0.5;
        /// Distance of the information criterion up to which a model has a say on "clean".
        NEAR: f64 = 6.0;
    }
    births {
        /// The part of a usual life from which a worker counts as one.
        WHOLE_LIFE: f64 = 0.25;
        /// Births from which it can be told whether the later ones are bigger.
        BIRTHS: usize = 9;
    }
    census {
        /// The part of the run that a process is there at least, to be there for longer than a moment.
        MOMENT: f64 = 1.0 / 8.0;
    }
    counts {
        /// How many times what was sent may be counted.
        TOO_MANY: f64 = 1.5;
        /// How many times what was counted may be answered: too many hide a leak.
        TOO_FEW: f64 = 2.0;
        /// Requests under which a comparison of counts says nothing.
        ENOUGH: u64 = 20;
        /// The part of what was counted that may belong to processes that are not judged.
        OF_OTHERS: f64 = 0.5;
        /// The part of what was counted that may be requests of the harness itself.
        OUR_OWN: f64 = 0.1;
        /// Equal parts of a watch at most.
        PARTS: usize = 12;
        /// The part of the busiest one's CPU time from which a part of a watch counts as work.
        WORKED: f64 = 0.05;
        /// The step in which CPU time is counted, in seconds.
        TICK: f64 = 0.01;
        /// Steps of CPU time that a part has to have to be told from chance.
        TICKS: f64 = 2.0;
        /// The part of a watch's time that a target uses of a core at least, if it isn't all but idle.
        ALL_BUT_IDLE: f64 = 0.001;
    }
    explain {
        /// Models that are among the facts; of more, the best.
        MODELS: usize = 4;
    }
    floor {
        /// Drops that make a sawtooth.
        DROPS: usize = 5;
        /// The part of them that must come after a gradual climb; else they end spikes.
        GRADUAL: f64 = 0.6;
        /// The share of the steps between readings that collections may be.
        OFTEN: f64 = 0.5;
        /// The part of a drop that the steepest step of a gradual climb may reach.
        STEEP: f64 = 0.5;
        /// Major collections without which nothing tells what a minor one usually leaves.
        MAJOR: usize = 3;
        /// Points of a floor: the medians of as many stretches stand for those of a long run.
        MOST: usize = 300;
    }
    forecast {
        /// The part of a limit that workers may fill: the rest is for the parent, the kernel and the page cache.
        FILLED: f64 = 0.8;
        /// A worker that was read in this last stretch of the run, in seconds, counts as living.
        LIVING: f64 = 3.0;
    }
    jumping {
        /// By how many times the usual changes one stands out that is abrupt.
        CLEAR: f64 = 6.0;
        /// Jumps from which it shows whether they get rarer.
        MANY: usize = 6;
    }
    lasting {
        /// Equal parts of the judged span: enough for an exact test to be surer than one in a thousand, and each long enough to hold
        /// more than one of most rises.
        PARTS: usize = 12;
        /// The part of all growth that has come when growth is taken to have come to its end.
        RISEN: f64 = 0.98;
        /// The part of its mean pace that growth must have at an early end.
        KEPT: f64 = 0.8;
        /// Effective number of rises that late growth must be made of to go on.
        SPREAD: f64 = 4.0;
        /// How closely bounds of the pace are found, as a part of their distance from the mean.
        PRECISE: f64 = 0.01;
        /// Levels in the second half of an incarnation that tell its pace.
        FEW: usize = 3;
    }
    level {
        /// Blocks a series is reduced to, if it has the readings.
        BLOCKS: usize = 60;
        /// The share of changes up to which they are rare among many that are nothing.
        RARE: f64 = 1.0 / 12.0;
    }
    load {
        /// The share of errors in what load does beside its trend up to which it counts as known.
        KNOWN: f64 = 0.002;
        /// Neighbours on either side over which it is smoothed at most.
        WIDEST: usize = 12;
        /// The share of errors from which load can't be told apart from other regressors.
        LOST_AMONG: f64 = 0.1;
    }
    load_curve {
        /// Load is a regressor only if it varied by this part of its mean, seen through a window of some seconds.
        LOAD_VARIES: f64 = 0.35;
        /// Half of that window, in seconds.
        LOAD_WINDOW: f64 = 3.0;
        /// Parts of a series of which each has its rate.
        LOAD_PARTS: usize = 10;
        /// How many times the variance that chance gives them the rates of the parts must have.
        BEYOND_CHANCE: f64 = 5.0;
    }
    looks {
        /// The share before which a run isn't clean, of the plan and of its last soak phase: a promise about what was asked for can't
        /// rest on much less of it. Nor is it a leak, unless a warm-up came before it: what fills in a straight line may be full at
        /// any time.
        LATE: f64 = 0.75;
        /// Seconds before the first look of a watch without an end.
        FIRST: f64 = 300.0;
        /// By how much longer a watch without an end has lasted at each next look.
        LONGER: f64 = 1.2;
        /// Nobody has said how long transients may last in a watch without an end: an answer has to hold until the watch has lasted
        /// this many times as long as when it was first proven.
        CONFIRMED: f64 = 3.0;
        /// The same of a steep leak of processes that began long ago.
        CONFIRMED_STEEP: f64 = 1.2;
        /// Seconds of the budget that a steep leak has used up: three days.
        USED_UP: f64 = 259_200.0;
        /// Age in seconds from which a process began long ago.
        GROWN_UP: f64 = 3600.0;
        /// The part of its life for which a process must have grown like it does now, by its level when the watch began.
        MOST_OF_LIFE: f64 = 0.5;
    }
    mix {
        /// Steps that are told apart; of more, the rarest count as one.
        MOST: usize = 12;
        /// The part of all requests from which those beside the steps are worth a row.
        WORTH_A_ROW: f64 = 0.01;
    }
    noise {
        /// The share of stolen time from which what was measured in time says more of the host than of the target.
        STOLEN: f64 = 0.05;
        /// The share of time waited for memory from which it does.
        MEMORY_WAIT: f64 = 0.10;
        /// The share of time waited for a processor from which it does.
        CPU_WAIT: f64 = 0.90;
        /// Growth of the host's swap in bytes that a run notices.
        SWAPPED: f64 = 64.0 * 1024.0 * 1024.0;
    }
    pages {
        /// Growth in bytes that is worth a class.
        LEAST: f64 = 1024.0 * 1024.0;
        /// The part of a leak that resident memory shows at most where swap has hidden it.
        HIDDEN: f64 = 0.25;
        /// The part of the growth of memory that live allocations explain at most where it is retention.
        RETAINED: f64 = 0.25;
    }
    parts {
        /// Error probability of each bound of a part, before it is shared among the parts.
        ALPHA: f64 = 0.01;
        /// Series that are fitted: more would cost time and not sharpen the answer.
        MOST: usize = 100;
        /// Readings of each series that are fitted.
        READINGS: usize = 200;
        /// Readings of a series under judged load below which those of the warm-up count too.
        FEW: usize = 3;
        /// The share of the whole growth from which a part is worth a word.
        NOTABLE: f64 = 0.1;
    }
    plan {
        /// Runs that are played for each length and truth.
        PLAYED: u64 = 20;
        /// How much longer the next length is that is tried.
        LONGER: f64 = 1.3;
        /// By how much a run is planned longer than what was enough, at most: a rehearsal knows the noise only so well.
        MARGIN: f64 = 2.0;
        /// The longest that is tried, in lengths of the rehearsal.
        LONGEST: f64 = 2000.0;
        /// Readings that are played for each worker at most: ten for each of the rule's stretches.
        READINGS: usize = 600;
        /// Readings that a worker must have to be judged.
        FEWEST: usize = 30;
        /// Workers that are played: more take longer and change a plan hardly.
        MOST_WORKERS: usize = 8;
        /// The growth that is to be called a leak, and the growth that is to be called clean, in budgets. Growth of just the budget is
        /// neither, however long the run is.
        LEAKING: f64 = 2.0;
        /// See [`LEAKING`].
        CLEAN: f64 = 0.5;
        /// A transient counts as over after this many of its time constants: 99.3 % of it are there.
        CONSTANTS: f64 = 5.0;
    }
    plausible {
        /// How far from the best a model's criterion may be and still count.
        FAR: f64 = 8.0;
        /// Runs after which every transient that leads to a level has come to it.
        EVER: f64 = 1e6;
        /// The share of the judged part over which the end's growth is taken.
        END: f64 = 0.05;
        /// Transients that are tried together with every other one, and pairs that are refined.
        PAIRED: usize = 4;
        /// By how much the criterion of a model with refined parameters must beat the best on the grid.
        EARNED: f64 = 2.0;
        /// From this constant on, as a share of the run, a warm-up is slow.
        SLOW: f64 = 0.3;
        /// Autocorrelation of what simpler models leave from which a wave or a second transient is looked for.
        UNEXPLAINED: f64 = 0.5;
        /// By how much the criterion must fall for a second transient, a wave, or the mix of steps: very strong evidence (Kass &
        /// Raftery 1995).
        VERY_STRONG: f64 = 10.0;
        /// Numbers of waves that are tried between those.
        CYCLES_STEPS: usize = 72;
        /// How often the step is halved around the best of them.
        CYCLES_HALVINGS: usize = 5;
        /// Gauss-Newton steps of a refinement.
        STEPS: usize = 6;
        /// A refinement has converged when no parameter moves by more than this.
        CONVERGED: f64 = 0.01;
        /// Its result counts when no parameter would move by more than this.
        NEARLY: f64 = 0.1;
    }
    pool {
        /// Readings that a worker needs to be judged by itself.
        ENOUGH: usize = 20;
        /// Readings that an incarnation needs to count in its pool.
        FEW: usize = 3;
        /// The part of the pool's judged time that a worker must have lived through to count as side by side with the others.
        WHOLE: f64 = 0.8;
        /// The part of the busiest worker's requests under which a worker counts as idle.
        IDLE: f64 = 0.05;
        /// Incarnations of an age that tell what is usual at it.
        CROWD: usize = 4;
        /// The share of them whose growth is no more than usual: a leak in many must not count as that.
        USUAL: f64 = 0.25;
        /// Incarnations of a recycled pool that are judged: more would not sharpen the answer, only cost time and memory.
        MOST_INCARNATIONS: usize = 300;
    }
    release {
        /// The part of the fall that a rise within it may have: else it is a level that comes and goes.
        SMOOTH: f64 = 0.15;
    }
    settled {
        /// The last part of a pause, in which the level has come to rest.
        AT_REST: f64 = 0.5;
        /// Pauses from which a trend over them is worth a word.
        A_FEW: usize = 4;
    }
    steps {
        /// Workers that are looked at: more would cost time and not sharpen the answer.
        MOST_WORKERS: usize = 64;
        /// Kinds of warm-up that are looked at, for the same reason.
        MOST_KINDS: usize = 8;
        /// Fits of a shape, each with its parameters moved to where the last one had them.
        STEPS: usize = 4;
    }
    swing {
        /// Stretches in which switches are looked for.
        STRETCHES: usize = 300;
        /// Stretches on either side over which a level must have moved for good.
        HELD: usize = 3;
        /// Stretches on either side over which its height is measured.
        MEASURED: usize = 6;
        /// The part of its size by which a rise and the fall that takes it back may differ.
        ALIKE: f64 = 0.2;
        /// The same in usual changes.
        BLURRED: f64 = 2.0;
        /// The part of a swing's height that the level may drift by between switches.
        DRIFTING: f64 = 0.5;
        /// Swings that make a habit.
        HABIT: usize = 2;
    }
    transient {
        /// The first and the last place at which a shape may turn, and the longest constant of a warm-up, as shares of the run.
        FIRST: f64 = 0.03;
        /// See [`FIRST`].
        LAST: f64 = 0.85;
        /// The shortest constant.
        SHORTEST: f64 = 0.005;
        /// The longest constant of a logarithm, which is a straight line beyond, and of a cache that is opened later.
        SOON: f64 = 0.15;
        /// A step in a parameter for its numerical derivative.
        STEP: f64 = 0.01;
    }
    whole {
        /// The part of the service's CPU time that the judged processes have used at least.
        WORKED: f64 = 0.5;
        /// The part that a process of the same program below them may have used without being one of those that work.
        AT_REST: f64 = 0.01;
        /// CPU time in seconds from which shares of it can be told: it is counted in hundredths.
        TELLING: f64 = 0.2;
        /// The part of the others' CPU time from which one of them is named.
        WORTH_NAMING: f64 = 0.1;
    }
    working {
        /// Lags of the autocorrelation that are shown.
        LAGS: usize = 20;
    }
    youth {
        /// How many times as old as at the begin of the watch a process has to be.
        TIMES: f64 = 10.0;
        /// Seconds that it has to live at least to count as grown up.
        LEAST: f64 = 30.0;
        /// Seconds after which it does in any case.
        MOST: f64 = 1200.0;
        /// Age in seconds from which a process is only young beside a longer watch.
        GROWN_UP: f64 = 600.0;
        /// How many times as old such a process has to be.
        TIMES_GROWN_UP: f64 = 3.0;
    }
    walk {
        /// Fewer steps than these tell nothing.
        FEW: usize = 15;
    }
    panel {
        /// The greatest autocorrelation of errors that come back to their mean within a run.
        COMES_BACK: f64 = 0.95;
    }
    attribution {
        /// Two kinds whose counts never get farther apart than this, shares apart, move together: a reading may fall between
        /// one event and the next, and so much says nothing.
        TOGETHER: f64 = 2.0;
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL, CONDITIONS};

    #[test]
    fn each_is_in_the_table_of_the_docs_with_its_value() {
        let docs = include_str!("../../docs/thresholds.md");
        let missing = ALL.iter().filter(|(name, value)| !docs.contains(&format!("| `{name}` | {value} |")));
        assert_eq!(missing.collect::<Vec<_>>(), Vec::<&(&str, f64)>::new(), "`examples/ablation.rs` writes it anew");
        let rows = docs.lines().filter(|line| line.starts_with("| `") && line.contains("::")).count();
        assert_eq!(rows, ALL.len(), "and nothing else is");
    }

    #[test]
    fn each_condition_that_can_be_left_out_is_one_of_the_rule() {
        let rule = include_str!("verdict/rule/condition.rs");
        for name in CONDITIONS {
            assert!(["(", " {"].iter().any(|after| rule.contains(&format!("\n    {name}{after}"))), "{name}");
        }
    }
}
