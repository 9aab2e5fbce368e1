//! From readings to a verdict: leak, clean or inconclusive, at what rate, and why.
//!
//! Pure: a verdict is a function of a run record.

mod accepted;
mod account;
mod assess;
mod births;
mod call_sites;
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
mod last_look;
mod lasting;
mod level;
mod live;
mod load;
mod load_curve;
mod looks;
mod mix;
mod noise;
mod outcome;
mod pages;
mod parts;
mod plan;
mod plausible;
mod pool;
mod pool_count;
mod reach;
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
mod timeline;
mod transient;
mod types;
mod unjudged;
mod warm_up;
mod watched;
mod whole;
mod whole_target;
mod working;
mod youth;

pub use call_sites::{CallSite, CallSites, SiteState, SiteStep};
pub use condition::Condition;
pub use doubt::{Choice, Doubt, Grown, Kind, Named, Work};
pub use facts::{Claim, Crashes, Gate, GateKind, GateState, LimitHit, Note, Open, Quantile};
pub use finding::find;
pub use forecast::forecast;
pub use judge::judge;
pub use jumping::JumpPattern;
pub use last_look::LastLook;
pub use live::live_growths;
pub use looks::{Found, Look, Looks, SoakPlan, is_open};
pub use noise::NoiseCause;
pub use outcome::{ExitCode, Interval, LeakClass, Outcome};
pub use parts::leaking_parts;
pub use plan::{Noise, Planned, TooShort, plan};
pub use reach::{Ceiling, Forecast, LimitReached, Reach, Recycling, Setting};
pub use readings::ReadingNote;
pub use reason::{Because, Fact, Full, History, ModelShape, PartKind, Reason, SetAside, Settle, When};
pub use series::{SettleLevel, series, settle_levels};
pub use settled::FewPauses;
pub use sites::{StackTotal, churn, stack_totals};
pub use transient::Transient;
pub use types::{BySteps, Evidence, Finding, Fit, Growth, Part, Remainder, StepGrowth, Untold, Verdict, WorkerFinding};
pub use watched::{is_proven_clean, leaks_at};
pub use whole_target::{RestProcess, WholeTarget};
pub use working::{Cut, LevelOf, NaiveRule, Residuals, WorkedModel, Working, working};

/// The version of the rule: it goes up by one whenever the same readings may be answered otherwise. 1 measured growth against
/// 0.75 of the budget; 2 measures what lasts against the budget; 3 has fewer conditions, and exact bounds of what jumps add; 4 judges the
/// whole target; 5 judges workers that came or went in the run.
pub const RULE: u32 = 5;
