//! Call sites in words, the same in every report.

use super::kinds;
use super::plain::plain;
use super::touched;
use crate::answer::{CallSite, CallSites, Note, Outcome, SiteState, Verdict};
use crate::model::{Axis, Frame, HeapLost, HeapSource, Resource, amount, format_bytes, whole_percent};

/// A frame as people write it, harmless to show.
pub fn name(frame: &Frame) -> String {
    plain(&frame.to_string())
}

/// Who is to blame for most of the growth, a whole sentence.
pub fn blame(culprit: &CallSite, source: HeapSource) -> String {
    let name = name(&culprit.frame);
    match source {
        HeapSource::Allocations => format!("Most of it is kept by {name}."),
        HeapSource::Pages => format!("Most of it is in pages that {name} touched first."),
    }
}

/// What the sites are told for.
pub fn title(source: HeapSource) -> &'static str {
    match source {
        HeapSource::Allocations => "Who keeps memory",
        HeapSource::Pages => touched::TITLE,
    }
}

/// A site's growth with its bounds, per step of the axis.
pub fn growth(site: &CallSite, axis: Axis) -> String {
    kinds::growth(Resource::Memory, axis, &site.growth)
}

/// The part of all growth that is the site's, such as `97 %`: of what was traced, or of memory where pages were; nothing if the
/// whole didn't grow.
pub fn share(site: &CallSite, sites: &CallSites) -> String {
    let traced = sites.total.estimate;
    let whole = match sites.source {
        HeapSource::Allocations => traced,
        HeapSource::Pages => sites.memory().unwrap_or(traced),
    };
    let share = site.growth.estimate / whole;
    if sites.total.lower > 0.0 && share > 0.0 { whole_percent(share) } else { String::new() }
}

/// What a site keeps of the requests that its growth goes with, if that is known: `3.9 KiB per `upload` (98 %: ...)`.
pub fn by_step(site: &CallSite) -> Option<String> {
    let step = site.step.as_ref()?;
    let names: Vec<String> = step.steps.iter().map(|name| format!("`{}`", plain(name))).collect();
    let names = match &names[..] {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => names.concat(),
    };
    let bytes = |bytes: f64| amount(Resource::Memory, bytes);
    let growth = &step.growth;
    Some(format!("{} per {names} ({})", bytes(growth.estimate), kinds::confident(growth, bytes)))
}

/// What is concluded about a site.
pub fn state(state: SiteState) -> &'static str {
    match state {
        SiteState::Grows => "grows",
        SiteState::Settled => "settled",
        SiteState::Unproven => "not proven",
    }
}

/// Sites that are said to grow.
pub fn growing(sites: &CallSites) -> impl Iterator<Item = &CallSite> {
    sites.sites.iter().filter(|site| site.state == SiteState::Grows)
}

/// What is to be said of the whole, a sentence each without its full stop.
pub fn remarks(sites: &CallSites) -> Vec<String> {
    if sites.source == HeapSource::Pages {
        return touched::remarks(sites);
    }
    let per = sites.axis.unit();
    let raised = sites.raised_from.map_or(String::new(), |first| format!("{} and later ", format_bytes(first as f64)));
    // What grew by mappings was never allocated piece by piece.
    let churn = sites.churn.filter(|churn| *churn >= sites.total.estimate);
    let allocated =
        churn.map_or(String::new(), |churn| format!("the workers allocated {}/{per}, and ", format_bytes(churn)));
    let mut told = vec![format!(
        "{allocated}what is live grew by {}; allocations were sampled every {raised}{} on average",
        kinds::growth(Resource::Memory, sites.axis, &sites.total),
        format_bytes(sites.mean as f64),
    )];
    if let Some(unexplained) = sites.unexplained.filter(|rest| rest.abs() > 0.1 * sites.total.estimate.abs()) {
        let rest = format_bytes(unexplained.abs());
        told.push(if unexplained > 0.0 {
            format!(
                "{rest}/{per} of the growth of anonymous memory is in no live allocation: fragmentation, retention by \
                 the allocator, or an allocator that isn't seen"
            )
        } else {
            format!("live allocations grew by {rest}/{per} more than anonymous memory, which has room for them already")
        });
    }
    told.extend(lost(&sites.lost));
    told
}

