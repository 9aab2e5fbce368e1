//! From readings to a verdict: leak, clean or inconclusive, at what rate, and why.
//!
//! Pure: a verdict is a function of a run record.

mod accepted;
mod answer;
mod gates;
mod judge;
mod levels;
mod live;
mod looks;
mod models;
mod notes;
mod plan;
mod readings;
mod rule;
mod sites;
mod target;
mod watched;
mod working;

pub use answer::call_sites::{CallSite, CallSites, SiteState, SiteStep};
pub use answer::doubt::{Choice, Doubt, Grown, Kind, Named, Work};
pub use answer::facts::{Claim, Crashes, Gate, GateKind, GateState, LimitHit, Note, Open, Quantile, Runtime};
pub use answer::jump_pattern::JumpPattern;
pub use answer::last_look::LastLook;
pub use answer::outcome::{ExitCode, Interval, LeakClass, Outcome};
pub use answer::places::{Held, HeldGrowth, PlaceGrowth, Places};
pub use answer::reach::{Ceiling, Forecast, LimitReached, Reach, Recycling, Setting};
pub use answer::reached::Reached;
pub use answer::reason::{Because, Fact, Full, History, ModelShape, PartKind, Reason, SetAside, Settle, When};
pub use answer::transient::Transient;
pub use answer::types::{
    BySteps, Evidence, Finding, Fit, Growth, Part, Remainder, StepGrowth, Untold, Verdict, WorkerFinding,
};
pub use answer::whole_target::{RestProcess, WholeTarget};
pub use judge::judge;
pub use live::live_growths;
pub use looks::{Found, Look, Looks, SoakPlan, is_open};
pub use plan::{Noise, Planned, TooShort, plan};
pub use readings::kinds::ReadingNote;
pub use readings::noise::NoiseCause;
pub use readings::series::{SettleLevel, series, settle_levels};
pub use readings::settled::FewPauses;
pub use rule::condition::Condition;
pub use rule::finding::find;
pub use rule::forecast::forecast;
pub use rule::parts::leaking_parts;
pub use sites::{StackTotal, churn, stack_totals};
pub use watched::{is_proven_clean, leaks_at};
pub use working::{Cut, LevelOf, NaiveRule, Residuals, WorkedModel, Working, working};

/// The version of the rule: it goes up by one whenever the same readings may be answered otherwise. 1 measured growth against
/// 0.75 of the budget; 2 measures what lasts against the budget; 3 has fewer conditions, and exact bounds of what jumps add; 4 judges the
/// whole target; 5 judges workers that came or went in the run.
pub const RULE: u32 = 5;
