//! Which of many modules makes a target leak: what to switch off next, and what follows from the answers.
//!
//! Pure: the answers come from an [`Oracle`]. Halves are switched off in turn (group testing by binary splitting,
//! Dorfman 1943, Hwang 1972) until one module is left; then all but it are switched off, to see whether it leaks by
//! itself or needs another, which is looked for in the same way (after the delta debugging of Zeller & Hildebrandt 2002).
//! Nothing is measured twice.

mod search;

pub use search::{Blame, Finding, Kept, Oracle, Purpose, Searched, State, Step, most_steps, search};
