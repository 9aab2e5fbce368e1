//! Who keeps memory: the call sites, their stacks, and all of it as a flame graph of growth.

use super::tone;
use crate::answer::{CallSite, CallSites, SiteState, Verdict};
use crate::model::{Frame, Resource, format_seconds};
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

/// One frame of the flame graph with all that it called.
struct Flame {
    frame: Frame,
    growth: f64,
    children: Vec<Flame>,
}

impl Flame {
    /// The stacks of all sites that grow as one tree, outermost frames first.
    fn of(sites: &CallSites) -> Self {
        let mut root = Flame { frame: Frame::default(), growth: 0.0, children: Vec::new() };
        for (stack, rate) in growing(sites).flat_map(|site| &site.stacks).filter(|(_, rate)| *rate > 0.0) {
            root.growth += rate;
            let mut at = &mut root;
            for frame in stack.frames.iter().rev() {
                let known = at.children.iter().position(|child| name(&child.frame) == name(frame));
                let place = known.unwrap_or_else(|| {
                    at.children.push(Flame { frame: frame.clone(), growth: 0.0, children: Vec::new() });
                    at.children.len() - 1
                });
                at = &mut at.children[place];
                at.growth += rate;
            }
        }
        root.sort();
        root
    }

    fn sort(&mut self) {
        self.children.sort_by(|a, b| b.growth.total_cmp(&a.growth));
        self.children.iter_mut().for_each(Flame::sort);
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
