//! What is known, in sentences: the words of every report, the same in all of them.
//!
//! Pure: a sentence is a function of a verdict and of the run that it is on. Texts of the target stand in them as they are;
//! whoever shows them makes them harmless with [`plain`].

pub mod bisect;
pub mod comparison;
mod doubts;
pub mod forecast;
mod gates;
mod headline;
mod kinds;
mod notes;
mod plain;
pub mod sites;
mod steps;

pub use gates::{GateWords, Quantity, gate, quantile};
pub use headline::{Headline, headline};
pub use kinds::{axis_name, bounds, budget, class_name, gate_word, growth, outcome_word, reason};
pub use notes::{beside, notes, reading};
pub use plain::{GLUE, capital, clip, glued, is_direction, plain, thousands};

#[cfg(test)]
pub use doubts::{reason as doubt_reason, remedy as doubt_remedy};
