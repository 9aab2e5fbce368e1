//! In which places of the memory map growth of memory lies, and in what descriptors refer to, growth of those.

use crate::model::{HeldKind, PlaceKind};

/// Growth of memory by place, between two readings of the map of each worker that are far apart; in bytes, of all of these workers
/// together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Places {
    /// Workers whose maps were read.
    pub workers: usize,
    /// Workers whose maps would have taken too long to read.
    pub withheld: usize,
    /// Seconds between the two readings, of the usual worker.
    pub seconds: f64,
    /// What they grew by meanwhile.
    pub grown: f64,
    /// What each place grew by, the largest first; what shrank is below zero.
    pub places: Vec<PlaceGrowth>,
    /// What no place in the list explains.
    pub rest: f64,
}

/// Growth of one place, in bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaceGrowth {
    /// What its mappings are.
    pub kind: PlaceKind,
    /// Its name; of several names, the one that grew most.
    pub name: Option<String>,
    /// How many names it has; 0 if its kind has none, or they are too many to be told apart.
    pub names: usize,
    /// Of anonymous mappings that became more, the sizes between which they are, where that is one class.
    pub class: Option<(u64, u64)>,
    /// What it grew by.
    pub grown: f64,
    /// How many more mappings it is in.
    pub mappings: f64,
    /// Whether it grew in the second half of the time too; missing without a reading in between.
    pub goes_on: Option<bool>,
}

/// Growth of descriptors by what they refer to, between two readings of each worker that are far apart; of all of these workers together.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Workers that were read.
    pub workers: usize,
    /// What they grew by meanwhile.
    pub grown: f64,
    /// What grew, the most first.
    pub groups: Vec<HeldGrowth>,
}

/// Growth of the descriptors of one kind and name.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldGrowth {
    /// What they are.
    pub kind: HeldKind,
    /// To whom or what they lead, as [`HeldGroup`](crate::model::HeldGroup) has it.
    pub name: String,
    /// How many more there were.
    pub grown: f64,
    /// How many there were at last.
    pub last: f64,
    /// Of these, TCP connections that the other side has closed and this one hasn't.
    pub close_wait: f64,
    /// Whether it grew in the second half of the time too; missing without a reading in between.
    pub goes_on: Option<bool>,
}

impl Places {
    /// The part of the growth that is in a place, 0 to 1, or more where others shrank.
    pub fn share(&self, place: &PlaceGrowth) -> f64 {
        place.grown / self.grown
    }
}
