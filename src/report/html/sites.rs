//! Who keeps memory: the call sites, their stacks, and all of it as a flame graph of growth.

use super::tone;
use crate::answer::{CallSite, CallSites, SiteState, Verdict};
use crate::model::{Resource, format_seconds};
use crate::report::flame::Flame;
use crate::report::text::{Mood, amount, capital};
use crate::words::sites::{by_step, growing, growth, name, remarks, share, state, title};
use maud::{Markup, html};

/// Parts of the flame graph that are narrower than this share of its width aren't drawn.
const NARROWEST: f64 = 0.002;

/// The section, if allocations were traced.
pub fn section(verdict: &Verdict) -> Markup {
    let Some(sites) = &verdict.call_sites else { return html! {} };
    let flames = Flame::of(sites);
    html! {
        section {
            h2 { (title(sites.source)) }
            @if growing(sites).next().is_none() { p { "No call site is proven to keep more and more." } }
            div.scroll {
                table {
                    thead {
                        tr {
                            th { "Call site" } th { "" } th { "Keeps, per " (sites.axis.unit()) } th.number { "Share" }
                            th.number { "Kept" } th.number { "Median age" } th.number { "Samples" }
                        }
                    }
                    tbody { @for site in &sites.sites { (row(site, sites)) } }
                }
            }
            ul.notes { @for remark in remarks(sites) { li { (capital(&remark)) "." } } }
            @if flames.growth > 0.0 {
                details open {
                    summary { "Flame graph of growth: width is bytes kept per " (sites.axis.unit()) ", callers above" }
                    div.flames { @for child in &flames.children { (flame(child, flames.growth, flames.growth)) } }
                }
            }
            @for site in growing(sites) {
                details {
                    summary { "Stacks of " (name(&site.frame)) }
                    @for (stack, rate) in &site.stacks {
                        p.quiet { (amount(Resource::Memory, *rate)) "/" (sites.axis.unit()) }
                        pre { @for frame in &stack.frames { (name(frame)) "\n" } }
                    }
                }
            }
        }
    }
}

fn row(site: &CallSite, sites: &CallSites) -> Markup {
    let mood = match site.state {
        SiteState::Grows => Mood::Bad,
        SiteState::Settled => Mood::Good,
        SiteState::Unproven => Mood::Unsure,
    };
    html! {
        tr {
            th scope="row" { (name(&site.frame)) }
            td { span.state.(tone(mood)) { (state(site.state)) } }
            td {
                (growth(site, sites.axis))
                @if let Some(told) = by_step(site) { br; span.quiet { (told) } }
            }
            td.number { (share(site, sites)) }
            td.number title="of what came in the first half of the run and was live at its end, the part that was live at the end of the run" {
                @if let Some(kept) = site.kept { (format!("{:.0} %", kept * 100.0)) } @else { "–" }
            }
            td.number { @if let Some(age) = site.age { (format_seconds(age)) } @else { "–" } }
            td.number { (site.samples) }
        }
    }
}

fn flame(flame: &Flame, of_parent: f64, of_all: f64) -> Markup {
    let named = name(&flame.frame);
    let rate = amount(Resource::Memory, flame.growth);
    html! {
        @if flame.growth >= NARROWEST * of_all {
            div.flame style=(format!("width:{:.3}%", 100.0 * flame.growth / of_parent)) {
                span title=(format!("{named}: {rate}")) { (named) }
                @if !flame.children.is_empty() {
                    div { @for child in &flame.children { (self::flame(child, flame.growth, of_all)) } }
                }
            }
        }
    }
}
