//! From readings to a verdict: leak, clean or inconclusive, at what rate, and why.
//!
//! Pure: a verdict is a function of a run record.

mod accepted;
mod account;
mod assess;
mod births;
mod census;
mod class;
mod condition;
mod counts;
mod doubt;
mod explain;
mod facts;
mod finding;
mod floor;
mod forecast;
mod gates;
mod judge;
mod jumping;
mod lasting;
mod level;
mod live;
mod load;
mod load_curve;
mod looks;
mod mix;
mod noise;
mod pages;
mod parts;
mod plan;
mod plausible;
mod pool;
mod readings;
mod reason;
mod release;
mod series;
mod settled;
mod shares;
mod sites;
mod step_down;
mod steps;
mod swing;
mod transient;
mod types;
mod unjudged;
mod watched;
mod whole;
mod working;
mod youth;

pub use account::{RestProcess, WholeTarget};
pub use condition::Condition;
pub use doubt::{Choice, Doubt, Grown, Kind, Named, Work};
pub use facts::{Claim, Crashes, Gate, GateKind, GateState, LimitHit, Note, Open, Quantile};
pub use finding::find;
pub use forecast::{Ceiling, Forecast, LimitReached, Reach, Recycling, Setting, forecast};
pub use judge::{judge, page};
pub use jumping::JumpPattern;
pub use live::live_growths;
pub use looks::{Found, LastLook, Look, Looks, SoakPlan, is_open};
pub use noise::NoiseCause;
pub use parts::leaking_parts;
pub use plan::{Noise, Planned, TooShort, plan};
pub use readings::ReadingNote;
pub use reason::{Because, Fact, Full, History, ModelShape, PartKind, Reason, SetAside, Settle, When};
pub use series::{SettleLevel, series, settle_levels};
pub use settled::FewPauses;
pub use sites::{CallSite, CallSites, SiteState, SiteStep, StackTotal, churn, stack_totals};
pub use transient::Transient;
pub use types::{
    BySteps, Evidence, ExitCode, Finding, Fit, Growth, Interval, LeakClass, Outcome, Part, StepGrowth, Verdict,
    WorkerFinding,
};
pub use watched::{is_proven_clean, leaks_at};
pub use working::{Cut, LevelOf, NaiveRule, Residuals, WorkedModel, Working, working};

/// The version of the rule: it goes up by one whenever the same readings may be answered otherwise. 1 measured growth against
/// 0.75 of the budget; 2 measures what lasts against the budget; 3 has fewer conditions, and exact bounds of what jumps add; 4 judges the
/// whole target.
pub const RULE: u32 = 4;
