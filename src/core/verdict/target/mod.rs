//! The whole target: what isn't judged as a worker, and what speaks against a pass.

pub mod account;
pub mod births;
pub mod brief;
pub mod counted;
pub mod counts;
pub mod cpu_time;
pub mod java;
pub mod piling;
pub mod runtime;
pub mod silent;
pub mod unjudged;
pub mod unseen;
pub mod whole;
