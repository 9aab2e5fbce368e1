//! Series that a server lists and answers no reading of: whether they had ended before, are zeros, or were lost.

use super::fleet::{Asking, MOST_POINTS};
use crate::fleet::{Batch, Joined, Quantity, Query, Range, narrowed};
use crate::table::SeriesRow;
use crate::table::prometheus::{Labels, Point};
use std::collections::HashMap;

/// How many days before the time that is asked for a reading proves that a series had ended. Servers list by the files that they keep
/// readings in, which hold two hours up to two weeks.
const DAYS_BEFORE: u32 = 15;
/// Seconds before now in which a series may have begun that nothing is told of yet.
const NEWEST: f64 = 90.0;
/// Series that are asked for once more with one query.
const AT_ONCE: usize = 50;

/// What becomes of a series that had no reading in an answer.
pub(super) enum Silence {
    /// It has readings: it lived between two moments that were asked for, or the answer lacked it.
    Found(Vec<Point>),
    /// Its last reading was before.
    Ended,
    /// It can't be judged, and why.
    Lost(String),
}

impl Asking<'_> {
    /// Asks once more for series of a portion that had no reading, by their places among those of memory.
    pub(super) fn ask_again(&self, batch: &Batch, joined: &Joined, silent: &[usize]) -> HashMap<usize, Silence> {
        let list = joined.lists.get(&Quantity::Memory).map(Vec::as_slice).unwrap_or_default();
        let portion = batch.asks.iter().find(|ask| ask.quantity == Quantity::Memory).map(|ask| Query::new(&ask.query));
        let portion = portion.filter(Query::is_selector);
        let mut all = HashMap::new();
        for some in silent.chunks(AT_ONCE) {
            let places: HashMap<&Labels, usize> = some.iter().map(|place| (&list[*place], *place)).collect();
            let found = match &portion {
                Some(portion) => self.settle(&narrowed(portion, &places.keys().copied().collect::<Vec<_>>()), &places),
                // It was listed by a value that the same expression had.
                None => Ok(HashMap::new()),
            };
            let lost = || match &portion {
                Some(_) => format!(
                    "the server lists it and answers no reading of it, of this time or the {DAYS_BEFORE} days before; if it has just begun, \
                     ask again"
                ),
                None => "the server had a value of it when the series were listed, and answers none now".to_owned(),
            };
            match found {
                Ok(mut found) => all.extend(
                    some.iter().map(|place| (*place, found.remove(place).unwrap_or_else(|| Silence::Lost(lost())))),
                ),
                Err(why) => all.extend(some.iter().map(|place| (*place, Silence::Lost(why.clone())))),
            }
        }
        all
    }

    /// What is known of some series of a selector, of none of which there was a reading.
    fn settle(&self, query: &Query, places: &HashMap<&Labels, usize>) -> Result<HashMap<usize, Silence>, String> {
        let mut found: HashMap<usize, Silence> = HashMap::new();
        // What began after the last moment has its first reading before the next.
        let range = Range { points: self.range.points + 1, ..self.range };
        for part in range.parts(MOST_POINTS / places.len().max(1) as u64) {
            for (place, points) in self.last_within(query, range.step, &part, places)? {
                match found.entry(place).or_insert_with(|| Silence::Found(Vec::new())) {
                    Silence::Found(all) => all.extend(points),
                    Silence::Ended | Silence::Lost(_) => {}
                }
            }
        }
        if found.len() < places.len()
            && let Some(text) = query.all_within(NEWEST)
        {
            // VictoriaMetrics keeps what is younger than half a minute from all other questions. Who can't answer this one says no less by it.
            for series in self.server.query_now(&text).unwrap_or_default() {
                if let Some(place) = places.get(&query.own(series.metric)).filter(|_| !series.values.is_empty()) {
                    found.entry(*place).or_insert(Silence::Found(series.values));
                }
            }
        }
        if found.len() < places.len() {
            let begin = Range { points: 1, ..self.range };
            for (place, _) in self.last_within(query, f64::from(DAYS_BEFORE) * 86_400.0, &begin, places)? {
                found.entry(place).or_insert(Silence::Ended);
            }
        }
        Ok(found)
    }

    /// The last value within a window before each moment.
    fn last_within(
        &self,
        query: &Query,
        window: f64,
        range: &Range,
        places: &HashMap<&Labels, usize>,
    ) -> Result<Vec<(usize, Vec<Point>)>, String> {
        let Some(text) = query.last_within(window) else { return Ok(Vec::new()) };
        let answered = self.server.query_range(&text, range)?.into_iter();
        let of_places = answered.filter_map(|series| Some((*places.get(&query.own(series.metric))?, series.values)));
        Ok(of_places.filter(|(_, points)| !points.is_empty()).collect())
    }
}

/// What readings are of which none is the memory of a process; `None` if one is.
pub(super) fn without_memory(rows: &[SeriesRow]) -> Option<Silence> {
    if rows.iter().any(|row| row.memory > 0.0 && row.memory.is_finite()) {
        return None;
    }
    // Exporters go on with zeros for what has ended.
    if rows.iter().any(|row| row.memory == 0.0) {
        return Some(Silence::Ended);
    }
    Some(Silence::Lost(format!("none of its {} readings is a size: each is NaN, infinite or negative", rows.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_size_is_lost_and_zeros_have_ended() {
        let of = |values: &[f64]| {
            let rows = values.iter().map(|value| SeriesRow { memory: *value, ..SeriesRow::at(0.0) });
            without_memory(&rows.collect::<Vec<_>>())
        };
        assert!(of(&[f64::NAN, 5.0]).is_none());
        assert!(matches!(of(&[0.0, f64::NAN]), Some(Silence::Ended)));
        for values in [&[f64::NAN, f64::INFINITY, -1.0][..], &[]] {
            assert!(matches!(of(values), Some(Silence::Lost(why)) if why.contains("is a size")));
        }
    }
}
