//! What a counter of the user's own counted.

use super::by_step::BySteps;
use crate::model::Metric;

/// What came to a counter in the judged time.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// Which.
    pub metric: Metric,
    /// What came to it, in bytes or items.
    pub total: f64,
    /// In so many seconds.
    pub watched: f64,
    /// Requests served in them; missing where nobody counted them.
    pub requests: Option<f64>,
    /// What each step of the workload adds for a request of it; missing if there is one step only, or too little to tell.
    pub steps: Option<BySteps>,
    /// What came to it per request in the first and in the last quarter, where it is proven to grow.
    pub grows: Option<(f64, f64)>,
}

impl Counted {
    /// What came to it for each request; missing where nobody counted requests.
    pub fn per_request(&self) -> Option<f64> {
        self.requests.map(|requests| self.total / requests)
    }
}
