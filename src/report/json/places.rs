//! In which places of the memory map growth lies, and in what descriptors refer to, in JSON.

use super::finite;
use crate::answer::{Held, HeldGrowth, PlaceGrowth, Places};
use crate::words;
use schemars::JsonSchema;
use serde::Serialize;

/// Growth by place between two readings of the memory maps far apart, of all these workers together.
#[derive(Serialize, JsonSchema)]
pub struct PlacesPart {
    /// Workers whose maps were read.
    workers: usize,
    /// Workers whose maps would have taken too long to read.
    withheld: usize,
    /// Seconds between the two readings.
    seconds: Option<f64>,
    /// Bytes that they grew by meanwhile.
    grown_bytes: Option<f64>,
    /// What each place grew by, the largest first; what shrank is below zero.
    places: Vec<PlacePart>,
    /// Bytes that no place in the list explains.
    rest_bytes: Option<f64>,
}

/// Growth of one place.
#[derive(Serialize, JsonSchema)]
struct PlacePart {
    /// What its mappings are, such as `heap`, `anonymous`, `memfd`.
    kind: String,
    /// The same in words, with its name.
    told: String,
    /// Its name, of several the one that grew most; null if its kind has none.
    name: Option<String>,
    /// How many names are added up; 0 if its kind has none, or they were too many to be listed.
    names: usize,
    /// Bytes that it grew by.
    grown_bytes: Option<f64>,
    /// Its part of the growth, 0 to 1; more where others shrank.
    share: Option<f64>,
    /// How many more mappings it is in.
    more_mappings: Option<f64>,
    /// Whether it grew in the second half of the time too; null without a reading in between.
    goes_on: Option<bool>,
}

impl From<&Places> for PlacesPart {
    fn from(places: &Places) -> Self {
        let part = |place: &PlaceGrowth| PlacePart {
            kind: kind(place.kind),
            told: words::places::name(place),
            name: place.name.clone(),
            names: place.names,
            grown_bytes: finite(place.grown),
            share: finite(places.share(place)),
            more_mappings: finite(place.mappings),
            goes_on: place.goes_on,
        };
        PlacesPart {
            workers: places.workers,
            withheld: places.withheld,
            seconds: finite(places.seconds),
            grown_bytes: finite(places.grown),
            places: places.places.iter().map(part).collect(),
            rest_bytes: finite(places.rest),
        }
    }
}

/// Growth of descriptors by what they refer to, between two readings far apart, of all these workers together.
#[derive(Serialize, JsonSchema)]
pub struct HeldPart {
    /// Workers that were read.
    workers: usize,
    /// What they grew by meanwhile.
    grown: Option<f64>,
    /// What grew, the most first.
    groups: Vec<HeldGroupPart>,
}

/// Growth of the descriptors of one kind and name.
#[derive(Serialize, JsonSchema)]
struct HeldGroupPart {
    /// What they are, such as `outgoing`, `deleted`.
    kind: String,
    /// To whom or what they lead; empty if the kind has no names.
    name: String,
    /// The same in words.
    told: String,
    /// How many more there were.
    grown: Option<f64>,
    /// How many there were at last.
    last: Option<f64>,
    /// Of these, TCP connections that the other side has closed and this one hasn't.
    close_wait: Option<f64>,
    /// Whether it grew in the second half of the time too; null without a reading in between.
    goes_on: Option<bool>,
}

impl From<&Held> for HeldPart {
    fn from(held: &Held) -> Self {
        let part = |group: &HeldGrowth| HeldGroupPart {
            kind: kind(group.kind),
            name: group.name.clone(),
            told: words::places::held_name(group),
            grown: finite(group.grown),
            last: finite(group.last),
            close_wait: finite(group.close_wait),
            goes_on: group.goes_on,
        };
        HeldPart { workers: held.workers, grown: finite(held.grown), groups: held.groups.iter().map(part).collect() }
    }
}

/// The word that run directories have for it.
fn kind(kind: impl Serialize) -> String {
    serde_json::to_value(kind).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}
