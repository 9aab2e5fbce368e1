//! Times as people and tools write them: numbers of some unit, dates, times of day.

use super::lines::words;
use super::median::median;
use super::shown;
use super::zone::parts;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

const WEEKDAYS: [&[u8]; 7] = [b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"];

/// Seconds of a day.
pub(super) const DAY: f64 = 86_400.0;

/// Units of time, in seconds.
pub(super) const UNITS: [(&str, f64); 7] =
    [("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9), ("min", 60.0), ("h", 3600.0), ("days", DAY)];

/// In which form a column has its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A number in some unit.
    Number,
    /// A date with a time: seconds since 1970.
    Date,
    /// A time of day: seconds since midnight.
    OfDay,
    /// How long it has been, in seconds.
    Age,
}

/// Days since 1970 of the years from 2020 to 2035.
const SINCE_1970: std::ops::Range<f64> = 18_262.0..24_000.0;
/// Days since 1899, as Excel counts them, of the years from 1982 to 2064.
const EXCEL: std::ops::Range<f64> = 30_000.0..60_000.0;
/// Days since 1858 (modified Julian days) of the years from 2023 to 2100; those before are as many as Excel's.
const MODIFIED: std::ops::Range<f64> = 60_000.0..88_100.0;
/// Julian days of the years from 1990 to 2100.
const JULIAN: std::ops::Range<f64> = 2_447_892.0..2_488_100.0;
/// Unix times of the years from 2001 to 2100, in seconds.
const UNIX: std::ops::Range<f64> = 978_307_200.0..4_102_444_800.0;

/// What a process runs without an end in between, at most: ten years, in seconds.
const LONGEST: f64 = 3650.0 * DAY;
/// Unix times of the years from 1990 to 2100, in seconds.
pub(super) const DATED: std::ops::Range<f64> = 631_152_000.0..4_102_444_800.0;

/// Formats of dates with a time, the space in them once. Day and month as mere numbers are in none: which is which is a guess.
const DATES: [&str; 13] = [
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y/%m/%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d %H:%M",
    "%Y.%m.%d %H:%M:%S%.f",
    "%a %b %d %H:%M:%S %Y",
    "%a %b %d %I:%M:%S %p %Y",
    "%a %d %b %H:%M:%S %Y",
    "%a %d %b %Y %H:%M:%S",
    "%a %d %b %Y %I:%M:%S %p",
    "%d %b %Y %H:%M:%S%.f",
    "%d/%b/%Y:%H:%M:%S",
    "%Y%m%d %H%M%S",
];
const DAYS: [&str; 2] = ["%Y-%m-%d", "%Y/%m/%d"];
const OF_DAY: [&str; 2] = ["%H:%M:%S%.f", "%I:%M:%S %p"];

/// How times are read: as they were asked for, else as they look.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock {
    /// What `strftime` would write, if it was given.
    pub format: Option<String>,
    /// The name of the time zone that was written last, if it is no offset.
    zone: Option<String>,
    form: Option<Form>,
    /// Whether times count from a beginning of their own.
    ages: bool,
    /// Whether a number began with a 0, as those of a calendar do.
    pub padded: bool,
    /// Whether an age was written that has two parts alone, and one that has more.
    two_parts: bool,
    more_parts: bool,
    /// The place of the format that fitted last.
    fits: usize,
}

impl Clock {
    pub fn new(format: Option<String>) -> Self {
        Clock { format, ..Clock::default() }
    }

    /// A clock of times that count from a beginning of their own: what has colons in it is no time of day.
    pub fn of_ages(self) -> Self {
        Clock { ages: true, ..self }
    }

    /// The form of the times so far.
    pub fn form(&self) -> Form {
        self.form.unwrap_or(Form::Number)
    }

    /// Whether all ages have two parts, which may be minutes and seconds, or hours and minutes.
    pub fn may_be_hours(&self) -> bool {
        self.two_parts && !self.more_parts
    }

    /// Reads a time that isn't missing.
    ///
    /// # Errors
    /// If it is none, or not in the form of those before it.
    pub fn read(&mut self, text: &[u8]) -> Result<f64, String> {
        let (form, value) = self.one(text)?;
        self.alike(form, value).ok_or_else(|| format!("expected a time like those before it, found `{}`", shown(text)))
    }

    /// Takes a time that is a number, written so.
    ///
    /// # Errors
    /// If those before it are none.
    pub fn number(&mut self, number: f64, text: &[u8]) -> Result<f64, String> {
        self.padded |= text.len() > 1 && text.first() == Some(&b'0') && text.iter().all(u8::is_ascii_digit);
        self.alike(Form::Number, number)
            .ok_or_else(|| format!("expected a time like those before it, found `{number}`"))
    }

    fn alike(&mut self, form: Form, value: f64) -> Option<f64> {
        (*self.form.get_or_insert(form) == form).then_some(value)
    }

    fn one(&mut self, bytes: &[u8]) -> Result<(Form, f64), String> {
        let text = std::str::from_utf8(bytes).unwrap_or_default().trim();
        if let Some(format) = &self.format {
            let wrong =
                || format!("expected a time as `{}` writes it, found `{}`", shown(format.as_bytes()), shown(bytes));
            return with_format(text, format).ok_or_else(wrong);
        }
        if let Ok(number) = text.parse::<f64>() {
            return if number.is_finite() { Ok((Form::Number, number)) } else { Err(unknown(bytes)) };
        }
        let number = text.replacen(',', ".", 1);
        if let Ok(number) = number.parse::<f64>()
            && number.is_finite()
        {
            return Ok((Form::Number, number));
        }
        if let Some(age) = age(text).filter(|_| self.ages) {
            let more = text.matches(':').count() > 1;
            (self.two_parts, self.more_parts) = (self.two_parts || !more, self.more_parts || more);
            return Ok((Form::Age, age));
        }
        if let Ok(time) = DateTime::parse_from_rfc3339(&text.replacen(',', ".", 1)) {
            return Ok((Form::Date, seconds(&time.naive_utc())));
        }
        let (plain, offset, zone) = parts(text);
        if let Some(zone) = zone {
            if self.zone.as_ref().is_some_and(|before| *before != zone) {
                let before = self.zone.as_deref().unwrap_or_default();
                return Err(format!(
                    "the time zone changes from `{}` to `{}`: write times in UTC, or with their offset such as +01:00",
                    shown(before.as_bytes()),
                    shown(zone.as_bytes())
                ));
            }
            self.zone = Some(zone);
        }
        let count = DATES.len();
        for step in 0..count {
            let place = (self.fits + step) % count;
            if let Ok(time) = NaiveDateTime::parse_from_str(&plain, DATES[place]) {
                self.fits = place;
                return Ok((Form::Date, seconds(&time) - offset));
            }
        }
        for format in OF_DAY {
            if let Ok(time) = NaiveTime::parse_from_str(&plain, format) {
                return Ok((Form::OfDay, of_day(time)));
            }
        }
        if let Some(beyond) = age(&plain).filter(|_| plain.matches(':').count() == 2) {
            return Ok((Form::OfDay, beyond));
        }
        if age(&plain).is_some() {
            return Err(format!(
                "expected a time, found `{}`, which may be hours and minutes, or minutes and seconds: say which with --time-format '%H:%M' or \
                 '%M:%S'",
                shown(bytes)
            ));
        }
        for format in DAYS {
            if let Some(time) = NaiveDate::parse_from_str(&plain, format).ok().and_then(|day| day.and_hms_opt(0, 0, 0))
            {
                return Ok((Form::Date, seconds(&time)));
            }
        }
        Err(unknown(bytes))
    }
}

/// Whether a text is a date, a time of day, or a Unix time in seconds, and nothing else.
pub(super) fn is_time(text: &[u8]) -> bool {
    match Clock::default().one(text) {
        Ok((Form::Number, number)) => UNIX.contains(&number),
        Ok(_) => true,
        Err(_) => false,
    }
}

/// A time of day without a date, in seconds since midnight.
pub(super) fn of_day_alone(text: &[u8]) -> Option<f64> {
    match Clock::default().one(text) {
        Ok((Form::OfDay, seconds)) => Some(seconds),
        _ => None,
    }
}

/// The time that a line begins with, and what comes after it.
pub(super) fn leading(line: &[u8]) -> Option<(&[u8], &[u8])> {
    const MOST: usize = 7;
    let weekday = |word: &[u8]| {
        word.len() >= 3 && WEEKDAYS.iter().any(|day| word.get(..3).is_some_and(|begin| begin.eq_ignore_ascii_case(day)))
    };
    // Of other words, only those that can be nothing but a part of a time: names of columns look like time zones.
    let joins = |word: &[u8]| {
        matches!(word, b"AM" | b"PM" | b"am" | b"pm" | b"UTC" | b"GMT" | b"Z")
            || word.first().is_some_and(u8::is_ascii_digit) && word.contains(&b':')
            || word.len() >= 5 && word.first().is_some_and(|b| b"+-".contains(b))
    };
    let mut ends = Vec::new();
    let (mut whole, mut at) = (false, 0);
    for word in words(line).take(MOST) {
        if ends.is_empty() {
            whole = weekday(word);
            if !whole && !word.first().is_some_and(u8::is_ascii_digit) {
                return None;
            }
        } else if !whole && !joins(word) {
            break;
        }
        at += line[at..].iter().take_while(|b| b.is_ascii_whitespace()).count() + word.len();
        ends.push(at);
    }
    let end = ends.into_iter().rev().find(|end| line.get(..*end).is_some_and(is_time))?;
    Some((line.get(..end)?, line.get(end..)?.trim_ascii()))
}

/// How long it has been, in seconds, as `ps` has it: `03:04`, `02:03:04` or `1-02:03:04`, and more than 24 hours.
fn age(text: &str) -> Option<f64> {
    let number = |text: &str| text.parse::<u32>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
    let (days, rest) = text.split_once('-').map_or(Some((0, text)), |(days, rest)| Some((number(days)?, rest)))?;
    let parts: Vec<&str> = rest.split(':').collect();
    let (seconds, parts) = parts.split_last()?;
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    number(fraction)?;
    let minutes: Vec<u32> = parts.iter().map(|part| number(part)).collect::<Option<_>>()?;
    let (hours, minutes) = match minutes[..] {
        [minutes] if days == 0 => (0, minutes),
        [hours, minutes] => (hours, minutes),
        _ => return None,
    };
    let is_clock = number(whole)? < 60 && (parts.len() == 1 || minutes < 60);
    let seconds: f64 = seconds.parse().ok().filter(|_| is_clock)?;
    Some(f64::from(days) * DAY + f64::from(hours) * 3600.0 + f64::from(minutes) * 60.0 + seconds)
}

fn unknown(text: &[u8]) -> String {
    format!(
        "expected a time (a number, 2026-01-01T00:00:00Z, 2026-01-01 00:00:00, 00:00:00, or as `date` writes it), found `{}`; \
         say what it looks like with --time-format, such as '%d/%m/%Y %H:%M:%S'",
        shown(text)
    )
}

/// Checks a format that the user gave.
///
/// # Errors
/// If it isn't one.
pub fn check_format(format: &str) -> Result<(), String> {
    let wrong = chrono::format::StrftimeItems::new(format).any(|item| item == chrono::format::Item::Error);
    if wrong || !format.contains('%') {
        return Err("expected what `date +FORMAT` takes, such as '%d/%m/%Y %H:%M:%S'".into());
    }
    Ok(())
}

/// Reads a time in a format that the user gave, or that is tried.
pub(super) fn with_format(text: &str, format: &str) -> Option<(Form, f64)> {
    if check_format(format).is_err() {
        return None;
    }
    if let Ok(time) = DateTime::parse_from_str(text, format) {
        return Some((Form::Date, seconds(&time.naive_utc())));
    }
    if let Ok(time) = NaiveDateTime::parse_from_str(text, format) {
        return Some((Form::Date, seconds(&time)));
    }
    if let Ok(time) = NaiveTime::parse_from_str(text, format) {
        return Some((Form::OfDay, of_day(time)));
    }
    if let Ok(time) = NaiveTime::parse_from_str(&format!("0 {text}"), &format!("%H {format}")) {
        return Some((Form::OfDay, of_day(time)));
    }
    // Hours alone are whole, and so are days.
    if let Ok(time) = NaiveDateTime::parse_from_str(&format!("0 {text}"), &format!("%M {format}")) {
        return Some((Form::Date, seconds(&time)));
    }
    let day = NaiveDate::parse_from_str(text, format).ok()?;
    Some((Form::Date, seconds(&day.and_hms_opt(0, 0, 0)?)))
}

fn seconds(time: &NaiveDateTime) -> f64 {
    let time = time.and_utc();
    time.timestamp() as f64 + f64::from(time.timestamp_subsec_micros()) / 1e6
}

fn of_day(time: NaiveTime) -> f64 {
    use chrono::Timelike;
    f64::from(time.num_seconds_from_midnight()) + f64::from(time.nanosecond()) / 1e9
}

/// The unit of times that are numbers, in seconds, and how it is known.
///
/// `named` is what the column's name or the user says. Without it, only what can be nothing else follows from size: Unix times,
/// and Excel's days. `wall` is whether the column may hold a date by its name.
///
/// # Errors
/// If several units are possible.
pub(super) fn unit(times: &[f64], named: Option<f64>, wall: bool) -> Result<(f64, &'static str), String> {
    if let Some(unit) = named {
        return Ok((unit, ""));
    }
    let (low, high) = times.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), t| (l.min(*t), h.max(*t)));
    let within =
        |range: &std::ops::Range<f64>, unit: f64| range.contains(&(low * unit)) && range.contains(&(high * unit));
    for (unit, how) in
        [(1.0, "Unix time in s"), (1e-3, "Unix time in ms"), (1e-6, "Unix time in us"), (1e-9, "Unix time in ns")]
    {
        if within(&UNIX, unit) && (wall || unit == 1.0) {
            return Ok((unit, how));
        }
    }
    let whole = times.iter().all(|t| ((t * DAY) - (t * DAY).round()).abs() < 0.05);
    let written_fine = times.iter().any(|t| ((t * 1e4) - (t * 1e4).round()).abs() > 1e-3);
    for (range, how) in [
        (&SINCE_1970, "days since 1970"),
        (&EXCEL, "Excel's days"),
        (&MODIFIED, "modified Julian days"),
        (&JULIAN, "Julian days"),
    ] {
        if wall && whole && written_fine && within(range, 1.0) {
            return Ok((DAY, how));
        }
    }
    Err(format!(
        "its times go from {low} to {high}, and nothing says their unit: give it with --time-unit (s, ms, us, ns, min, h or days), or name \
         the column like `time_s`"
    ))
}

