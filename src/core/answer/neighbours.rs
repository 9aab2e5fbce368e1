//! Who else on the host used the CPU.

use super::doubt::Named;

/// Processes of the host that are not the target's, in the judged time.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbours {
    /// How long they were watched, in seconds.
    pub watched: f64,
    /// Each of those that used a notable part of a core, all of one name together; with its CPU time in seconds, the most first.
    pub who: Vec<(Named, f64)>,
    /// What it cost the requests, where that shows.
    pub slower: Option<Slower>,
}

/// The 95th percentile of latency, in seconds: its median over the seconds in which others used the CPU, and over the rest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slower {
    /// While they used it.
    pub loud: f64,
    /// While they hardly did.
    pub quiet: f64,
}
