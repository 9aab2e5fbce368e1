//! The forecast's part of `verdict.json`.

use super::finite;
use crate::answer::{Ceiling, Forecast, LimitReached, Reach, Recycling};
use schemars::JsonSchema;
use serde::Serialize;

/// How growth goes on if it goes on as it did, counted from the end of the run.
#[derive(Serialize, JsonSchema)]
pub struct ForecastPart {
    /// Requests in a second to a worker (to the pool, for what belongs to it) at the pace of this run; null over time.
    requests_per_second: Option<f64>,
    /// The limit that is reached first; null if none is known, or workers are recycled before.
    limit: Option<LimitPart>,
    /// How often workers would have to be recycled until the leak is fixed; null if there is no leak.
    recycling: Option<RecyclingPart>,
}

/// When a limit is reached.
#[derive(Serialize, JsonSchema)]
struct LimitPart {
    /// `control-group`, `process-memory`, `host` or `open-files`.
    ceiling: &'static str,
    /// The limit, in bytes or items.
    limit: Option<f64>,
    /// What is left of it.
    room: Option<f64>,
    /// Workers whose growth fills it together; 1 for a limit on each.
    workers: u64,
    /// Further requests (or hours, if the axis is hours) until then; of a pool, to each worker.
    steps: ReachPart,
    /// Seconds until then at the pace of the run.
    seconds: Option<ReachPart>,
}

/// A distance with its interval.
#[derive(Serialize, JsonSchema)]
struct ReachPart {
    /// At the upper bound of growth.
    soonest: Option<f64>,
    /// At its estimate; null if that isn't above zero.
    estimate: Option<f64>,
    /// At its lower bound; null if that isn't above zero.
    latest: Option<f64>,
}

/// A setting that replaces workers before they have grown too large.
#[derive(Serialize, JsonSchema)]
struct RecyclingPart {
    /// Size that no worker is to outgrow, in bytes or items.
    size: Option<f64>,
    /// Whether the user chose it; else it is 0.8 of an even share of the limits.
    chosen: bool,
    /// Requests after which a worker is to be replaced; null if it begins above the size.
    requests: Option<f64>,
    /// The manager's setting; null if the manager isn't known.
    setting: Option<String>,
    /// What to write into the setting; null if it isn't known.
    value: Option<f64>,
    /// Whether the setting counts connections.
    per_connection: bool,
}

impl From<&Forecast> for ForecastPart {
    fn from(forecast: &Forecast) -> Self {
        ForecastPart {
            requests_per_second: forecast.pace.and_then(finite),
            limit: forecast.limit.as_ref().map(LimitPart::from),
            recycling: forecast.recycling.as_ref().map(RecyclingPart::from),
        }
    }
}

impl From<&LimitReached> for LimitPart {
    fn from(reached: &LimitReached) -> Self {
        LimitPart {
            ceiling: match reached.ceiling {
                Ceiling::ControlGroup => "control-group",
                Ceiling::ProcessMemory => "process-memory",
                Ceiling::Host => "host",
                Ceiling::OpenFiles => "open-files",
            },
            limit: finite(reached.limit),
            room: finite(reached.room),
            workers: reached.workers,
            steps: (&reached.steps).into(),
            seconds: reached.seconds.as_ref().map(ReachPart::from),
        }
    }
}

impl From<&Reach> for ReachPart {
    fn from(reach: &Reach) -> Self {
        ReachPart {
            soonest: finite(reach.soonest),
            estimate: reach.estimate.and_then(finite),
            latest: reach.latest.and_then(finite),
        }
    }
}

impl From<&Recycling> for RecyclingPart {
    fn from(recycling: &Recycling) -> Self {
        RecyclingPart {
            size: finite(recycling.size),
            chosen: recycling.chosen,
            requests: recycling.requests.and_then(finite),
            setting: recycling.setting.as_ref().map(|s| s.name.clone()),
            value: recycling.value().and_then(finite),
            per_connection: recycling.setting.as_ref().is_some_and(|s| s.per_connection),
        }
    }
}
