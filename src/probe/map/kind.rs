//! What a mapping is, from its line and from what lies next to it.

use super::line::Header;
use crate::model::PlaceKind;
use crate::probe::names::{DELETED, bounded, general, versioned};

/// What malloc reserves for each part of an arena, and what its begin is a multiple of (`HEAP_MAX_SIZE` of glibc on 64 bits).
const ARENA: u64 = 64 << 20;

/// Whatever lies below was put there by a runtime that asks for an address: the kernel maps far above it.
const ASKED_FOR: u64 = 1 << 40;

/// Where a Go program's heap begins, and what it doesn't reach (`arenaBaseOffset` and hints of its `mallocinit`).
const GO: std::ops::Range<u64> = 0xc0_0000_0000..0xf0_0000_0000;

/// A guard below a stack is no larger.
const LARGEST_GUARD: u64 = 1 << 20;

/// Sizes that divide anonymous mappings into classes.
const CLASSES: [u64; 3] = [256 << 10, 4 << 20, 64 << 20];

/// The mapping next to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// Its first address.
    pub start: u64,
    /// The address behind its last.
    pub end: u64,
    /// Whether it is nameless and can't be used.
    pub barred: bool,
}

impl Header {
    /// What it is by its name; `None` if it has none.
    pub fn named_kind(&self) -> Option<PlaceKind> {
        Some(match &self.name[..] {
            b"[heap]" => PlaceKind::Heap,
            name if name == b"[stack]" || name.starts_with(b"[stack:") => PlaceKind::Stack,
            name if name.starts_with(b"[anon") => PlaceKind::Named,
            b"" if self.inode == 0 => return None,
            name if name.starts_with(b"/memfd:") => PlaceKind::Memfd,
            name if name.starts_with(b"/dev/zero") => PlaceKind::SharedAnonymous,
            name if name.starts_with(b"/SYSV") => PlaceKind::SysV,
            name if name.starts_with(b"/anon_hugepage") || name.starts_with(b"/dev/hugepages/") => PlaceKind::HugePages,
            name if name.starts_with(b"/dev/shm/") => PlaceKind::Tmpfs,
            name if name.starts_with(b"/") && name.ends_with(DELETED) => PlaceKind::Deleted,
            name if name.starts_with(b"/dev/") => PlaceKind::Other,
            name if name.starts_with(b"/") => PlaceKind::File,
            _ => PlaceKind::Other,
        })
    }

    /// What it is without a name, between the mappings `below` and `above` it, and `unreserved` if it was mapped without a reservation of
    /// swap.
    pub fn nameless_kind(
        &self,
        unreserved: bool,
        below: Option<Neighbour>,
        above: Option<Neighbour>,
        largest_stack: u64,
    ) -> PlaceKind {
        let barred = |next: Neighbour| next.barred.then_some(next);
        let (guard, reserve) = (
            below.and_then(barred).filter(|below| below.end == self.start),
            above.and_then(barred).filter(|above| above.start == self.end),
        );
        let is_arena = || {
            let whole = self.end.checked_next_multiple_of(ARENA);
            let is_whole = whole == Some(self.end) || whole == reserve.map(|reserve| reserve.end);
            unreserved && self.start >= ASKED_FOR && self.start.is_multiple_of(ARENA) && is_whole
        };
        let is_stack = || guard.is_some_and(|guard| guard.end - guard.start <= LARGEST_GUARD);
        if !self.private {
            PlaceKind::SharedAnonymous
        } else if GO.contains(&self.start) {
            PlaceKind::GoHeap
        } else if is_arena() {
            PlaceKind::Arena
        } else if self.end - self.start <= largest_stack && is_stack() {
            PlaceKind::ThreadStack
        } else {
            PlaceKind::Anonymous
        }
    }
}

/// The smallest class that an anonymous mapping of so many bytes is in; `None` if it is larger than all.
pub fn size_class(size: u64) -> Option<u64> {
    CLASSES.into_iter().find(|most| size <= *most)
}

/// The name of a place of this kind, for a mapping that the kernel calls `name`.
pub fn name_of(kind: PlaceKind, name: &[u8]) -> Option<String> {
    let deleted = name.strip_suffix(DELETED).unwrap_or(name);
    let inner = |name: &[u8]| name.strip_suffix(b"]").unwrap_or(name).to_vec();
    let own = match kind {
        PlaceKind::Named => inner(name.splitn(2, |&b| b == b':').nth(1).unwrap_or(name)),
        PlaceKind::Memfd => deleted.strip_prefix(b"/memfd:").unwrap_or(deleted).to_vec(),
        PlaceKind::SysV => deleted.strip_prefix(b"/SYSV").unwrap_or(deleted).to_vec(),
        PlaceKind::Deleted | PlaceKind::Tmpfs | PlaceKind::File => deleted.to_vec(),
        PlaceKind::Heap
        | PlaceKind::Arena
        | PlaceKind::GoHeap
        | PlaceKind::Anonymous
        | PlaceKind::Stack
        | PlaceKind::ThreadStack
        | PlaceKind::SharedAnonymous
        | PlaceKind::HugePages
        | PlaceKind::Other => return None,
    };
    // The key of a segment is its name, and no number that changes.
    Some(match kind {
        PlaceKind::SysV => bounded(&String::from_utf8_lossy(&own)),
        PlaceKind::File => versioned(&own),
        _ => general(&own),
    })
}
