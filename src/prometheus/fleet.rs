//! A fleet, portion by portion: fetched by a few connections, put together, and handed on to be judged.

use super::api::Server;
use super::silent::{Silence, without_memory};
use crate::fleet::{Batch, Group, Joined, Member, Quantity, Query, Range, Recent, batches, join, twins, written};
use crate::model::{RunRecord, Sample};
use crate::table::prometheus::{Labels, Point};
use crate::table::{Asked, Readings, RequestsOf, SeriesRow, Table, of_series};
use crate::thread::no_thread;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Connections at once: the server has others to answer.
const CONNECTIONS: usize = 4;
/// Points of one answer: some 25 MiB.
pub(super) const MOST_POINTS: u64 = 1_000_000;
/// Series of a fleet.
const MOST_SERIES: usize = 100_000;
/// Moments at which the series of an expression are looked for: what is there for less than the time between two is too short to be
/// judged.
const MOMENTS: u64 = 24;
/// How alike names are (Jaro-Winkler) of which one may be meant for the other.
const ALIKE: f64 = 0.9;
/// Portions that fail one after the other before the others are given up.
const IN_A_ROW: usize = 8;

/// What a fleet is asked for.
#[derive(Debug)]
pub struct Asking<'a> {
    /// Who is asked.
    pub server: &'a Server,
    /// The query for each quantity.
    pub queries: BTreeMap<Quantity, Query>,
    /// What they are for, as it is told.
    pub asked: Asked,
    /// What may be left out where it doesn't fit.
    pub optional: Vec<Quantity>,
    /// Labels whose values are judged together.
    pub by: Vec<String>,
    /// When.
    pub range: Range,
    /// Seconds without a reading after which a life has ended.
    pub gap: f64,
    /// What is known from the look before, where there are more to come.
    pub recent: Option<&'a Mutex<Recent>>,
}

/// What came of a fleet.
#[derive(Debug)]
pub struct Done<T> {
    /// What was made of each group that has readings.
    pub judged: Vec<T>,
    /// Places of groups that could not be judged, and why.
    pub failed: Vec<(usize, String)>,
    /// Series that are listed and can't be judged, and why; others of their groups were.
    pub lost: Vec<(Labels, String)>,
    /// How many series are listed and had ended before, or are zeros all the time.
    pub ended: usize,
}

/// What was fetched of a group.
#[derive(Debug)]
pub struct Gathered<'a> {
    /// Whose it is.
    pub group: &'a Group,
    asked: Asked,
    readings: Vec<Readings>,
    gap: f64,
    until: f64,
}

impl Gathered<'_> {
    /// All of it, put together.
    ///
    /// # Errors
    /// If nothing can be judged.
    pub fn table(&self) -> Result<Table, String> {
        of_series(&written(&self.group.labels), &self.asked, &self.readings, (self.gap, self.until))
    }

    /// When its record begins, in Unix time: zeros before the first process may have been left out of it.
    pub fn begun(&self, record: &RunRecord) -> f64 {
        let least = record.samples.first().and_then(Sample::anon_and_swap).map_or(0.0, |bytes| bytes.min(1) as f64);
        let rows = self.readings.iter().flat_map(|one| &one.rows).filter(|row| row.memory >= least);
        rows.map(|row| row.t).fold(f64::INFINITY, f64::min)
    }

    /// What was read after a moment, in Unix seconds, put together.
    ///
    /// # Errors
    /// If nothing can be judged.
    pub fn table_after(&self, moment: f64) -> Result<Table, String> {
        let later = |one: &Readings| {
            let rows = one.rows.iter().filter(|row| row.t > moment).copied().collect();
            Readings { name: one.name.clone(), rows }
        };
        let readings: Vec<Readings> = self.readings.iter().map(later).filter(|one| !one.rows.is_empty()).collect();
        of_series(&written(&self.group.labels), &self.asked, &readings, (self.gap, self.until))
    }
}

/// Points of each quantity, by the place of their series.
type Fetched = BTreeMap<Quantity, HashMap<usize, Vec<Point>>>;

