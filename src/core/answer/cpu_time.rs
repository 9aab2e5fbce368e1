//! What CPU time a target took.

use super::doubt::Named;

/// CPU time of the target in the judged time, user and kernel, in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct CpuTime {
    /// How long the judged time was.
    pub watched: f64,
    /// Requests served in it; missing where nobody counted them.
    pub requests: Option<f64>,
    /// Who took it, the most first; processes that ended between two looks are missing.
    pub shares: Vec<CpuShare>,
    /// What the workers took per request in the first and in the last quarter, where it is proven to grow.
    pub grows: Option<(f64, f64)>,
}

/// A process and the CPU time that it took.
#[derive(Debug, Clone, PartialEq)]
pub struct CpuShare {
    /// The process; a worker without its command.
    pub who: Named,
    /// Whether it is judged.
    pub is_worker: bool,
    /// What it took, in seconds.
    pub seconds: f64,
}

impl CpuTime {
    /// What all took together, in seconds.
    pub fn total(&self) -> f64 {
        self.shares.iter().map(|share| share.seconds).sum()
    }

    /// So much CPU time, as a part of a core.
    pub fn cores(&self, seconds: f64) -> f64 {
        seconds / self.watched
    }

    /// So much CPU time, for each request; missing where nobody counted requests.
    pub fn per_request(&self, seconds: f64) -> Option<f64> {
        self.requests.map(|requests| seconds / requests)
    }
}
