//! What a verdict says.

use super::by_step::BySteps;
use super::call_sites::CallSites;
use super::condition::Conditions;
use super::counted::Counted;
use super::cpu_time::CpuTime;
use super::facts::{Claim, Gate, Note};
use super::neighbours::Neighbours;
use super::outcome::{ExitCode, Interval, LeakClass, Outcome};
use super::places::{Held, Places};
use super::reach::Forecast;
use super::reached::Reached;
use super::reason::{Because, Fact, PartKind, Reason, SetAside, Settle};
use super::whole_target::WholeTarget;
use crate::model::{Axis, Resource, WorkerId};

/// Growth of one resource, and what is concluded from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The resource.
    pub resource: Resource,
    /// The answer for it.
    pub outcome: Outcome,
    /// What kind of behaviour it is.
    pub class: LeakClass,
    /// Growth per step of the axis; missing if nothing could be fitted.
    pub growth: Option<Interval>,
    /// What growth is measured against.
    pub axis: Axis,
    /// Allowed growth, in the same unit as `growth`.
    pub budget: f64,
    /// Why.
    pub reason: Reason,
    /// What would settle an inconclusive finding.
    pub settle: Option<Settle>,
    /// Worker by worker, in the order of first reading.
    pub workers: Vec<WorkerFinding>,
    /// Growth by step of the workload; missing if there is one step only, or nothing could be fitted.
    pub steps: Option<BySteps>,
    /// The numbers behind the answer.
    pub evidence: Evidence,
    /// What the growth of a leak is made of, the largest first: kinds of descriptors, memory resident and swapped out.
    pub parts: Vec<Part>,
    /// In which places of the memory map it grows; missing if no growth is shown, or no map was read.
    pub places: Option<Places>,
    /// What descriptors refer to that their growth lies in; missing of what else grows, and if no growth is shown or it wasn't read.
    pub held: Option<Held>,
    /// That growth has stopped, of a finding that is open.
    pub reached: Option<Reached>,
    /// How growth goes on if it goes on as it did; missing if no limit is known, or nothing grows.
    pub forecast: Option<Forecast>,
}

/// A part of what a resource counts, with its own growth under a straight line.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// Its growth; both bounds hold for all parts together.
    pub growth: Interval,
}

/// One worker's part in a finding.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerFinding {
    /// The worker; `None` for a series of the pool as a whole.
    pub worker: Option<WorkerId>,
    /// Readings used.
    pub readings: u64,
    /// Requests (or seconds) its readings span.
    pub span: f64,
    /// Level at its first judged reading.
    pub first: f64,
    /// Level at its last reading.
    pub last: f64,
    /// Its own growth; missing if it was set aside.
    pub growth: Option<Interval>,
    /// The line that charts draw; missing if it was set aside.
    pub fit: Option<Fit>,
    /// Whether this worker alone is a leak beyond doubt.
    pub leaks: bool,
    /// Why it was set aside, if it was.
    pub set_aside: Option<SetAside>,
}

/// A fitted curve with its band, for drawing: a handful of points along the axis.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fit {
    /// Where the judged part begins on the axis; what lies before is warm-up.
    pub from: f64,
    /// Positions on the axis.
    pub x: Vec<f64>,
    /// Fitted level.
    pub y: Vec<f64>,
    /// Lower edge of the band.
    pub lower: Vec<f64>,
    /// Upper edge of the band.
    pub upper: Vec<f64>,
}

/// The numbers behind a finding.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evidence {
    /// What a statistician asks for, in the order to be shown.
    pub facts: Vec<Fact>,
    /// Growth by quarter of the judged part, per step of the axis, pooled; empty if there was too little.
    pub quarters: Vec<f64>,
    /// What shows that it is of its class; missing where the reason says it all.
    pub because: Option<Because>,
    /// Tests that shared its error probability of "leak".
    pub tests: usize,
    /// What had to hold for "leak" and for "clean" of the workers together; none if nothing could be fitted.
    pub conditions: Conditions,
}

/// A live estimate for the progress display.
#[derive(Debug, Clone, PartialEq)]
pub struct Growth {
    /// Pooled growth of anonymous + swapped bytes per step of the axis.
    pub interval: Interval,
    /// The axis.
    pub axis: Axis,
}

/// What is concluded from a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The answer.
    pub outcome: Outcome,
    /// What the process exits with.
    pub exit: ExitCode,
    /// What is said first, the most urgent at the begin; never empty.
    pub claims: Vec<Claim>,
    /// Everything that had to hold.
    pub gates: Vec<Gate>,
    /// Resource by resource; memory first.
    pub findings: Vec<Finding>,
    /// The account of the whole target; missing if none was kept.
    pub whole_target: Option<WholeTarget>,
    /// The CPU time that it took; missing where that wasn't read.
    pub cpu_time: Option<CpuTime>,
    /// What came to each counter of the user's own, in their order; one that wasn't read twice is missing.
    pub counted: Vec<Counted>,
    /// Who else on the host used the CPU; missing if nobody did, or that wasn't read.
    pub neighbours: Option<Neighbours>,
    /// Who keeps memory; missing if allocations weren't traced.
    pub call_sites: Option<CallSites>,
    /// What is left of leaks without what accepted call sites keep; empty if none are accepted.
    pub remainders: Vec<Remainder>,
    /// What the reader should know beside: noise, missing readings, deaths.
    pub notes: Vec<Note>,
    /// The verdicts of the services beside the target, in the order of the record. What is said of the whole run (`outcome`, `exit`,
    /// `claims`) has them in it; all else is of the target alone.
    pub services: Vec<Verdict>,
}

impl Verdict {
    /// That of the target, then those of its services.
    pub fn parts(&self) -> impl Iterator<Item = &Verdict> {
        [self].into_iter().chain(&self.services)
    }

    /// The first finding with the answer of the run; `None` if that is for another reason, such as a target that died.
    pub fn deciding(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.outcome == self.outcome)
    }
}

/// What is left of a leak without what accepted call sites keep.
#[derive(Debug, Clone, PartialEq)]
pub struct Remainder {
    /// What leaks.
    pub resource: Resource,
    /// What is found of what is left; why it couldn't be told, if it couldn't: then nothing is accepted.
    pub found: Result<Finding, Untold>,
}

impl Remainder {
    /// Whether this is found of what is left.
    pub fn is(&self, outcome: Outcome) -> bool {
        self.found.as_ref().is_ok_and(|found| found.outcome == outcome)
    }
}

/// Why it couldn't be told what is left of a leak without what accepted call sites keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untold {
    /// No accepted site is proven to grow.
    Unproven,
    /// No worker was looked at while it was judged.
    SeldomLooked,
    /// Live bytes weren't counted at each look.
    NotCounted,
    /// Samples or mappings could not be noted, or threads not be sampled.
    Lost,
    /// Samples came too fast, and were made fewer in mid-run.
    Coarser,
    /// What grows is the size at which workers are born.
    Births,
}
