//! What is compared, and what a comparison says.

use crate::answer::{ExitCode, Interval, Outcome, Quantile};
use crate::model::{Metric, Resource};
use std::collections::BTreeMap;

/// A number that a run comes to; more of any of them is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Growth of a resource per request, as the verdict estimates it; bytes or items.
    Growth(Resource),
    /// Anonymous + swapped memory of a worker after settling (without a settle phase, at the end of the load), in bytes.
    Level,
    /// CPU time of the workers in the soak, user and kernel, per request, in seconds.
    Cpu,
    /// Bytes that the workers allocated in the soak per request, whether they were freed or not; where that was traced.
    Churn,
    /// What a request adds to a counter of the user's own, in bytes or items.
    Counted(Metric),
    /// Latency of successes over all steps, in seconds.
    Latency(Quantile),
    /// Failed share of requests, 0 to 1.
    ErrorRate,
    /// Share of answers with this status, 0 to 1; only of 400 and above.
    Status(u16),
}

impl Measure {
    /// Whether the comparison has to decide it: growth is what the tool is for. Of the others only what is proven counts.
    pub fn is_gated(self) -> bool {
        matches!(self, Measure::Growth(_))
    }
}

/// One run, or a service of it, reduced to what comparisons need.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    /// The name of its directory.
    pub id: String,
    /// What it came to; what could not be measured is missing.
    pub measures: BTreeMap<Measure, f64>,
    /// The verdict's growth intervals by resource, for comparisons of single runs.
    pub growth: BTreeMap<Resource, Interval>,
    /// Mean level of memory over its workers against requests, for charts: a few dozen points.
    pub curve: Vec<(f64, f64)>,
    /// Answers in the soak by status.
    pub statuses: BTreeMap<u16, u64>,
    /// The verdict's answer for the run alone.
    pub outcome: Outcome,
    /// The verdict's exit code for the run alone.
    pub exit: ExitCode,
    /// The verdict's sentence for the run alone.
    pub sentence: String,
    /// The same of each service beside the target, by name.
    pub services: BTreeMap<String, RunSummary>,
}

/// Two runs, one of each side.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// The run of the baseline.
    pub a: RunSummary,
    /// The run of the candidate.
    pub b: RunSummary,
    /// Whether the coin put the candidate first.
    pub b_first: bool,
}

/// One of the two variants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// Its name in tables and charts, such as `off`.
    pub name: String,
    /// The same in a sentence, such as "without `upload_module`".
    pub phrase: String,
}

/// Both variants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sides {
    /// The baseline.
    pub a: Side,
    /// The candidate.
    pub b: Side,
}

/// A difference that one would not mind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Margin {
    /// As a part of the baseline's mean.
    pub share: f64,
    /// At least this much, in the measure's unit.
    pub least: f64,
}

impl Margin {
    /// The difference that is allowed over this baseline.
    pub fn over(&self, baseline: f64) -> f64 {
        (self.share * baseline.abs()).max(self.least)
    }
}

/// What difference is allowed in each measure; one without a margin isn't judged.
pub type Margins = BTreeMap<Measure, Margin>;

/// The same of each service beside the target, by name.
pub type ServiceMargins = BTreeMap<String, Margins>;

/// What is said of a difference, and of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The candidate is worse beyond doubt, by more than the margin.
    Regression,
    /// It is better beyond doubt, by more than the margin.
    Improvement,
    /// The difference is within the margin beyond doubt.
    Equivalent,
    /// None of these could be proven.
    Inconclusive,
}

/// One side's part in a measure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SideEstimate {
    /// Mean over its runs.
    pub mean: f64,
    /// Its 99 % interval; missing with a single run that has none of its own.
    pub interval: Option<Interval>,
}

