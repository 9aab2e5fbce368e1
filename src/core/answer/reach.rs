//! What a forecast says: when which limit is reached, and what recycling of workers keeps it away.

use serde::{Deserialize, Serialize};

/// How growth goes on if it goes on as it did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// Steps of the axis in a second, for a worker at the pace of this run; missing if the axis is time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<f64>,
    /// The limit that is reached first; missing if none is known, or workers are recycled before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitReached>,
    /// How often workers would have to be recycled until the leak is fixed; for leaks only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recycling: Option<Recycling>,
}

/// When a limit is reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LimitReached {
    /// What limits.
    pub ceiling: Ceiling,
    /// The limit, in bytes or items.
    pub limit: f64,
    /// What is left until it is reached.
    pub room: f64,
    /// Workers whose growth fills it together; 1 for a limit on each.
    pub workers: u64,
    /// Further steps of the axis until then (for a pool: steps of each worker).
    pub steps: Reach,
    /// Seconds until then at the pace of the run; missing without a pace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<Reach>,
}

/// What limits a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ceiling {
    /// The control group's memory limit, for all of the target.
    ControlGroup,
    /// What RLIMIT_DATA or RLIMIT_AS leaves for the anonymous memory of each worker.
    ProcessMemory,
    /// The memory that the host had available.
    Host,
    /// RLIMIT_NOFILE, for the descriptors of each worker.
    OpenFiles,
}

/// A distance with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Reach {
    /// At the upper bound of growth.
    pub soonest: f64,
    /// At its estimate; missing if that isn't above zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<f64>,
    /// At its lower bound; missing if that isn't above zero: it may be never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<f64>,
}

/// A setting that replaces workers before they have grown too large.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recycling {
    /// Size that no worker is to outgrow, in bytes or items.
    pub size: f64,
    /// Whether the user chose it; else it is 0.8 of an even share of the limit.
    pub chosen: bool,
    /// Requests after which a worker is to be replaced, at the upper bound of growth; missing if it begins above the size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<f64>,
    /// The manager's setting for it; missing if the manager isn't known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setting: Option<Setting>,
}

/// A setting of a manager of workers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// Its name, such as `pm.max_requests`.
    pub name: String,
    /// Whether it counts connections, of which each carries several requests where they are kept alive.
    pub per_connection: bool,
    /// Requests that the driver sent over a connection at most; missing if unlimited, or nothing was driven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_connection: Option<f64>,
}

impl Recycling {
    /// The number to write into the setting: requests, or the connections that carry them; missing if that isn't known.
    pub fn value(&self) -> Option<f64> {
        match &self.setting {
            Some(Setting { per_connection: true, requests_per_connection, .. }) => {
                Some(round_down(self.requests? / (*requests_per_connection)?)).filter(|n| *n >= 1.0)
            }
            _ => self.requests,
        }
    }
}

/// Two significant digits, rounded down.
pub fn round_down(value: f64) -> f64 {
    if !(value.is_finite() && value >= 1.0) {
        return 0.0;
    }
    let unit = 10f64.powf((value.log10().floor() - 1.0).max(0.0));
    (value / unit).floor() * unit
}
