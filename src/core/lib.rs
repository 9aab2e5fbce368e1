//! The pure core of [seepage](https://github.com/seepage-dev/seepage), which finds memory leaks in long-running worker
//! processes: what a run was, what it shows, and how that is said. It knows no file, network, process or clock.
//!
//! - [`model`]: units, worker identity, readings, events, series and the run record
//! - [`stats`]: estimators that know nothing of memory
//! - [`table`]: a series that another tool wrote, from its bytes to a run record
//! - [`fleet`]: what a server of metrics is asked for, and which of its series go together
//! - [`thresholds`]: every number that an answer depends on; how much is computed stands in `limits`
//! - [`answer`]: what a verdict is made of, as data
//! - [`readings`]: a run record to series
//! - [`rule`]: series to levels, models and conditions, and to the outcome of one resource
//! - `places`: in which places of the memory map, and of which descriptors, a growth lies
//! - [`sites`]: samples of the live set to the places in the code that keep memory
//! - [`verdict`]: all of it together, for the whole target and all that is asked of it
//! - [`working`]: the working behind a finding, for those who want to check it
//! - [`plan`]: how long a run has to be to prove a budget, by what a rehearsal shows
//! - [`watch`]: series that are watched without an end, and when a leak in one is told
//! - [`words`]: a verdict in sentences, the same in every report
//! - [`bisect`]: which of many modules is to blame, from as few answers as possible
//! - [`compare`]: pairs of runs of two variants to what differs between them
//! - [`baseline`]: an earlier run from its file alone
//! - [`history`]: growth from build to build, and where it changed
//! - [`knee`]: how many requests in flight a target takes
//!
//! Its interface is what seepage needs of it, and changes with it: their versions are the same.

pub mod answer;
pub mod baseline;
pub mod bisect;
pub mod compare;
#[doc(hidden)]
pub mod fixture;
pub mod fleet;
pub mod history;
pub mod knee;
mod limits;
pub mod model;
pub(crate) mod places;
pub mod plan;
pub mod readings;
pub mod rule;
pub mod sites;
pub mod stats;
pub mod table;
pub mod thresholds;
pub mod verdict;
pub mod watch;
pub mod words;
pub mod working;
