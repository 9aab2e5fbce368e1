//! The call sites in `verdict.json`.

use super::{Estimate, finite};
use crate::answer::{CallSite, CallSites, SiteState, SiteStep};
use crate::model::{Frame, HeapSource};
use schemars::JsonSchema;
use serde::Serialize;

/// Who keeps memory, from samples of the live set.
#[derive(Serialize, JsonSchema)]
pub(super) struct CallSitesPart {
    /// What was sampled: `allocations`, or fresh `pages` that were touched first.
    source: &'static str,
    /// Unit of growth: such as `bytes/request`.
    unit: String,
    /// Mean of bytes between samples at the end.
    mean_bytes: u64,
    /// The same at the beginning, if samples came too fast and it was raised since; else null.
    raised_from_bytes: Option<u64>,
    /// Bytes allocated, or in fresh pages, whether they were freed or not: churn; null if they weren't counted.
    churn: Option<f64>,
    /// Growth of all that was traced.
    total: Estimate,
    /// Growth of anonymous memory that is in no live allocation; null if that of memory is unknown.
    unexplained: Option<f64>,
    /// Samples, and frees of sampled blocks, that could not be noted.
    lost: u64,
    /// Samples whose stack there was no room for.
    lost_stacks: u64,
    /// Mappings that could not be followed, and count as gone.
    lost_mappings: u64,
    /// Bytes allocated by threads beyond those that are sampled.
    unsampled_bytes: u64,
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
    /// The steps of the workload with which the growth goes; null unless that is proven.
    step: Option<SiteStepPart>,
    /// Samples that came or went.
    samples: u64,
    /// Of the bytes that came in the first half and were live at its end, the part that was live at the end, 0 to 1.
    kept: Option<f64>,
    /// Median age of what was live at the end, in seconds.
    median_age_seconds: Option<f64>,
    /// Stacks that lead there, the fastest growing first.
    stacks: Vec<StackPart>,
}

/// The steps of the workload, one as a rule, with which a site's growth goes: of a request of any other it is proven to
/// keep less.
#[derive(Serialize, JsonSchema)]
struct SiteStepPart {
    /// Their names; several if it isn't proven which of them it is, or if it is all of them.
    steps: Vec<String>,
    /// Their share of all requests, 0 to 1.
    share: Option<f64>,
    /// What the site keeps of one of their requests, on average over them.
    growth: Estimate,
    /// What it keeps of a request of the others, on average over them, at most.
    others_at_most: Option<f64>,
}

impl From<&SiteStep> for SiteStepPart {
    fn from(step: &SiteStep) -> Self {
        SiteStepPart {
            steps: step.steps.clone(),
            share: finite(step.share),
            growth: (&step.growth).into(),
            others_at_most: finite(step.others),
        }
    }
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
            source: match sites.source {
                HeapSource::Allocations => "allocations",
                HeapSource::Pages => "pages",
            },
            unit: format!("bytes/{}", sites.axis.unit()),
            mean_bytes: sites.mean,
            raised_from_bytes: sites.raised_from,
            churn: sites.churn.and_then(finite),
            total: (&sites.total).into(),
            unexplained: sites.unexplained.and_then(finite),
            lost: sites.lost.samples,
            lost_stacks: sites.lost.stacks,
            lost_mappings: sites.lost.mappings,
            unsampled_bytes: sites.lost.unsampled,
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
            step: site.step.as_ref().map(SiteStepPart::from),
            samples: site.samples,
            kept: site.kept.and_then(finite),
            median_age_seconds: site.age.and_then(finite),
            stacks: site.stacks.iter().map(stack).collect(),
        }
    }
}
