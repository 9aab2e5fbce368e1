//! The rule: from levels and models to the outcome of one resource, and why it is that.

pub mod assess;
pub mod class;
pub mod condition;
pub mod explain;
pub mod finding;
pub mod forecast;
pub mod held;
pub mod pages;
pub mod parts;
pub mod places;
pub mod reached;
pub mod step_down;
pub mod steps;
pub mod youth;
