//! What is known, in sentences: the words of every report, the same in all of them.
//!
//! Pure: a sentence is a function of a verdict and of the run that it is on. Texts of the target stand in them as they are;
//! whoever shows them makes them harmless with [`plain`].

mod accepted;
mod account;
pub mod baseline;
pub mod bisect;
mod chosen;
pub mod comparison;
pub mod counters;
pub mod cpu_time;
mod doubts;
mod evidence;
pub mod fleet;
pub mod forecast;
mod gates;
mod headline;
pub mod history;
mod kinds;
pub mod knee;
pub mod neighbours;
mod notes;
pub mod places;
mod plain;
mod reasons;
pub mod sites;
pub mod steps;
mod touched;
pub mod understanding;
pub mod working;

pub use accepted::{sentences as accepted, untold};
pub use chosen::chosen;
pub use evidence::{because, facts, found, model, part_name};
pub use gates::{GateWords, Quantity, gate, quantile};
pub use headline::{Headline, headline};
pub use kinds::{axis_name, bounds, budget, class_name, gate_word, growth, narrow, outcome_word};
pub use notes::{beside, leaking, notes, reading};
pub use plain::{GLUE, capital, clip, counted, glued, is_direction, plain, thousands};
pub use reasons::{reason, set_aside, settle, too_short};

#[cfg(test)]
mod tests;

pub use doubts::named as process;
#[cfg(test)]
pub use doubts::{reason as doubt_reason, remedy as doubt_remedy};
