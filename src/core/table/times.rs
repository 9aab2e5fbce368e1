//! The times of a table in seconds, once all of them are known.

use super::calendar;
use super::clock::{self, Form};
use super::collect::{Collector, Raw};
use super::course::Course;
use crate::model::format_seconds;
use std::collections::HashMap;

/// How times were understood.
pub(super) struct Told {
    pub how: String,
    /// Whether they are dates, which don't begin anew.
    pub absolute: bool,
}

/// Seconds between rows that stand with the newest first, at most, where nothing says of which day they are.
const FAR: f64 = 600.0;

impl Collector {
    /// Puts times into seconds, once all are known.
    pub(super) fn set_times(&self, raws: &mut [Raw]) -> Result<Told, String> {
        let Some(column) = self.columns.time else { return Ok(Told { how: String::new(), absolute: false }) };
        let name = self.header.get(column.index).map_or("", String::as_str);
        let of_column = |what: String| format!("column `{name}`: {what}");
        match self.form {
            Form::Date => return Ok(Told { how: "dates".into(), absolute: true }),
            Form::OfDay => {
                self.over_midnight(raws);
                return Ok(Told { how: "times of day, counted on over midnight".into(), absolute: false });
            }
            // Beside a PID they are as `ps` has them.
            Form::Age if self.may_be_hours && self.columns.pid.is_none() => {
                return Err(of_column(
                    "its times have two parts, and may be minutes and seconds or hours and minutes: say which with --time-format %M:%S or \
                     %H:%M"
                        .into(),
                ));
            }
            Form::Age => {
                return Ok(Told { how: "in hours, minutes and seconds since a beginning".into(), absolute: false });
            }
            Form::Number => {}
        }
        let times: Vec<f64> = raws.iter().map(|raw| raw.t).collect();
        if column.unit.is_none()
            && let Some((format, first)) = calendar::format_of(&times, self.padded).zip(times.first())
        {
            return Err(of_column(calendar::asked(format, *first)));
        }
        let (unit, how) = clock::unit(&times, column.unit, column.wall).map_err(of_column)?;
        raws.iter_mut().for_each(|raw| raw.t *= unit);
        if raws.iter().any(|raw| !raw.t.is_finite()) {
            return Err(of_column("its times are too large to be any".into()));
        }
        if let Some(raw) = raws.iter().find(|raw| how.is_empty() && !clock::can_be(raw.t)) {
            let unit_name = clock::unit_name(unit);
            let years = raw.t / (365.25 * clock::DAY);
            return Err(of_column(format!(
                "its times can't be in {unit_name}: {} {unit_name} are {years:.0} years, which is neither the time since a beginning nor a \
                 date from 1990 to 2100; give their unit with --time-unit (s, ms, us, ns, min, h or days)",
                raw.t / unit
            )));
        }
        let absolute = !how.is_empty() || raws.iter().all(|raw| raw.t > 9e8);
        let how = match how {
            "" => format!("in {}", clock::unit_name(unit)),
            how => format!("{how}, by its size"),
        };
        Ok(Told { how, absolute })
    }

    /// Refuses times of day that may as well go on by nearly a day from row to row as stand with the newest first.
    pub(super) fn check_reversed(&self, courses: &[Course]) -> Result<(), String> {
        let apart = |course: &Course| clock::typical_step(&course.raws.iter().map(|raw| raw.t).collect::<Vec<_>>());
        match self.columns.time {
            Some(column) if self.form == Form::OfDay && courses.iter().map(apart).any(|step| step > FAR) => {
                Err(format!(
                    "column `{}`: its times of day run backwards by more than {}: the newest may stand first, or rows be nearly a day apart; give \
                 them with their dates",
                    self.header.get(column.index).map_or("", String::as_str),
                    format_seconds(FAR)
                ))
            }
            _ => Ok(()),
        }
    }

    /// Counts times of day on from one day to the next, in the order of the file.
    fn over_midnight(&self, raws: &mut [Raw]) {
        let mut last: HashMap<u32, f64> = HashMap::new();
        let mut newest = None;
        for raw in raws {
            let before = last.get(&raw.key).copied().or(newest).unwrap_or(raw.t);
            raw.t += clock::DAY * ((before - raw.t) / clock::DAY).round();
            last.insert(raw.key, raw.t);
            newest = Some(raw.t);
        }
    }
}
