//! What the preload library knows of a worker, read from outside through the worker's memory.
//!
//! What a target's memory says is not to be trusted: numbers are bounded before they are used, and a reading that doesn't
//! hold together is missing.

mod library;
mod reader;

/// The library's memory, compiled from the library's own source so that both sides agree.
#[allow(dead_code, reason = "the library writes what is not read here")]
#[path = "../../../preload/layout.rs"]
mod layout;

/// The library's own modules, here for their tests.
#[cfg(test)]
#[allow(dead_code, reason = "the library uses the rest")]
#[path = "../../../preload/chunk.rs"]
mod chunk;
#[cfg(test)]
#[allow(dead_code, reason = "the library uses the rest")]
#[path = "../../../preload/mappings.rs"]
mod mappings;
#[cfg(test)]
#[path = "../../../preload/math.rs"]
mod math;
#[cfg(test)]
#[allow(dead_code, reason = "the library uses the rest")]
#[path = "../../../preload/table.rs"]
mod table;
#[cfg(test)]
mod tests;

pub use library::{Library, LibraryError};
pub use reader::{HeapProbe, LiveSample, SCRIPT_LINES, Snapshot, StackTrace, Untraced};
