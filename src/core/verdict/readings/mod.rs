//! From the readings of a run to series: what is judged of them, and against what count of requests.

pub mod census;
pub mod kinds;
pub mod load_curve;
pub mod mix;
pub mod noise;
pub mod pool_count;
pub mod series;
pub mod settled;
pub mod shared;
pub mod shares;
pub mod timeline;
pub mod warm_up;
