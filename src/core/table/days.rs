//! Days of a text whose rows have times of day alone, and whose parts begin with a date: whether counting on over midnight is right.

use super::clock::{self, DAY};
use super::lines::words;
use chrono::NaiveDate;

/// How sysstat writes dates; which of two numbers is the month isn't known.
const FORMATS: [&str; 4] = ["%Y-%m-%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y"];

/// The date above the rows, and the days that their times have counted.
#[derive(Debug, Default)]
pub(super) struct Days {
    /// The date that the rows since then stand below.
    above: Option<String>,
    /// One that the next row stands below.
    next: Option<String>,
    /// The time of the last row, in seconds from the first midnight.
    last: Option<f64>,
    /// The day on which the first row below that date was.
    begun: f64,
}

fn dates(text: &str) -> impl Iterator<Item = Option<NaiveDate>> {
    FORMATS.iter().map(move |format| NaiveDate::parse_from_str(text, format).ok())
}

impl Days {
    /// Takes the first line of a part, such as `Linux 6.1.0 (host) 12/01/26 _x86_64_ (2 CPU)`.
    pub fn date(&mut self, text: &[u8]) {
        if text.starts_with(b"Linux ") {
            let words = words(text).filter_map(|word| std::str::from_utf8(word).ok());
            // The version of the kernel may look like one, too, and stands before.
            self.next = words.filter(|word| dates(word).any(|date| date.is_some())).last().map(str::to_owned);
        }
    }

    /// Takes the time of a row, as it is counted on: to within half a day of the row before.
    ///
    /// # Errors
    /// If it isn't on the day that stands above it.
    pub fn pass(&mut self, time: &[u8]) -> Result<(), String> {
        let Some(of_day) = clock::of_day_alone(time) else { return Ok(()) };
        let last = self.last.unwrap_or(of_day);
        let now = of_day + DAY * ((last - of_day) / DAY).round();
        let day = (now / DAY).floor();
        self.last = Some(now);
        let Some(next) = self.next.take() else { return Ok(()) };
        if let Some(above) = &self.above {
            let mut between = dates(above).zip(dates(&next)).filter_map(|(from, to)| Some((to? - from?).num_days()));
            if !between.any(|days| days as f64 == day - self.begun) {
                return Err(format!(
                    "it is below the date {next}, which doesn't follow from {above} and the times between: put whole days together, each \
                     with the next, or judge them one by one (`pidstat -H` prints times that tell the day)"
                ));
            }
        }
        (self.above, self.begun) = (Some(next), day);
        Ok(())
    }
}
