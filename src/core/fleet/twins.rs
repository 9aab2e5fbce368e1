//! Series whose counts of requests are one and the same.

use crate::table::SeriesRow;
use std::collections::{BTreeSet, HashMap, hash_map::DefaultHasher};
use std::hash::{Hash, Hasher};

/// Different rises of a count, from which on another that has all of them is no other.
const VARIED: usize = 5;

/// Which of these have a count of requests that rises by the same as that of another between the same moments, from wherever it begins. Only
/// what rises by more and by less tells.
pub fn twins(all: &[&[SeriesRow]]) -> Vec<bool> {
    let rises: Vec<Option<u64>> = all.iter().map(|rows| rises(rows)).collect();
    let mut several: HashMap<u64, usize> = HashMap::new();
    rises.iter().flatten().for_each(|rises| *several.entry(*rises).or_default() += 1);
    rises.iter().map(|rises| rises.is_some_and(|rises| several[&rises] > 1)).collect()
}

/// What a count rises by and when, in short; `None` if it is always by as much.
fn rises(rows: &[SeriesRow]) -> Option<u64> {
    let counts: Vec<(f64, f64)> =
        rows.iter().filter(|row| row.requests.is_finite()).map(|row| (row.t, row.requests)).collect();
    let (mut hasher, mut varied) = (DefaultHasher::new(), BTreeSet::new());
    for pair in counts.windows(2) {
        let rise = (pair[1].1 - pair[0].1).round() as i64;
        (pair[0].0.to_bits(), pair[1].0.to_bits(), rise).hash(&mut hasher);
        varied.insert(rise);
    }
    (varied.len() >= VARIED).then(|| hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(count: impl Fn(u64) -> u64) -> Vec<SeriesRow> {
        let row = |i: u64| SeriesRow { requests: count(i) as f64, ..SeriesRow::at(60.0 * i as f64) };
        (0..60).map(row).collect()
    }

    #[test]
    fn counts_that_rise_alike_are_one_wherever_they_begin() {
        let uneven = |i: u64| 1000 * i + i * i * 31 % 400;
        let rows = [
            counted(uneven),
            counted(|i| uneven(i) + 77_000),
            counted(|i| uneven(i) + i * i % 7),
            counted(|i| 1000 * i),
            counted(|i| 1000 * i),
        ];
        let all: Vec<&[SeriesRow]> = rows.iter().map(Vec::as_slice).collect();
        assert_eq!(twins(&all), [true, true, false, false, false]);
        assert_eq!(twins(&[]), [false; 0]);
    }
}
