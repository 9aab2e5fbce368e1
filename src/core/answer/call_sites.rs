//! What is concluded about the places in the code that keep memory.

use super::outcome::Interval;
use crate::model::{Axis, CallStack, Frame, HeapLost, HeapSource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the sampled live sets of a run say about who keeps memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallSites {
    /// What was sampled.
    #[serde(default)]
    pub source: HeapSource,
    /// What growth is measured against.
    pub axis: Axis,
    /// Length of all workers' windows together along the axis.
    pub span: f64,
    /// Mean of bytes between samples at the end, the largest of all workers.
    pub mean: u64,
    /// The smallest of them at the beginning, if the mean was raised since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raised_from: Option<u64>,
    /// Bytes allocated, or in pages that were touched first, per step of the axis, whether they were freed or not; missing if they
    /// weren't counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub churn: Option<f64>,
    /// Growth of all that is live, in bytes per step of the axis: counted where counts and samples go together, else
    /// estimated from the samples.
    pub total: Interval,
    /// Growth of anonymous memory beyond that: fragmentation, retention, or allocators that the library doesn't see.
    /// Missing if memory isn't proven to grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unexplained: Option<f64>,
    /// What the library could not note meanwhile.
    pub lost: HeapLost,
    /// Sites, by the lower bound of their growth.
    pub sites: Vec<CallSite>,
}

/// What is concluded about one site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SiteState {
    /// It keeps more and more.
    Grows,
    /// It grew, but hardly does any more.
    Settled,
    /// Nothing is proven.
    Unproven,
}

/// One place in the code that allocates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallSite {
    /// The innermost frame that doesn't allocate for others.
    pub frame: Frame,
    /// What is concluded.
    pub state: SiteState,
    /// Growth of what it keeps, in bytes per step of the axis.
    pub growth: Interval,
    /// The steps of the workload with which that goes; missing unless it is proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<SiteStep>,
    /// Samples that came or went.
    pub samples: u64,
    /// Of the bytes that came in the first half and were live at its end, the part that was live at the end of the
    /// window, 0 to 1; missing if there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<f64>,
    /// Median age of what was live at the end, by bytes, in seconds; missing if nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<f64>,
    /// Stacks that lead there, the fastest growing first, each with its growth.
    pub stacks: Vec<(CallStack, f64)>,
}

/// The steps of the workload, one as a rule, with which a site's growth goes: of a request of any other it is proven to
/// keep less.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SiteStep {
    /// Their names; several if it isn't proven which of them it is, or if it is all of them.
    pub steps: Vec<String>,
    /// Their share of all requests, 0 to 1.
    pub share: f64,
    /// What the site keeps of one of their requests, on average over them, in bytes.
    pub growth: Interval,
    /// What it keeps of a request of the others, on average over them, at most, in bytes.
    pub others: f64,
}

impl CallSites {
    /// The site that is to blame for most of the growth, if there is one.
    pub fn culprit(&self) -> Option<&CallSite> {
        let most = self.sites.iter().find(|site| site.state == SiteState::Grows)?;
        let whole = self.total.estimate.max(self.memory().unwrap_or_default());
        (most.growth.estimate > 0.5 * whole).then_some(most)
    }

    /// Growth of anonymous memory, in bytes per step of the axis; `None` if it isn't proven to grow.
    pub fn memory(&self) -> Option<f64> {
        Some(self.total.estimate + self.unexplained?)
    }

    /// Whether nobody can be blamed for what grows here: pages that were touched first and stay as they were tell of a growth only if
    /// they make up most of it, and don't take the place of others that were given back.
    pub fn are_weak(&self) -> bool {
        let tells = |memory: f64| (0.5 * memory..=2.0 * memory).contains(&self.total.estimate);
        self.source == HeapSource::Pages && !self.memory().is_some_and(tells)
    }
}
