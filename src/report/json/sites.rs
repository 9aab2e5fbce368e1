//! The call sites in `verdict.json`.

use super::{Estimate, finite};
use crate::model::Frame;
use crate::verdict::{CallSite, CallSites, SiteState};
use schemars::JsonSchema;
use serde::Serialize;

/// Who keeps memory, from samples of the live set.
#[derive(Serialize, JsonSchema)]
pub(super) struct CallSitesPart {
    /// Unit of growth: such as `bytes/request`.
    unit: String,
    /// Mean of bytes between samples at the end.
    mean_bytes: u64,
    /// The same at the beginning, if samples came too fast and it was raised since; else null.
    raised_from_bytes: Option<u64>,
    /// Bytes allocated, whether they were freed or not: churn.
    churn: Option<f64>,
    /// Growth of all that was traced.
    total: Estimate,
    /// Growth of anonymous memory that is in no live allocation; null if that of memory is unknown.
    unexplained: Option<f64>,
    /// Samples that could not be noted.
    lost: u64,
    /// Call sites, by the lower bound of their growth.
    sites: Vec<SitePart>,
}

/// One call site.
#[derive(Serialize, JsonSchema)]
struct SitePart {
    #[serde(flatten)]
    frame: FramePart,
    /// `grows`, `settled` or `unproven`.
    state: SiteState,
    /// Growth of what it keeps.
    growth: Estimate,
    /// Samples that came or went.
    samples: u64,
    /// Of the bytes that came in the first half and were live at its end, the part that was live at the end, 0 to 1.
    kept: Option<f64>,
    /// Median age of what was live at the end, in seconds.
    median_age_seconds: Option<f64>,
    /// Stacks that lead there, the fastest growing first.
    stacks: Vec<StackPart>,
}

/// A call stack with its growth.
#[derive(Serialize, JsonSchema)]
struct StackPart {
    /// Growth, in the unit of its site.
    growth: Option<f64>,
    /// Frames, innermost first.
    frames: Vec<FramePart>,
}

/// A place in code.
#[derive(Serialize, JsonSchema)]
struct FramePart {
    /// Path of the module.
    module: String,
    /// Function; null without symbols.
    function: Option<String>,
    /// Source file; null without debug information.
    file: Option<String>,
    /// Line in it.
    line: Option<u32>,
    /// Place in the module's file; 0 for a site with a function, which may have several.
    offset: u64,
}

impl From<&Frame> for FramePart {
    fn from(frame: &Frame) -> Self {
        let Frame { module, offset, function, file, line } = frame.clone();
        FramePart { module, function, file, line, offset }
    }
}

impl From<&CallSites> for CallSitesPart {
    fn from(sites: &CallSites) -> Self {
        CallSitesPart {
            unit: format!("bytes/{}", sites.axis.unit()),
            mean_bytes: sites.mean,
            raised_from_bytes: sites.raised_from,
            churn: finite(sites.churn),
            total: (&sites.total).into(),
            unexplained: sites.unexplained.and_then(finite),
            lost: sites.lost,
            sites: sites.sites.iter().map(SitePart::from).collect(),
        }
    }
}

impl From<&CallSite> for SitePart {
    fn from(site: &CallSite) -> Self {
        let stack = |(stack, rate): &(crate::model::CallStack, f64)| StackPart {
            growth: finite(*rate),
            frames: stack.frames.iter().map(FramePart::from).collect(),
        };
        SitePart {
            frame: (&site.frame).into(),
            state: site.state,
            growth: (&site.growth).into(),
            samples: site.samples,
            kept: site.kept.and_then(finite),
            median_age_seconds: site.age.and_then(finite),
            stacks: site.stacks.iter().map(stack).collect(),
        }
    }
}
