//! A server of metrics that speaks Prometheus' HTTP API: what it is asked for, within bounds, and what becomes of what it can't
//! answer. And a Pushgateway, at which the verdict of a run is left for Prometheus to fetch.

mod address;
mod api;
mod fleet;
mod push;
mod silent;

pub use api::Server;
pub use fleet::{Asking, Gathered};
pub use push::Pushgateway;
