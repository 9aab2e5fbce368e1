//! From the readings of a run to series: what is judged of them, and against what count of requests.

pub(crate) mod census;
pub(crate) mod crashes;
pub(crate) mod kinds;
pub(crate) mod load_curve;
pub(crate) mod metrics;
pub(crate) mod mix;
pub mod neighbours;
pub(crate) mod noise;
pub(crate) mod per_request;
pub(crate) mod pool_count;
pub(crate) mod series;
pub(crate) mod settled;
pub(crate) mod shared;
pub(crate) mod shares;
pub(crate) mod timeline;
pub(crate) mod warm_up;

pub use series::{SettleLevel, series, settle_levels};
