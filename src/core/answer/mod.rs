//! What a verdict is made of: outcomes, reasons, facts and doubts with their numbers. Words for them are elsewhere.

mod by_step;
mod call_sites;
mod condition;
mod counted;
mod cpu_time;
mod doubt;
mod facts;
mod jump_pattern;
mod last_look;
mod neighbours;
mod outcome;
mod places;
mod reach;
mod reached;
mod reading_note;
mod reason;
mod transient;
mod types;
mod whole_target;

pub use by_step::{BySteps, StepGrowth};
pub use call_sites::{CallSite, CallSites, SiteState, SiteStep};
#[cfg(test)]
pub(crate) use condition::tests::EDGES;
pub use condition::{Condition, Conditions, hold};
pub use counted::Counted;
pub use cpu_time::{CpuShare, CpuTime};
pub use doubt::{Choice, Doubt, Grown, Kind, Named, Work};
pub use facts::{Claim, CrashLoad, Crashes, Gate, GateKind, GateState, LimitHit, Note, Open, Quantile, Runtime};
pub use jump_pattern::JumpPattern;
pub use last_look::{LastLook, last_look};
pub use neighbours::{Neighbours, Slower};
pub use outcome::{ExitCode, Interval, LeakClass, Outcome};
pub use places::{Held, HeldGrowth, PlaceGrowth, Places};
pub use reach::{Ceiling, Forecast, LimitReached, Reach, Recycling, Setting, round_down};
pub use reached::Reached;
pub use reading_note::{FewPauses, NoiseCause, ReadingNote};
pub use reason::{Because, Fact, Full, History, ModelShape, PartKind, Reason, SetAside, Settle, When};
pub use transient::Transient;
pub use types::{Evidence, Finding, Fit, Growth, Part, Remainder, Untold, Verdict, WorkerFinding};
pub use whole_target::{RestProcess, WholeTarget};
