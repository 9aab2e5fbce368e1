//! From readings to a verdict: leak, clean or inconclusive, at what rate, and why.
//!
//! Pure: a verdict is a function of a run record.

mod accepted;
mod gates;
mod judge;
mod live;
mod looks;
mod notes;
mod services;
mod target;
mod watched;

pub use live::live_growths;
pub use looks::{Found, Look, Looks, SoakPlan, is_open};
pub use services::judge;
pub use watched::{is_proven_clean, leaks_at};

/// The version of the rule: it goes up by one whenever the same readings may be answered otherwise. 1 measured growth against
/// 0.75 of the budget; 2 measures what lasts against the budget; 3 has fewer conditions, and exact bounds of what jumps add; 4 judges the
/// whole target; 5 judges workers that came or went in the run; 6 takes the growth of lives far shorter
/// than others for a warm-up that may not have ended; 7 counts two jumps in a row; 8 takes growth that fades, or has stopped in the last
/// readings, for no leak; 9 takes jumps that come like records of chance for none that go on; 10 lets no worker pass that grows on apart
/// from the others of its pool, nor a half that rises and stops.
pub const RULE: u32 = 10;