/// What differs in one measure, B less A.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The measure.
    pub measure: Measure,
    /// The service whose it is; missing of the target.
    pub service: Option<String>,
    /// What is concluded.
    pub answer: Answer,
    /// The baseline; missing if no run has the measure.
    pub a: Option<SideEstimate>,
    /// The candidate.
    pub b: Option<SideEstimate>,
    /// The mean difference with its interval; missing with fewer than two pairs.
    pub difference: Option<Interval>,
    /// Two-sided probability of the exact sign-flip test; missing for single runs.
    pub p: Option<f64>,
    /// The difference that is allowed.
    pub margin: f64,
    /// The values of each pair, A and B, in order; `None` where a run lacks the measure.
    pub pairs: Vec<Option<(f64, f64)>>,
    /// More pairs that would settle it, if it isn't and pairs would.
    pub more_pairs: Option<usize>,
}

/// What is concluded from pairs of runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The answer: the worst of the gated measures, or a proven regression in any.
    pub answer: Answer,
    /// Both variants.
    pub sides: Sides,
    /// Measure by measure; growth first.
    pub differences: Vec<Difference>,
    /// Pairs that count.
    pub pairs: usize,
    /// Pairs that were planned; 0 for a comparison of two single runs.
    pub planned: usize,
    /// What the reader should know beside.
    pub notes: Vec<ComparisonNote>,
}

/// Something that the reader of a comparison should know beside the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComparisonNote {
    /// The answer was clear before all pairs were run.
    Early {
        /// Pairs that were run.
        pairs: usize,
        /// Pairs that were planned.
        planned: usize,
    },
    /// It can be gone on with.
    GoesOn {
        /// What ended it before its time, in words, if that is known.
        by: Option<String>,
        /// Its directory.
        directory: String,
    },
    /// The exact test can't be sure with so few pairs.
    FewPairs {
        /// How many would be enough.
        enough: usize,
        /// Whether the answer isn't that the sides are the same, for which the intervals are enough.
        differ: bool,
    },
    /// Runs of one side leak by themselves.
    LeaksAlone {
        /// Whether it is the candidate.
        b: bool,
        /// How many of its runs do.
        leaks: usize,
        /// Of so many.
        runs: usize,
    },
    /// Some pairs lack a measure.
    Unmeasured {
        /// Which.
        measure: Measure,
        /// Of which service; missing of the target.
        service: Option<String>,
        /// How many lack it.
        missing: usize,
        /// Of so many.
        pairs: usize,
    },
    /// It is of two single runs.
    SingleRuns,
    /// Only growth is judged in a comparison of single runs.
    GrowthOnly,
    /// The workloads of both sides aren't the same.
    WorkloadsDiffer,
    /// Of a side only the verdict is there, without its workload.
    WorkloadUnknown,
    /// The hosts of both sides aren't the same.
    HostsDiffer,
    /// Both sides were judged by other versions of the rule; the number is missing where the file is too old to have it.
    RulesDiffer {
        /// Of the baseline.
        a: Option<u32>,
        /// Of the candidate.
        b: Option<u32>,
    },
    /// What was recorded of how the sides were made.
    Recorded(String),
}

impl RunSummary {
    /// That of a service; without one, of the target itself.
    pub(super) fn part(&self, service: Option<&str>) -> Option<&RunSummary> {
        service.map_or(Some(self), |name| self.services.get(name))
    }
}

impl Comparison {
    /// What the process exits with.
    pub fn exit(&self) -> ExitCode {
        match self.answer {
            Answer::Regression => ExitCode::Worse,
            Answer::Improvement | Answer::Equivalent => ExitCode::Clean,
            Answer::Inconclusive => ExitCode::Inconclusive,
        }
    }

    /// Whether pairs are missing, and those that were run are too few for an answer.
    pub fn is_unfinished(&self) -> bool {
        self.pairs < self.planned && self.answer == Answer::Inconclusive
    }

    /// The difference of the target in this measure.
    pub fn difference(&self, measure: Measure) -> Option<&Difference> {
        self.differences.iter().find(|d| d.measure == measure && d.service.is_none())
    }
}