/// Whether seconds can be the time since some beginning, or a date of a recording.
pub(super) fn can_be(seconds: f64) -> bool {
    seconds.abs() < LONGEST || DATED.contains(&seconds)
}

/// The name of a unit of so many seconds.
pub(super) fn unit_name(unit: f64) -> &'static str {
    UNITS.iter().find(|(_, seconds)| *seconds == unit).map_or("s", |(name, _)| name)
}

/// The seconds in a unit that the user gave.
///
/// # Errors
/// If it isn't one.
pub fn seconds_in(unit: &str) -> Result<f64, String> {
    let found = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, seconds)| *seconds);
    found.ok_or_else(|| "expected s, ms, us, ns, min, h or days".into())
}

/// The median of what lies between neighbours in time.
pub(super) fn typical_step(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    median(sorted.windows(2).map(|w| w[1] - w[0]).filter(|step| *step > 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(Form, f64), String> {
        Clock::default().one(text.as_bytes())
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        let noon = 1_767_268_800.0;
        for text in [
            "2026-01-01T12:00:00Z",
            "2026-01-01T12:00:00.000Z",
            "2026-01-01 12:00:00",
            "2026-01-01 12:00:00 UTC",
            "2026-01-01 13:00:00+01:00",
            "2026-01-01T13:00:00+0100",
            "2026-01-01 10:00:00,000 -0200",
            "2026-01-01 12:00",
            "2026/01/01 12:00:00",
            "Thu Jan  1 12:00:00 UTC 2026",
            "Thu Jan  1 12:00:00 PM UTC 2026",
            "Thu  1 Jan 12:00:00 CET 2026",
            "Thu, 01 Jan 2026 12:00:00 +0000",
            "01/Jan/2026:12:00:00 +0000",
        ] {
            assert_eq!(read(text), Ok((Form::Date, noon)), "{text}");
        }
        assert_eq!(read("23:59:59.5"), Ok((Form::OfDay, 86_399.5)));
        assert_eq!(read("01:00:00 PM"), Ok((Form::OfDay, 46_800.0)));
        assert_eq!(read("1,5"), Ok((Form::Number, 1.5)));
        assert_eq!(read("2026-01-02"), Ok((Form::Date, noon + 43_200.0)));
        for text in ["", "x", "01/02/2026 10:00:00", "2026-13-01 00:00:00", "nan", "inf", "é", "+", "12:34"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_format_is_taken_at_its_word() {
        let mut clock = Clock::new(Some("%d/%m/%Y %H:%M".into()));
        assert_eq!(clock.read(b"02/01/2026 00:00"), Ok(1_767_312_000.0));
        assert!(clock.read(b"2026-01-02").unwrap_err().contains("as `%d/%m/%Y %H:%M` writes it"));
        assert!(check_format("%d.%m.%Y").is_ok() && check_format("%!").is_err() && check_format("d").is_err());
    }

    #[test]
    fn a_zone_that_changes_is_refused() {
        let mut clock = Clock::default();
        assert!(clock.read(b"Sun Mar 29 01:59:00 CET 2026").is_ok());
        assert!(clock.read(b"Sun Mar 29 03:00:00 CEST 2026").unwrap_err().contains("changes from `CET` to `CEST`"));
        assert!(clock.read(b"17").is_err(), "another form");
    }

    #[test]
    fn a_unit_follows_from_size_where_it_can_be_nothing_else() {
        let unix = |k: f64| (0..9).map(|i| (1_767_225_600.0 + f64::from(i) * 60.0) * k).collect::<Vec<_>>();
        for (k, seconds) in [(1.0, 1.0), (1e3, 1e-3), (1e6, 1e-6), (1e9, 1e-9)] {
            assert_eq!(unit(&unix(k), None, true).unwrap().0, seconds);
        }
        assert!(unit(&unix(1e3), None, false).unwrap_err().contains("--time-unit"));
        assert_eq!(unit(&unix(1e3), Some(1.0), true), Ok((1.0, "")));
        let excel: Vec<f64> = (0..9).map(|i| 46_023.0 + f64::from(i) / 1440.0).collect();
        assert_eq!(unit(&excel, None, true), Ok((DAY, "Excel's days")));
        let fine: Vec<f64> = (0..9).map(|i| 46_023.0 + f64::from(i) / 10.0).collect();
        assert!(unit(&fine, None, true).is_err());
        // A reading a second or a minute, in any unit.
        for part in [1e-9, 1e-3, 1.0, 60.0, 3600.0, 86_400.0] {
            for (wall, step) in [(true, 1.0), (false, 1.0), (true, 60.0)] {
                let times: Vec<f64> = (0..60).map(|i| 17.0 + step * f64::from(i) / part).collect();
                assert!(unit(&times, None, wall).unwrap_err().contains("nothing says their unit"), "{part}");
                assert_eq!(unit(&times, Some(part), wall).unwrap().0, part);
            }
        }
    }
}