/// What the library had no room or no time for.
fn lost(lost: &HeapLost) -> Vec<String> {
    let HeapLost { samples, stacks, mappings, unsampled } = *lost;
    let told = [
        (samples, format!("{samples} samples or frees could not be noted, so that the rates are a little off")),
        (
            stacks,
            format!(
                "the stacks of {stacks} samples had no room, or could not be walked: whose they are isn't known, how much they are is"
            ),
        ),
        (
            mappings,
            format!(
                "{mappings} mappings were too many to be followed: they are in no call site, and count as given back"
            ),
        ),
        (
            unsampled,
            format!(
                "{} were allocated by threads beyond the number that can be sampled: they are counted, but in no call site",
                format_bytes(unsampled as f64)
            ),
        ),
    ];
    told.into_iter().filter(|(count, _)| *count > 0).map(|(_, told)| told).collect()
}

/// What the words about call sites mean, a sentence each.
pub fn explained(verdict: &Verdict) -> Vec<String> {
    let Some(sites) = &verdict.call_sites else { return Vec::new() };
    if sites.source == HeapSource::Pages {
        return touched::EXPLAINED.map(str::to_owned).to_vec();
    }
    let grows = growing(sites).count();
    let mut said = vec![
        format!(
            "{} proven to keep more and more: the innermost place in the code that doesn't allocate for others.",
            match grows {
                0 => "No call site is".to_owned(),
                1 => "1 call site is".to_owned(),
                n => format!("{n} call sites are"),
            }
        ),
        "Of the bytes that came in the first half and were live at its end, \"kept\" is the part that was live at the end \
         of the run: near 100 % for a leak, less for a cache that replaces."
            .to_owned(),
        "Of all sites that are said to grow, 1 % may be there by chance.".to_owned(),
    ];
    if growing(sites).any(|site| site.step.is_some()) {
        said.push(
            "A site's growth goes with the steps that are named if it is proven that a request of any other step leaves \
             less behind."
                .to_owned(),
        );
    }
    said
}

/// The sites that are said to grow, a line each, for reports in plain text.
pub fn lines(verdict: &Verdict) -> Vec<String> {
    let Some(sites) = &verdict.call_sites else { return Vec::new() };
    let line = |site: &CallSite| {
        let (does, of) = match sites.source {
            HeapSource::Allocations => ("keeps", "live allocations"),
            HeapSource::Pages => ("was the first to touch what stays,", "memory"),
        };
        let share = share(site, sites);
        let share = if share.is_empty() { share } else { format!(", {share} of the growth of {of}") };
        let keeps = by_step(site).unwrap_or_else(|| growth(site, sites.axis));
        let others = site.step.as_ref().map(|step| amount(Resource::Memory, step.others));
        let others = others.map_or(String::new(), |most| format!("; of the others at most {most}"));
        format!("{} {does} {keeps}{share}{others}", name(&site.frame))
    };
    growing(sites).take(5).map(line).chain(cut_short(verdict)).chain(remarks(sites)).collect()
}

/// That the soak was over before a site was proven, if it was cut short.
fn cut_short(verdict: &Verdict) -> Option<String> {
    let early = verdict
        .notes
        .iter()
        .any(|note| matches!(note, Note::Looks(look) if look.proven && look.share.is_some_and(|share| share < 1.0)));
    let unproven = verdict.call_sites.as_ref().is_some_and(|sites| growing(sites).next().is_none());
    let told = "no call site is proven to grow yet, for the soak ended early: `--stop planned` goes on to the end, and tells more of sites";
    (early && unproven && verdict.outcome == Outcome::Leak).then(|| told.to_owned())
}
