//! Numbers whose digits are those of a date or of a time of day, such as 20261130090000 or 0900: as counts of seconds they would be wrong.

use super::clock::{DATED, Form, typical_step, with_format};

/// How such numbers are written, as `strftime` has it, and with how many digits.
const FORMATS: [(&str, usize); 11] = [
    ("%Y%m%d%H%M%S", 14),
    ("%Y%m%d%H%M", 12),
    ("%y%m%d%H%M%S", 12),
    ("%Y%m%d%H", 10),
    ("%y%m%d%H%M", 10),
    ("%m%d%H%M%S", 10),
    ("%Y%m%d", 8),
    ("%m%d%H%M", 8),
    ("%H%M", 4),
    ("%H%M%S", 6),
    ("%y%m%d", 6),
];

/// From so many digits on, numbers that are dates throughout are nothing else: no clock counts so many seconds.
const LONG: usize = 12;
/// Unix times of 2030 and later, in seconds: with ten digits that are a date throughout, they are one.
const FAR: f64 = 1.9e9;
/// How many numbers are left out after 59, at least, by what counts to 60 and writes two digits.
const LEFT_OUT: f64 = 40.0;
/// Usual steps that readings are apart, at most, where none is missing; and the largest usual step that would show what is left out.
const NEAR: f64 = 3.0;
const FINE: f64 = 20.0;

/// The format in which all of these times are written; `None` if they may as well count on. `padded` is whether some begin with a 0 that
/// no count has.
pub(super) fn format_of(times: &[f64], padded: bool) -> Option<&'static str> {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.dedup();
    FORMATS.iter().find(|(format, width)| fits(&sorted, format, *width, padded)).map(|(format, _)| *format)
}

fn fits(sorted: &[f64], format: &str, width: usize, padded: bool) -> bool {
    let dates: Option<Vec<f64>> = sorted.iter().map(|number| read(*number, format, width)).collect();
    let (Some(dates), Some(first)) = (dates, sorted.first()) else { return false };
    if padded || width >= LONG || width == 10 && *first >= FAR {
        return true;
    }
    let (usual, usual_date) = (typical_step(sorted), typical_step(&dates));
    // What is even by the calendar, and isn't as a count, was counted by the calendar.
    sorted.windows(2).zip(dates.windows(2)).any(|(number, date)| {
        let (step, between) = (number[1] - number[0], (date[1] - date[0]) / usual_date);
        let leaves_out = (step - usual).abs() >= LEFT_OUT;
        leaves_out && ((0.9..1.1).contains(&between) || usual <= FINE && between <= NEAR)
    })
}

/// The seconds that a number stands for in this format.
fn read(number: f64, format: &str, width: usize) -> Option<f64> {
    if number < 0.0 || number.fract() != 0.0 || number >= 10f64.powi(width as i32) {
        return None;
    }
    let text = format!("{number:0width$}");
    let has_year = format.starts_with("%Y") || format.starts_with("%y");
    // Years that begin with a zero are long ago: such a number has fewer digits.
    if has_year && number < 10f64.powi(width as i32 - 1) {
        return None;
    }
    let (form, seconds) = match format.starts_with("%m") {
        // Any leap year will do.
        true => with_format(&format!("2000{text}"), &format!("%Y{format}"))?,
        false => with_format(&text, format)?,
    };
    (form == Form::OfDay || !has_year || DATED.contains(&seconds)).then_some(seconds)
}

/// What to do about numbers in such a format.
pub(super) fn asked(format: &str, first: f64) -> String {
    let way = if format.starts_with("%m") {
        "write the year before them, and give --time-format %Y".to_owned() + format
    } else {
        format!("give --time-format {format}")
    };
    format!(
        "its numbers, such as {first}, may be those of a calendar, as `{format}` writes them: {way}; or --time-unit s, if they are seconds"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every so many minutes or seconds from 09:00 on, written so.
    fn written(format: &str, seconds: i64, count: i64) -> Vec<f64> {
        let begin = chrono::DateTime::from_timestamp(1_796_029_200, 0).unwrap();
        let at = |i: i64| (begin + chrono::TimeDelta::seconds(i * seconds)).format(format).to_string();
        (0..count).map(|i| at(i).parse().unwrap()).collect()
    }

    #[test]
    fn numbers_of_a_calendar_are_told_from_counts() {
        for (format, steps) in [
            ("%Y%m%d%H%M%S", &[1, 2, 7, 60, 300][..]),
            ("%Y%m%d%H%M", &[60, 300, 1800]),
            ("%y%m%d%H%M%S", &[1, 60]),
            ("%y%m%d%H%M", &[60, 300, 900]),
            ("%m%d%H%M%S", &[5, 60]),
            ("%m%d%H%M", &[60, 300]),
            ("%Y%m%d", &[86_400]),
            ("%H%M%S", &[1, 2, 7, 10, 60]),
            ("%H%M", &[60, 120, 300, 1800]),
        ] {
            for step in steps {
                assert_eq!(format_of(&written(format, *step, 90), false), Some(format), "every {step} s");
            }
        }
        // Every second, but for some that are missing.
        let odd: Vec<f64> = written("%H%M%S", 1, 300).into_iter().filter(|t| *t % 7.0 != 3.0).collect();
        assert_eq!(format_of(&odd, false), Some("%H%M%S"));
        // No minute is over: only the zero before it tells.
        assert_eq!(format_of(&written("%H%M", 60, 30), false), None);
        assert_eq!(format_of(&written("%H%M", 60, 30), true), Some("%H%M"));
    }

    #[test]
    fn counts_are_no_calendar() {
        for step in [1, 2, 5, 7, 10, 15, 20, 25, 30, 50, 60, 100, 300, 600] {
            for begin in [0, 900, 90_000, 1_700_000_000, 1_701_010_000, 1_796_029_200] {
                for count in [20, 300] {
                    let times: Vec<f64> = (0..count).map(|i| f64::from(begin + i * step)).collect();
                    assert_eq!(format_of(&times, false), None, "{count} from {begin} on by {step}");
                    let gap: Vec<f64> = times.iter().map(|t| if *t > times[9] { t + 1000.0 } else { *t }).collect();
                    assert_eq!(format_of(&gap, false), None, "{count} from {begin} on by {step}, with a gap");
                }
            }
        }
        let parts: Vec<f64> = (0..300).map(|i| f64::from(i) * 0.5).collect();
        assert_eq!(format_of(&parts, false), None);
        assert_eq!(format_of(&[], false), None);
    }
}
