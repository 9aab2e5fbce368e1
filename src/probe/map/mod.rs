//! The memory map of a process, from `/proc/PID/smaps`: what lies in which kind of mapping.
//!
//! The file comes in pieces and is put together as it comes: of a process with tens of thousands of mappings it is as long
//! as a book. Nothing of it is trusted, neither names nor numbers nor that it has an end.

mod kind;
mod line;
mod read;

use crate::model::{MOST_PLACES, Place, PlaceKind};
use kind::{Neighbour, name_of, size_class};
use line::{Header, field};
use std::collections::HashMap;

pub use read::{read, tmpfs_devices};

/// Names that are told apart while a map is read; a program may make as many as it likes.
const MOST_NAMES: usize = 4096;

/// A line longer than this is cut: a path is 4096 bytes at most, and escaped up to four times as long.
const LONGEST: usize = 32 << 10;

/// A device, as major and minor number.
pub type Device = (u32, u32);

/// What makes a place: kind, name, size class, and of files the device, by which those on a tmpfs are told.
type Key = (PlaceKind, Option<String>, Option<u64>, Option<Device>);

/// What a place holds, in bytes, and in how many mappings.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    mappings: u64,
    own: u64,
    shared: u64,
    huge: u64,
}

impl Held {
    fn add(&mut self, more: Held) {
        self.mappings = self.mappings.saturating_add(more.mappings);
        self.own = self.own.saturating_add(more.own);
        self.shared = self.shared.saturating_add(more.shared);
        self.huge = self.huge.saturating_add(more.huge);
    }

    fn most(&self) -> u64 {
        self.own.max(self.shared).max(self.huge)
    }
}

/// A mapping whose lines are coming.
#[derive(Debug)]
struct Open {
    header: Header,
    resident: u64,
    anonymous: u64,
    swap: u64,
    huge: u64,
    unreserved: bool,
}

/// Puts a map together from the text of `smaps`.
#[derive(Debug)]
pub struct MapReader {
    /// Stacks of threads are no larger.
    largest_stack: u64,
    held: HashMap<Key, Held>,
    open: Option<Open>,
    /// What lies below the open one.
    below: Option<Neighbour>,
    /// The begin of a line whose end hasn't come.
    rest: Vec<u8>,
}

impl MapReader {
    /// A reader of the map of a process whose threads have stacks of up to so many bytes.
    pub fn new(largest_stack: u64) -> Self {
        MapReader { largest_stack, held: HashMap::new(), open: None, below: None, rest: Vec::new() }
    }

