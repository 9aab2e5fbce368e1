//! From values to positions, and where ticks go.

use crate::words::thousands;

/// A range of values laid out over a range of positions, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    log: bool,
}

impl Scale {
    /// A linear scale that puts `low` at the position `from` and `high` at `to`; an empty range is widened by one.
    pub fn linear((low, high): (f64, f64), (from, to): (f64, f64)) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Scale { low, high, from, to, log: false }
    }

    /// A logarithmic scale; `low` must be positive.
    pub fn log((low, high): (f64, f64), (from, to): (f64, f64)) -> Self {
        let high = if high > low { high } else { low * 10.0 };
        Scale { low: low.log10(), high: high.log10(), from, to, log: true }
    }

    /// Position of a value; what lies outside is held a little outside of the range.
    pub fn at(&self, value: f64) -> f64 {
        let value = if self.log { value.max(f64::MIN_POSITIVE).log10() } else { value };
        let share = ((value - self.low) / (self.high - self.low)).clamp(-1.0, 2.0);
        self.from + share * (self.to - self.from)
    }

    /// The range of values.
    pub fn range(&self) -> (f64, f64) {
        if self.log { (10f64.powf(self.low), 10f64.powf(self.high)) } else { (self.low, self.high) }
    }
}

/// What a scale counts, which decides where ticks go and what they are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes, shown in a binary unit.
    Bytes,
    /// Things, or things per second.
    Count,
    /// Seconds since the start.
    Clock,
    /// Latency in seconds.
    Latency,
}

/// Positions of ticks with their labels, and the unit that holds for all of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ticks {
    /// Value and label, rising.
    pub marks: Vec<(f64, String)>,
    /// Unit to be shown once beside the axis; empty for bare counts.
    pub unit: &'static str,
}

/// About `count` ticks at round values within `low..=high`.
pub fn ticks(unit: Unit, (low, high): (f64, f64), count: usize) -> Ticks {
    if !(low.is_finite() && high.is_finite() && high > low) {
        return Ticks::default();
    }
    let span = high - low;
    match unit {
        Unit::Bytes => {
            let (name, size) = byte_unit(low.abs().max(high.abs()));
            let step = round_step(span / size / count.max(1) as f64);
            Ticks { marks: marks(low / size, high / size, step, size), unit: name }
        }
        Unit::Count => {
            let biggest = low.abs().max(high.abs());
            let step = round_step(span / count.max(1) as f64);
            let (name, size) = if biggest >= 2e6 { ("millions", 1e6) } else { ("", 1.0) };
            Ticks { marks: marks(low / size, high / size, step / size, size), unit: name }
        }
        Unit::Clock => clock(low, high, count),
        Unit::Latency => {
            let (name, size) = latency_unit(high);
            let step = round_step(span / size / count.max(1) as f64);
            Ticks { marks: marks(low / size, high / size, step, size), unit: name }
        }
    }
}

/// At most about `count` ticks of a logarithmic axis of latencies: every power of ten, with 2 and 5 between if there is room.
pub fn log_ticks((low, high): (f64, f64), count: usize) -> Ticks {
    if !(low > 0.0 && high.is_finite() && high > low) {
        return Ticks::default();
    }
    let decades = (high / low).log10();
    let parts: &[f64] = if 3.0 * decades <= count as f64 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let every = (decades / count.max(1) as f64).ceil().max(1.0) as usize;
    let mut marks = Vec::new();
    for exponent in (low.log10().floor() as i32..=high.log10().ceil() as i32).step_by(every) {
        for part in parts {
            let value = part * 10f64.powi(exponent);
            if value >= low * 0.999 && value <= high * 1.001 {
                marks.push((value, crate::model::format_seconds(value)));
            }
        }
    }
    Ticks { marks, unit: "" }
}

fn byte_unit(biggest: f64) -> (&'static str, f64) {
    const KIB: f64 = 1024.0;
    if biggest < 4.0 * KIB {
        ("B", 1.0)
    } else if biggest < KIB * KIB {
        ("KiB", KIB)
    } else if biggest < 8.0 * KIB * KIB * KIB {
        ("MiB", KIB * KIB)
    } else {
        ("GiB", KIB * KIB * KIB)
    }
}

fn latency_unit(biggest: f64) -> (&'static str, f64) {
    if biggest < 2e-3 {
        ("µs", 1e-6)
    } else if biggest < 2.0 {
        ("ms", 1e-3)
    } else {
        ("s", 1.0)
    }
}

