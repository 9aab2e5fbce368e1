//! What a verdict is made of: outcomes, reasons, facts and doubts with their numbers. Words for them are elsewhere.

pub mod call_sites;
pub mod doubt;
pub mod facts;
pub mod jump_pattern;
pub mod last_look;
pub mod outcome;
pub mod places;
pub mod reach;
pub mod reached;
pub mod reason;
pub mod transient;
pub mod types;
pub mod whole_target;
