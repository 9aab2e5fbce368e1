//! A server of metrics that speaks Prometheus' HTTP API: what it is asked for, within bounds, and what becomes of what it can't
//! answer.

mod api;
mod fleet;

pub use api::Server;
pub use fleet::{Asking, Gathered};