    /// Takes in the next piece of the text.
    pub fn take(&mut self, mut piece: &[u8]) {
        while let Some(end) = piece.iter().position(|&b| b == b'\n') {
            if self.rest.is_empty() {
                self.line(&piece[..end]);
            } else {
                let mut line = std::mem::take(&mut self.rest);
                line.extend_from_slice(&piece[..end.min(LONGEST)]);
                self.line(&line);
            }
            piece = &piece[end + 1..];
        }
        let room = LONGEST.saturating_sub(self.rest.len());
        self.rest.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    fn line(&mut self, line: &[u8]) {
        if let Some(header) = Header::parse(line) {
            self.close(Some(&header));
            self.open = Some(Open { header, resident: 0, anonymous: 0, swap: 0, huge: 0, unreserved: false });
        } else if let Some(open) = &mut self.open {
            match field(line) {
                Some((b"Rss", bytes)) => open.resident = bytes,
                Some((b"Anonymous", bytes)) => open.anonymous = bytes,
                Some((b"Swap", bytes)) => open.swap = bytes,
                Some((b"Shared_Hugetlb" | b"Private_Hugetlb", bytes)) => open.huge = open.huge.saturating_add(bytes),
                _ => open.unreserved |= line.starts_with(b"VmFlags:") && line.windows(3).any(|flag| flag == b" nr"),
            }
        }
    }

    /// Enters the mapping that is open, which `next` follows.
    fn close(&mut self, next: Option<&Header>) {
        let Some(open) = self.open.take() else { return };
        let nameless = || {
            let above = next.map(Header::neighbour);
            open.header.nameless_kind(open.unreserved, self.below, above, self.largest_stack)
        };
        let kind = open.header.named_kind().unwrap_or_else(nameless);
        self.below = Some(open.header.neighbour());
        // What was swapped out of a shared mapping is nobody's own.
        let swap = if open.header.private { open.swap } else { 0 };
        let held = Held {
            mappings: 1,
            own: open.anonymous.saturating_add(swap),
            shared: open.resident.saturating_sub(open.anonymous),
            huge: open.huge,
        };
        let class = if kind == PlaceKind::Anonymous { size_class(open.header.end - open.header.start) } else { None };
        let device = (kind == PlaceKind::File).then_some(open.header.device);
        let key = (kind, name_of(kind, &open.header.name), class, device);
        let full = self.held.len() >= MOST_NAMES && !self.held.contains_key(&key);
        let key = if full { (kind, None, None, device) } else { key };
        self.held.entry(key).or_default().add(held);
    }

    /// The places of the map, the largest first. `is_tmpfs` tells of a device whether it is that of a tmpfs.
    pub fn finish(mut self, is_tmpfs: impl Fn(Device) -> bool) -> Vec<Place> {
        let rest = std::mem::take(&mut self.rest);
        self.line(&rest);
        self.close(None);
        let mut places: HashMap<(PlaceKind, Option<String>, Option<u64>), Held> = HashMap::new();
        for ((kind, name, class, device), mut held) in self.held {
            // The major number of what lies on no device is 0.
            let kind = match (kind, device) {
                (PlaceKind::File, Some(device)) if held.shared > 0 && device.0 == 0 && is_tmpfs(device) => {
                    PlaceKind::Tmpfs
                }
                _ => kind,
            };
            if matches!(kind, PlaceKind::File | PlaceKind::Other | PlaceKind::Deleted) {
                // Pages of files are a cache, which gives way.
                held.shared = 0;
            }
            if held.most() > 0 {
                places.entry((kind, name, class)).or_default().add(held);
            }
        }
        let place = |((kind, name, up_to), held): (_, Held)| Place {
            kind,
            name,
            up_to,
            mappings: held.mappings,
            own: held.own,
            shared: held.shared,
            huge: held.huge,
        };
        bounded(places.into_iter().map(place).collect())
    }
}

/// The largest places; what is beyond them is added up by kind.
fn bounded(mut places: Vec<Place>) -> Vec<Place> {
    let order = |a: &Place, b: &Place| {
        let most = |place: &Place| place.own.max(place.shared).max(place.huge);
        let name = |place: &Place| (place.kind, place.name.clone(), place.up_to);
        most(b).cmp(&most(a)).then_with(|| name(a).cmp(&name(b)))
    };
    places.sort_by(order);
    let more = places.split_off(MOST_PLACES.min(places.len()));
    for one in more {
        let same = |place: &&mut Place| place.kind == one.kind && place.name.is_none() && place.up_to == one.up_to;
        match places.iter_mut().find(same) {
            Some(place) => {
                place.mappings = place.mappings.saturating_add(one.mappings);
                place.own = place.own.saturating_add(one.own);
                place.shared = place.shared.saturating_add(one.shared);
                place.huge = place.huge.saturating_add(one.huge);
            }
            None => places.push(Place { name: None, ..one }),
        }
    }
    places.sort_by(order);
    places
}

/// The places in the whole text of an `smaps`, whose files are on no tmpfs, for tests and fuzzing.
pub fn parse_smaps(text: &[u8]) -> Vec<Place> {
    const USUAL_STACK: u64 = 8 << 20;
    let mut reader = MapReader::new(USUAL_STACK);
    reader.take(text);
    reader.finish(|_| false)
}

#[cfg(test)]
mod tests;
