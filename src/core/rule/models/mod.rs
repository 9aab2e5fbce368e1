//! Shapes of growth that are fitted to levels, and those that are plausible.

pub mod load;
pub mod plausible;