impl Asking<'_> {
    /// The series that there are, and which go together.
    ///
    /// # Errors
    /// If the server can't say, there are too many, or what belongs together isn't clear.
    pub fn list(&self) -> Result<Joined, String> {
        let mut lists = BTreeMap::new();
        for (quantity, query) in &self.queries {
            let list = self.listed(query).map_err(|error| format!("{}: {error}", quantity.option()))?;
            if list.len() > MOST_SERIES {
                return Err(format!(
                    "{}: {} series are more than the {MOST_SERIES} that are judged at once: choose some by their labels",
                    quantity.option(),
                    list.len()
                ));
            }
            lists.insert(*quantity, list);
        }
        join(lists, &self.by, &self.optional)
    }

    /// Why there may be no series of memory, and what to do: names of metrics that are like the one that was asked for.
    pub fn nothing(&self) -> String {
        let Some(query) = self.queries.get(&Quantity::Memory) else { return String::new() };
        let found = format!("no series of --memory `{}` has a reading in this time", query.text());
        let Some(metric) = query.metric() else { return format!("{found}: check the query, or give a longer --since") };
        match self.server.metrics() {
            Ok(names) if names.iter().any(|name| name == metric) => {
                format!("{found}: the server has `{metric}`; check the labels, or give a longer --since")
            }
            Ok(names) => {
                let like = |name: &String| strsim::jaro_winkler(name, metric);
                let mut near: Vec<&String> = names.iter().filter(|name| like(name) > ALIKE).collect();
                near.sort_by(|a, b| like(b).total_cmp(&like(a)));
                let near: Vec<String> = near.into_iter().take(3).map(|name| format!("`{name}`")).collect();
                let has = if near.is_empty() {
                    "is its exporter scraped?".into()
                } else {
                    format!("it has {}", near.join(", "))
                };
                format!("{found}: the server has no metric `{metric}`; {has}")
            }
            Err(_) => format!("{found}: check the name of the metric and the labels, or give a longer --since"),
        }
    }

    /// Portions, and what time each is asked for: all of it, or what is new of series that are known.
    fn portions(&self, joined: &mut Joined) -> Vec<(Batch, Range)> {
        let of = |groups: std::ops::Range<usize>, joined: &Joined, range: Range| {
            batches(joined, &self.queries, groups, range.points).into_iter().map(move |batch| (batch, range))
        };
        let mut known = 0;
        let mut new = self.range;
        if let Some(recent) = self.recent {
            let mut recent = recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.keep(joined);
            known = recent.sort(joined, &self.range);
            let since =
                joined.groups[..known].iter().filter_map(|group| recent.since(&joined.lists, group, &self.range));
            new = self.range.from(since.fold(self.range.end(), f64::min));
        }
        let all = joined.groups.len();
        of(0..known, joined, new).chain(of(known..all, joined, self.range)).collect()
    }

    /// Asks no more for what doesn't fit.
    pub fn leave_out(&mut self, quantity: Quantity) {
        self.queries.remove(&quantity);
        match quantity {
            Quantity::Memory => {}
            Quantity::Swap => self.asked.swap = None,
            Quantity::Requests => self.asked.requests = None,
            Quantity::Start => self.asked.start = None,
        }
    }

    /// Of a selector, the server knows all series that were there at any time; those of an expression are looked for now and then.
    fn listed(&self, query: &Query) -> Result<Vec<Labels>, String> {
        let labels = if query.is_selector() {
            self.server.series(query.text(), &self.range)?
        } else {
            let coarse = self.range.coarse(MOMENTS);
            self.server.query_range(query.text(), &coarse)?.into_iter().map(|series| series.metric).collect()
        };
        Ok(labels.into_iter().map(|labels| query.own(labels)).collect())
    }

    /// Fetches all groups, which are put in another order, and hands each to `work`; what can't be fetched keeps nothing else from it.
    ///
    /// # Errors
    /// If not even one thread can be started.
    pub fn each<T: Send>(
        &self,
        joined: &mut Joined,
        work: impl Fn(&Gathered<'_>) -> Result<T, String> + Sync,
    ) -> io::Result<Done<T>> {
        let batches = self.portions(joined);
        let joined = &*joined;
        let (next, failures) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let done = Mutex::new(Done { judged: Vec::new(), failed: Vec::new(), lost: Vec::new(), ended: 0 });
        let one = || {
            while let Some((batch, range)) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
                let given_up = failures.load(Ordering::Relaxed) >= IN_A_ROW;
                let fetched = if given_up {
                    Err(format!("it was not asked for, as the server had failed {IN_A_ROW} times in a row"))
                } else {
                    self.fetch(batch, range, joined)
                };
                match fetched {
                    Ok(fetched) => {
                        failures.store(0, Ordering::Relaxed);
                        self.hand_on((batch, range), joined, fetched, &work, &done);
                    }
                    Err(why) => {
                        failures.fetch_add(1, Ordering::Relaxed);
                        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                        done.failed.extend(batch.groups.clone().map(|group| (group, why.clone())));
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            for thread in 0..CONNECTIONS.min(batches.len()) {
                match std::thread::Builder::new().spawn_scoped(scope, one) {
                    Ok(_) => {}
                    // One is enough.
                    Err(_) if thread > 0 => break,
                    Err(error) => return Err(no_thread(error)),
                }
            }
            Ok(())
        })?;
        Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fetches what a portion asks for in a range, part by part.
    fn fetch(&self, batch: &Batch, range: &Range, joined: &Joined) -> Result<Fetched, String> {
        let mut fetched = Fetched::new();
        let groups = joined.groups.get(batch.groups.clone()).unwrap_or_default();
        for ask in &batch.asks {
            let list = joined.lists.get(&ask.quantity).map(Vec::as_slice).unwrap_or_default();
            let wanted = groups.iter().flat_map(|group| &group.members).filter_map(|member| member.of(ask.quantity));
            let places: HashMap<&Labels, usize> = wanted.map(|place| (&list[place], place)).collect();
            let own =
                |labels: Labels| self.queries.get(&ask.quantity).map_or_else(Labels::new, |query| query.own(labels));
            let points = fetched.entry(ask.quantity).or_default();
            for part in range.parts(MOST_POINTS / ask.series.max(1)) {
                for series in self.server.query_range(&ask.query, &part)? {
                    let labels = own(series.metric);
                    let Some(place) = places.get(&labels) else { continue };
                    let kept: &mut Vec<Point> = points.entry(*place).or_default();
                    if kept.last().zip(series.values.first()).is_some_and(|(last, first)| first.t <= last.t) {
                        return Err(format!(
                            "{}: two series have the labels {}, or one comes twice: ask for one metric",
                            ask.quantity.option(),
                            written(&labels)
                        ));
                    }
                    kept.extend(series.values);
                }
            }
        }
        Ok(fetched)
    }

    /// Places of the series of a portion that have no reading.
    fn silent(&self, (batch, range): (&Batch, &Range), joined: &Joined, fetched: &Fetched) -> Vec<usize> {
        let list = joined.lists.get(&Quantity::Memory).map(Vec::as_slice).unwrap_or_default();
        let is_known = |place: usize| {
            let recent = self.recent.map(|recent| recent.lock().unwrap_or_else(PoisonError::into_inner));
            recent
                .zip(list.get(place))
                .is_some_and(|(recent, labels)| recent.knows(Quantity::Memory, labels, &self.range, range))
        };
        let memory = fetched.get(&Quantity::Memory);
        let is_answered =
            |place: usize| memory.and_then(|series| series.get(&place)).is_some_and(|one| !one.is_empty());
        let groups = joined.groups.get(batch.groups.clone()).unwrap_or_default();
        let members = groups.iter().flat_map(|group| &group.members).map(|member| member.memory);
        members.filter(|place| !is_answered(*place) && !is_known(*place)).collect()
    }

    /// Puts each group of a portion together and hands it on. A series without a reading is accounted for.
    fn hand_on<T>(
        &self,
        (batch, range): (&Batch, &Range),
        joined: &Joined,
        mut fetched: Fetched,
        work: &impl Fn(&Gathered<'_>) -> Result<T, String>,
        done: &Mutex<Done<T>>,
    ) {
        let lists = joined.lists.get(&Quantity::Memory).map(Vec::as_slice).unwrap_or_default();
        let silent = self.silent((batch, range), joined, &fetched);
        let mut silent = self.ask_again(batch, joined, &silent);
        let mut gathered = Vec::with_capacity(batch.groups.len());
        for place in batch.groups.clone() {
            let Some(group) = joined.groups.get(place) else { continue };
            let mut readings = Vec::with_capacity(group.members.len());
            for member in &group.members {
                // What is put together is dropped: a portion is never there twice.
                let memory = match silent.remove(&member.memory) {
                    Some(Silence::Found(points)) => Ok(points),
                    Some(silence) => Err(silence),
                    None => {
                        let memory = fetched.get_mut(&Quantity::Memory);
                        Ok(memory.and_then(|series| series.remove(&member.memory)).unwrap_or_default())
                    }
                };
                let rows = self.put_together(member, memory.as_deref().unwrap_or_default(), range, (joined, &fetched));
                let Some(labels) = lists.get(member.memory) else { continue };
                match memory.err().or_else(|| without_memory(&rows)) {
                    None | Some(Silence::Found(_)) => readings.push(Readings { name: written(labels), rows }),
                    Some(Silence::Ended) => done.lock().unwrap_or_else(PoisonError::into_inner).ended += 1,
                    Some(Silence::Lost(why)) => {
                        done.lock().unwrap_or_else(PoisonError::into_inner).lost.push((labels.clone(), why));
                    }
                }
            }
            if !readings.is_empty() {
                gathered.push((place, group, readings));
            }
        }
        for ((place, group, readings), is_twin) in self.with_twins(gathered) {
            if is_twin {
                let why = "its count of requests rises just as that of another series does, and may be that of all of them: judge them together \
                           with --by LABEL, or say --requests-of worker (each has its own count)";
                done.lock().unwrap_or_else(PoisonError::into_inner).failed.push((place, why.into()));
                continue;
            }
            // One count that goes with several workers is no own of each.
            let counts: Vec<usize> = group.members.iter().filter_map(|one| one.of(Quantity::Requests)).collect();
            let is_shared = counts.iter().collect::<BTreeSet<_>>().len() < counts.len();
            let has = |quantity: Quantity| group.members.iter().any(|member| member.of(quantity).is_some());
            let asked = Asked {
                swap: self.asked.swap.clone().filter(|_| has(Quantity::Swap)),
                requests: self.asked.requests.clone().filter(|_| has(Quantity::Requests)),
                requests_of: if is_shared { Some(RequestsOf::Pool) } else { self.asked.requests_of },
                start: self.asked.start.clone().filter(|_| has(Quantity::Start)),
                ..self.asked.clone()
            };
            let made = work(&Gathered { group, asked, readings, gap: self.gap, until: self.range.end() });
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            match made {
                Ok(made) => done.judged.push(made),
                Err(why) => done.failed.push((place, why)),
            }
        }
    }

    /// Groups of a portion, and which of them have a count of requests that another has, too, where each is judged by its own.
    fn with_twins<'a>(
        &self,
        gathered: Vec<(usize, &'a Group, Vec<Readings>)>,
    ) -> impl Iterator<Item = ((usize, &'a Group, Vec<Readings>), bool)> {
        let own = self.by.is_empty() && self.asked.requests.is_some() && self.asked.requests_of.is_none();
        let first = gathered.iter().map(|(_, _, readings)| readings.first().map_or(&[][..], |one| &one.rows[..]));
        let twins = if own { twins(&first.collect::<Vec<_>>()) } else { vec![false; gathered.len()] };
        gathered.into_iter().zip(twins)
    }

    /// The readings of a series with what goes with them, and what is known of them from the look before.
    fn put_together(
        &self,
        member: &Member,
        memory: &[Point],
        range: &Range,
        (joined, fetched): (&Joined, &Fetched),
    ) -> Vec<SeriesRow> {
        let known = |quantity: Quantity, fresh: &[Point]| {
            let labels = joined.lists.get(&quantity)?.get(member.of(quantity)?)?;
            let mut recent = self.recent?.lock().unwrap_or_else(PoisonError::into_inner);
            Some(recent.take(quantity, labels, &self.range, range, fresh))
        };
        let all = known(Quantity::Memory, memory);
        let beside = Quantity::BESIDE.map(|quantity| {
            let points = fetched.get(&quantity).and_then(|series| series.get(&member.of(quantity)?));
            let fresh = points.map(Vec::as_slice).unwrap_or_default();
            known(quantity, fresh).map_or(Cow::Borrowed(fresh), Cow::Owned)
        });
        rows(all.as_deref().unwrap_or(memory), beside.each_ref().map(|points| &points[..]))
    }
}

/// Readings of memory, each with what else there is of that moment.
fn rows(memory: &[Point], beside: [&[Point]; 3]) -> Vec<SeriesRow> {
    let mut places = [0; 3];
    let row = |point: &Point| {
        let mut values = [f64::NAN; 3];
        for ((points, place), value) in beside.iter().zip(&mut places).zip(&mut values) {
            *place += points[*place..].iter().take_while(|other| other.t < point.t).count();
            *value = points.get(*place).filter(|other| other.t == point.t).map_or(f64::NAN, |other| other.value);
        }
        let [swap, requests, start] = values;
        SeriesRow { t: point.t, memory: point.value, swap, requests, start }
    };
    memory.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_beside_memory_stays_missing() {
        let points =
            |list: &[(f64, f64)]| list.iter().map(|(t, value)| Point { t: *t, value: *value }).collect::<Vec<_>>();
        let memory = points(&[(1.0, 10.0), (2.0, 11.0), (4.0, 12.0)]);
        let swap = points(&[(0.0, 7.0), (2.0, 8.0), (3.0, 9.0)]);
        let rows = rows(&memory, [&swap, &[], &memory]);
        assert!(rows[0].swap.is_nan() && rows[2].swap.is_nan() && rows.iter().all(|row| row.requests.is_nan()));
        assert_eq!((rows[1].swap, rows[2].start, rows[2].memory), (8.0, 12.0, 12.0));
    }
}