/// The smallest of 1, 2, 5 times a power of ten that is at least `rough`.
fn round_step(rough: f64) -> f64 {
    if !(rough.is_finite() && rough > 0.0) {
        return 1.0;
    }
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|m| m * power >= rough * 0.999).unwrap_or(10.0);
    step * power
}

/// Multiples of `step` within the range, at most 64, as values (times `size`) and labels.
fn marks(low: f64, high: f64, step: f64, size: f64) -> Vec<(f64, String)> {
    let digits = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
    let first = (low / step - 1e-6).ceil();
    (0..64)
        .map(|i| (first + i as f64) * step)
        .take_while(|v| *v <= high + step * 1e-6)
        .map(|v| {
            let v = if v.abs() < step * 1e-6 { 0.0 } else { v };
            (v * size, thousands(&format!("{v:.digits$}")))
        })
        .collect()
}

fn clock(low: f64, high: f64, count: usize) -> Ticks {
    const STEPS: [f64; 17] = [
        1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 21600.0,
        43200.0,
    ];
    let span = high - low;
    let rough = span / count.max(1) as f64;
    if rough < 1.0 {
        return Ticks { marks: marks(low, high, round_step(rough), 1.0), unit: "s" };
    }
    let step = STEPS.into_iter().find(|s| *s >= rough).unwrap_or_else(|| round_step(rough / 86400.0) * 86400.0);
    let (unit, label): (_, fn(i64) -> String) = if high < 120.0 {
        ("s", |s| s.to_string())
    } else if high < 7200.0 {
        ("min:s", |s| format!("{}:{:02}", s / 60, s % 60))
    } else {
        ("h:min", |s| format!("{}:{:02}", s / 3600, s % 3600 / 60))
    };
    let marks = marks(low, high, step, 1.0).into_iter().map(|(v, _)| (v, label(v.round() as i64))).collect();
    Ticks { marks, unit }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(ticks: Ticks) -> Vec<String> {
        ticks.marks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn bytes_are_ticked_in_binary_units() {
        let mib = 1024.0 * 1024.0;
        let ticks = ticks(Unit::Bytes, (4.2 * mib, 9.7 * mib), 5);
        assert_eq!(ticks.unit, "MiB");
        assert_eq!(labels(ticks), ["6", "8"].map(str::to_owned).to_vec());
    }

    #[test]
    fn clocks_are_ticked_in_minutes() {
        assert_eq!(labels(ticks(Unit::Clock, (0.0, 125.0), 5)), ["0:00", "0:30", "1:00", "1:30", "2:00"]);
        assert_eq!(labels(ticks(Unit::Clock, (0.0, 20.0), 5)), ["0", "5", "10", "15", "20"]);
    }

    #[test]
    fn logarithms_are_ticked_by_decade() {
        assert_eq!(labels(log_ticks((0.001, 0.1), 7)), ["1 ms", "2 ms", "5 ms", "10 ms", "20 ms", "50 ms", "100 ms"]);
        assert_eq!(log_ticks((1e-4, 10.0), 7).marks.len(), 6);
    }

    #[test]
    fn long_numbers_are_grouped() {
        assert_eq!(thousands("12345"), "12\u{202F}345");
        assert_eq!(thousands("-1234567.5"), "-1\u{202F}234\u{202F}567.5");
        assert_eq!(thousands("1234"), "1234");
    }

    proptest! {
        #[test]
        fn ticks_lie_within_the_range(low in -1e12..1e12f64, span in 1e-6..1e12f64, count in 0usize..12) {
            for unit in [Unit::Bytes, Unit::Count, Unit::Clock, Unit::Latency] {
                let marks = ticks(unit, (low, low + span), count).marks;
                prop_assert!(marks.len() <= 64);
                prop_assert!(marks.iter().all(|(v, _)| *v >= low - span * 0.01 && *v <= low + span * 1.01));
            }
        }

        #[test]
        fn no_number_breaks_a_scale(a in proptest::num::f64::ANY, b in proptest::num::f64::ANY, v in proptest::num::f64::ANY) {
            let _ = Scale::linear((a, b), (0.0, 100.0)).at(v);
            let _ = log_ticks((a, b), 7);
            let _ = ticks(Unit::Clock, (a, b), 5);
        }
    }
}
