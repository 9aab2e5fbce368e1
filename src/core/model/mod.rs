//! The words seepage thinks in: units, worker identity, readings, events, series and the run record.
//!
//! Pure data. Nothing here reads a file, a clock or a process, so a record that was read back from a run directory
//! is the same thing as one that was just made.

mod accepted;
mod amounts;
mod as_text;
mod census;
mod chosen;
mod event;
mod heap;
mod map;
mod metric;
mod record;
mod resource;
mod sample;
mod series;
mod thin;
mod understood;
mod units;
mod worker;

pub use accepted::{Acceptability, Accepted, AcceptedLeak, AcceptedSite, NaiveDate, day};
pub use amounts::{allowed_rate, amount, level, percent, rate, whole_percent};
#[doc(hidden)]
pub use as_text::as_text;
pub use census::{Census, Kin, MOST_LISTED, OtherProcess, Zombies};
pub use chosen::{Choosing, Chosen, ChosenGroup, ChosenParent, MOST_TOLD};
pub use event::{Event, EventKind, ExitCause, PhaseKind, ended_by};
pub use heap::{CallStack, Frame, HeapEntry, HeapLook, HeapLost, HeapReading, HeapRecord, HeapSource, SampledBlock};
pub use map::{MOST_PLACES, MapReading, Place, PlaceKind};
pub use metric::{Metric, MetricKind, MetricMeta, MetricReading};
pub use record::{
    Budgets, Counting, CountingSource, Failure, Gates, Host, LatencySummary, Observing, RunMeta, RunRecord, RunStatus,
    SERVICES, Step, Target, WorkerLimits, WorkloadSummary,
};
pub use resource::{EvidenceClass, Resource};
pub use sample::{
    DescriptorKinds, HeldGroup, HeldKind, HostSample, JavaHeap, LoadSample, Neighbour, Sample, SlowReading,
};
pub use series::{Axis, Series};
pub use thin::{MOST_MAPS, MOST_READINGS, Reading, Thinner, Thinners};
pub use understood::{MemoryKind, TableDoubt, Taken, Understood, Wider};
pub use units::{
    Budget, Bytes, Per, Share, UnitError, amount_pattern, format_bytes, format_count, format_seconds, number_pattern,
    parse_amount, parse_number, unit_hint,
};
pub use worker::{WorkerId, shown_command};
