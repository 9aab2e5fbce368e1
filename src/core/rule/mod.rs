//! The rule: from levels and models to the outcome of one resource, and why it is that.

pub(crate) mod assess;
pub(crate) mod class;
pub(crate) mod explain;
pub(crate) mod finding;
pub(crate) mod forecast;
pub(crate) mod levels;
pub(crate) mod models;
pub(crate) mod pages;
pub(crate) mod parts;
pub(crate) mod reached;
pub(crate) mod step_down;
pub(crate) mod steps;
pub(crate) mod youth;

pub use finding::find;
pub use forecast::forecast;
pub use parts::leaking_parts;
