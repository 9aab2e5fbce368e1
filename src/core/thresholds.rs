//! Every number that the answers of the rule depend on: what its words mean, and then by the file that uses them.
//!
//! How much is computed, and what is worth telling, stands in `limits.rs`: no answer hangs on that.
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

/// Conditions that one can do without, by the names of `rule::Condition`.
#[cfg(any(test, feature = "ablation"))]
pub const CONDITIONS: &[&str] = &[
    "ShapeKnown",
    "DoesNotFade",
    "ManyRises",
    "SeenForLong",
    "NotTakenBack",
    "ReadingsKeepIt",
    "LoadApart",
    "GoesOnToTheEnd",
    "BeyondUsual",
    "LastsUnder",
    "LittleToCome",
    "JumpsAreOver",
    "StillWhileIdle",
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
    // What the words of the rule mean, wherever they stand.
    scale {
        /// Fewer than so many tell nothing of their kind.
        FEW: usize = 3;
        /// So many are several: no chance made them, and what they say is no single one's doing.
        SEVERAL: usize = 4;
        /// So many are many: it shows whether they go on.
        MANY: usize = 6;
        /// Equal parts of a run: enough for an exact test to be surer than one in a thousand, and each long enough to hold more than
        /// one of most rises. Also how many steps or neighbours are told apart at most.
        PARTS: usize = 12;
        /// Readings or requests that are enough to judge by.
        ENOUGH: usize = 20;
        /// A little of something, as a part of it.
        LITTLE: f64 = 0.05;
        /// From this part of something on it is worth a word.
        TENTH: f64 = 0.1;
        /// A quarter of something: neither little nor most of it.
        QUARTER: f64 = 0.25;
        /// Most of something.
        MOST: f64 = 0.8;
    }
    account {
        /// Seconds into the soak after which a process that is seen for the first time has begun in it.
        NEW: f64 = 1.5;
    }
    assess {
        /// Error probability of "leak" and of "clean": stricter than the usual 5 %, so that a leak of exactly the budget doesn't pass
        /// once in twenty times.
        ALPHA: f64 = 0.01;
        /// Error probability of a suspicion: of a leak, of a decline of growth, of a silence after its last rise.
        ALPHA_SUSPICIOUS: f64 = 0.05;
        /// Error probability of "clean" where it rests on how a transient goes on after the run.
        ALPHA_SETTLES: f64 = 0.001;
        /// Autocorrelation of what a model leaves from which the level wanders, or has a shape that no model has: errors with less come
        /// back to their mean within a run.
        WANDERS: f64 = 0.95;
        /// Autocorrelation from which a level may be a walk.
        DRIFTS: f64 = 0.8;
        /// The part of the error probability of "clean" that is left for what may be a walk.
        STRICTER: f64 = 0.5;
        /// The part of the run after which growth that sets in, or goes on beside a cache that becomes full, has been seen for too
        /// short a time.
        SET_IN: f64 = 0.6;
        /// The part of growth that abrupt falls may take back in all.
        UNDONE: f64 = 0.5;
        /// Distance of the information criterion up to which a model has a say: what is farther has strong evidence against it (Kass &
        /// Raftery 1995).
        NEAR: f64 = 6.0;
    }
    counts {
        /// How many times what was sent may be counted.
        TOO_MANY: f64 = 1.5;
        /// How many times what was counted may be answered: too many hide a leak.
        TOO_FEW: f64 = 2.0;
        /// The part of what was counted that may belong to processes that are not judged.
        OF_OTHERS: f64 = 0.5;
        /// The step in which CPU time is counted, in seconds.
        TICK: f64 = 0.01;
        /// Steps of CPU time that a part has to have to be told from chance.
        TICKS: f64 = 2.0;
        /// The part of a watch's time that a target uses of a core at least, if it isn't all but idle.
        ALL_BUT_IDLE: f64 = 0.001;
    }
    floor {
        /// The part of a drop that the steepest step of a gradual climb may reach.
        STEEP: f64 = 0.5;
    }
    jumping {
        /// By how many times the usual changes one stands out that is abrupt.
        CLEAR: f64 = 6.0;
    }
    lasting {
        /// The part of all growth that has come when growth is taken to have come to its end.
        RISEN: f64 = 0.98;
    }
    level {
        /// Blocks a series is reduced to, if it has the readings.
        BLOCKS: usize = 60;
    }
    load {
        /// The share of errors in what load does beside its trend up to which it counts as known.
        KNOWN: f64 = 0.002;
    }
    load_curve {
        /// Load is a regressor only if it varied by this part of its mean, seen through a window of some seconds.
        LOAD_VARIES: f64 = 0.35;
        /// Half of that window, in seconds.
        LOAD_WINDOW: f64 = 3.0;
        /// How many times the variance that chance gives them the rates of the parts must have.
        BEYOND_CHANCE: f64 = 5.0;
    }
    looks {
        /// The share before which a run isn't clean, of the plan and of its last soak phase: a promise about what was asked for can't
        /// rest on much less of it. Nor is it a leak, unless a warm-up came before it: what fills in a straight line may be full at
        /// any time.
        LATE: f64 = 0.75;
        /// By how much longer a watch without an end has lasted at each next look.
        LONGER: f64 = 1.2;
        /// Seconds before the first look of a watch without an end.
        FIRST: f64 = 300.0;
        /// Seconds of the budget that a steep leak has used up: three days.
        USED_UP: f64 = 259_200.0;
        /// Age in seconds from which a process began long ago.
        GROWN_UP: f64 = 3600.0;
        /// The part of its life for which a process must have grown like it does now, by its level when the watch began.
        MOST_OF_LIFE: f64 = 0.5;
    }
    noise {
        /// Growth of the host's swap in bytes that a run notices.
        SWAPPED: f64 = 64.0 * 1024.0 * 1024.0;
    }
    pages {
        /// Growth in bytes that is worth a class.
        LEAST: f64 = 1024.0 * 1024.0;
    }
    plausible {
        /// By how much the criterion of a model with refined parameters must beat the best on the grid.
        EARNED: f64 = 2.0;
        /// Autocorrelation of what simpler models leave from which a wave or a second transient is looked for.
        UNEXPLAINED: f64 = 0.5;
        /// By how much the criterion must fall for a second transient, a wave, or the mix of steps: very strong evidence (Kass &
        /// Raftery 1995).
        VERY_STRONG: f64 = 10.0;
        /// Cycles over the judged part that a wave may have: more are noise.
        CYCLES: f64 = 15.0;
    }
    settled {
        /// The last part of a pause, in which the level has come to rest.
        AT_REST: f64 = 0.5;
    }
    swing {
        /// Usual changes by which a rise and the fall that takes it back may differ.
        BLURRED: f64 = 2.0;
        /// The part of a swing's height that the level may drift by between switches.
        DRIFTING: f64 = 0.5;
        /// Swings that make a habit.
        HABIT: usize = 2;
    }
    transient {
        /// The first place at which a shape may turn, as a share of the run.
        FIRST: f64 = 0.03;
        /// The last one, and the longest constant of a warm-up.
        LAST: f64 = 0.85;
        /// The shortest constant.
        SHORTEST: f64 = 0.005;
    }
    whole {
        /// The part of the service's CPU time that the judged processes have used at least.
        WORKED: f64 = 0.5;
        /// The part that a process of the same program below them may have used without being one of those that work.
        AT_REST: f64 = 0.01;
        /// CPU time in seconds from which shares of it can be told: it is counted in hundredths.
        TELLING: f64 = 0.2;
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
        let rule = include_str!("answer/condition.rs");
        for name in CONDITIONS {
            assert!(["(", " {"].iter().any(|after| rule.contains(&format!("\n    {name}{after}"))), "{name}");
        }
    }
}
