//! The harness file: what to launch, how to drive it, what growth to allow.
//!
//! [`types`] declares the file's tables, `units` and `allowed` its durations, rates, size distributions and budgets; `setting`, `table` and `choice` say
//! how such declarations are read. [`load`] reads and checks a file, [`resolve`] fills in the variables of a run, [`redacted`] is
//! what of it may be stored, [`variant`] and [`without_modules`] give another target to the same workload. A [`Harness`] that
//! came from here makes sense: its URLs, patterns, methods and sizes need no second look.

mod allowed;
mod check;
mod choice;
mod files;
mod load;
mod metrics;
mod presets;
mod problem;
mod redact;
mod resolve;
mod schedule;
mod schema;
mod services;
mod setting;
mod source;
mod table;
pub mod types;
mod units;
mod variables;
mod variant;

pub use allowed::{Allowed, Life};
pub use check::{not_a_url, wrong_with_requests};
pub use files::{open_input, open_plain, read_input};
pub use load::{Overrides, load, parse};
pub use metrics::{Asked, Select, Source as MetricSource, Wanted, sources as metric_sources};
pub use problem::{ConfigError, Diagnostic, KeyPath, nearest};
pub use redact::{
    REDACTED, keep_header, keep_own_secrets, keep_secret, keep_secrets_in, keep_secrets_of, redact_also, redacted,
    redacted_words, without_secrets,
};
pub use resolve::resolve;
pub use schedule::Length;
pub use schema::schema;
pub use types::*;
pub use units::{Day, Rate, Size, Span};
pub use variables::{Variables, literal};
pub use variant::{variant, without_modules};
