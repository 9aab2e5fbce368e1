//! Several runs that answer one question: which of two variants is worse, and which of many modules is to blame.
//!
//! Each run is an ordinary run with its own directory below that of the experiment. An experiment that is interrupted
//! keeps what it has.

mod ab;
mod margins;
mod modules;
mod sides;

pub use ab::{AbEnd, AbError, AbRequest, Observer, RunPlace, Stop, ab, failure, finished_pairs};
pub use margins::{margins, margins_of_run};
pub use modules::{Modules, ModulesError, Without};
pub use sides::{Contrast, SidesError, Variants, variants};
