//! Sizes that no process has: what is so small is in another unit, or no memory.

use crate::model::MemoryKind;

/// Bytes that every process has.
pub(super) const LEAST: f64 = 16.0 * 1024.0;
/// Bytes of resident memory that hardly any process does with.
const HARDLY: f64 = 1024.0 * 1024.0;
/// What the kernel counts resident memory in, in bytes, at the finest.
const COUNTED_IN: u64 = 1024;

/// Why these sizes, in bytes, can't be those of processes; `None` if they can. `counted` is whether they are as the kernel counts
/// them and not worked out from others.
pub(super) fn wrong(sizes: impl Iterator<Item = u64>, kind: MemoryKind, counted: bool) -> Option<String> {
    let (mut most, mut odd) = (0, false);
    for size in sizes {
        most = size.max(most);
        odd |= !size.is_multiple_of(COUNTED_IN);
    }
    if most > 0 && (most as f64) < LEAST {
        return Some(format!("its values are {most} bytes at most, and no process has so few"));
    }
    let kernels = counted && !matches!(kind, MemoryKind::Unknown | MemoryKind::Host);
    (kernels && odd && (most as f64) < HARDLY).then(|| {
        format!(
            "its values are {most} bytes at most, which is little for a process, and are no multiples of 1024, as the kernel's are: they may \
             be of another unit"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_little_or_was_not_counted_in_pages_is_told() {
        let of = |sizes: &[u64], kind, counted| wrong(sizes.iter().copied(), kind, counted).is_some();
        assert!(of(&[12 << 10, 0], MemoryKind::Unknown, false) && of(&[236], MemoryKind::Resident, true));
        assert!(of(&[204_836, 241_536], MemoryKind::Resident, true));
        assert!(!of(&[204_836], MemoryKind::Unknown, true) && !of(&[204_836], MemoryKind::Resident, false));
        assert!(!of(&[200 << 10], MemoryKind::Resident, true) && !of(&[204_836, 2 << 20], MemoryKind::Resident, true));
        assert!(!of(&[], MemoryKind::Resident, true) && !of(&[0], MemoryKind::Resident, true));
    }
}
