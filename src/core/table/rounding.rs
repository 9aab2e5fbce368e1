//! To how many bytes the sizes of a table were rounded when they were written.

use std::collections::BTreeMap;

/// How a size was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Written {
    /// Bytes in its unit.
    pub unit: u64,
    /// Digits before the point.
    pub digits: u8,
    /// Place of the last digit, as a power of ten.
    pub place: i8,
}

/// Of all sizes, one in so many that are written alike says how they were rounded: a few may end in zeros that were left out.
const SHARE: u64 = 20;

/// What was seen of the sizes so far: of each unit and length, how many there were, and the place of the finest last digit.
#[derive(Debug, Default)]
pub(super) struct Rounding(BTreeMap<(u64, u8), (u64, i8)>);

impl Rounding {
    /// Takes a size. Zeros at the end may have been left out, so of those that are alike the finest counts; tools that write so many
    /// digits whatever the size round the larger ones more.
    pub fn take(&mut self, written: Written) {
        let (count, place) = self.0.entry((written.unit, written.digits)).or_insert((0, written.place));
        *count += 1;
        *place = (*place).min(written.place);
    }

    /// Bytes of the coarsest last digit.
    pub fn step(&self) -> u64 {
        let all: u64 = self.0.values().map(|(count, _)| count).sum();
        let usual = self.0.iter().filter(|(_, (count, _))| count * SHARE >= all);
        let steps = usual.map(|((unit, _), (_, place))| *unit as f64 * 10f64.powi((*place).into()));
        steps.fold(0.0, f64::max) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;

    fn step(written: &[(u64, u8, i8)]) -> u64 {
        let mut rounding = Rounding::default();
        written.iter().for_each(|(unit, digits, place)| {
            rounding.take(Written { unit: *unit, digits: *digits, place: *place });
        });
        rounding.step()
    }

    #[test]
    fn the_coarsest_last_digit_counts_and_zeros_that_were_left_out_do_not() {
        assert_eq!(step(&[]), 0);
        assert_eq!(step(&[(GIB, 1, -2), (GIB, 1, -1), (GIB, 1, 0)]), GIB / 100);
        assert_eq!(step(&[(MIB, 3, -1), (GIB, 1, -3), (GIB, 2, -2)]), GIB / 100);
        assert_eq!(step(&[(GIB, 1, 0)]), GIB);
        assert_eq!(step(&[(1, 9, 4)]), 10_000);
        let mut often = vec![(MIB, 2, -2); 40];
        often.push((MIB, 3, 0));
        assert_eq!(step(&often), MIB / 100, "one that is even by chance");
    }
}
