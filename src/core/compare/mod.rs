//! Two variants of one target: which is worse, in what, and by how much.
//!
//! Pure: a comparison is a function of pairs of runs, each reduced to its [`RunSummary`]. Runs of a pair follow one
//! another in an order that a coin decides, so that whatever drifts on the host hits both sides alike. Side A is the
//! baseline, side B the candidate, and every difference is B less A: above zero is worse, in every measure.

mod judge;
mod measure;
mod paired;
#[cfg(test)]
mod tests;
mod types;
mod unpaired;

pub use judge::{can_tell, compare};
pub(crate) use measure::failed_shares;
pub use measure::summarize;
pub use paired::{ALPHA, LEAST_PAIRS, MOST_PAIRS, is_look, looks};
pub use types::{
    Answer, Comparison, ComparisonNote, Difference, Margin, Margins, Measure, Pair, RunSummary, ServiceMargins, Side,
    SideEstimate, Sides,
};
pub use unpaired::compare_runs;
