//! How much a target takes: at which number of requests in flight goodput stops, errors begin, and growth begins.
//!
//! As long as nobody waits for anything but its own request, N requests in flight give N times the goodput of one; once
//! something is full, goodput is what that gives, whatever N is. The knee is where the two meet: the goodput of the plateau
//! over that of one request in flight (Denning and Buzen 1978, asymptotic bounds; Lazowska et al. 1984). Goodput counts
//! successes alone, because errors are fast: throughput rises where a target begins to refuse.

mod search;
#[cfg(test)]
mod simulation;
mod step;

pub use search::{Answer, Doubt, Knee, LeaksFrom, Sign, answer, leaks_from, next};
pub use step::{Failed, Grows, Load, Step};
