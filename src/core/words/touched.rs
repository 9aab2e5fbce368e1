//! Who touched fresh pages first, in words, the same in every report.

use super::kinds;
use crate::answer::CallSites;
use crate::model::{Resource, format_bytes, whole_percent};

/// What the sites are told for.
pub const TITLE: &str = "Who touched the fresh pages first";

/// What the words mean, a sentence each.
pub const EXPLAINED: [&str; 3] = [
    "When a process touches a page for the first time, its memory grows by that page: a site is the place in the code that did, or \
     that asked for the memory.",
    "A page counts as kept as long as the process has it and nothing has written over what was there first.",
    "What is kept in room that other code gave back is found in no fresh page: `seepage run --heap` follows every allocation instead.",
];

/// What is to be said of the whole, a sentence each without its full stop.
pub fn remarks(sites: &CallSites) -> Vec<String> {
    let per = sites.axis.unit();
    let touched = sites.churn.map(|churn| format!("{}/{per} of fresh pages were touched", format_bytes(churn)));
    let touched = touched.map_or(String::new(), |touched| touched + ", and ");
    let Some(memory) = sites.memory() else {
        return vec![format!("{touched}memory isn't proven to grow, so that no call site is named")];
    };
    let stays = kinds::growth(Resource::Memory, sites.axis, &sites.total);
    let share = whole_percent((sites.total.estimate / memory).max(0.0));
    let mut told =
        vec![format!("{touched}what stays as it was touched first grew by {stays}, {share} of the growth of memory")];
    told.extend(sites.are_weak().then(|| WEAK.to_owned()));
    let lost = &sites.lost;
    if lost.samples > 0 {
        told.push(format!(
            "{} samples were lost because they came too fast, so that the rates are a little low",
            lost.samples
        ));
    }
    if lost.stacks > 0 {
        told.push(format!("the stacks of {} samples had no room, or could not be walked", lost.stacks));
    }
    told
}

/// Why nobody is blamed.
const WEAK: &str = "that is too far from all of it to blame a call site: what is kept lies in room that other code gave back, is changed after \
                    it was written, or takes the place of other memory; `seepage run --heap` follows every allocation instead";
