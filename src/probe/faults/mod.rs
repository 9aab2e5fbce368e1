//! Who touches fresh pages first in a process that runs: samples of its page faults, as the kernel tells them, with the stacks of the
//! code that caused them, and what becomes of these pages.
//!
//! Nothing is put into the process. At each fault, for as much of the time as its cost allows, the kernel copies a part of the stack into
//! a ring, and the stack is walked here. What rings and files hold is the target's, and is not to be trusted.

mod caught;
mod event;
mod followed;
mod module;
mod pages;
mod price;
mod record;
mod registers;
mod ring;
mod tables;
mod walk;
mod watched;

pub use caught::caught;
pub use record::{Record as FaultRecord, parse as parse_fault};
pub(in crate::probe) use registers::{KEPT, Kept};
pub use watched::{FaultProbe, FaultRefusal};
