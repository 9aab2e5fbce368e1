//! One round of a watch: what is fetched, judged and concluded, and what is known after it.

use super::super::{Arguments, asking, budgeted, now, range, shown};
use crate::config;
use crate::fleet::{Recent, written};
use crate::prometheus::{Asking, Gathered, Server};
use crate::report::{Figures, Shown};
use crate::table::prometheus::Labels;
use crate::verdict;
use crate::watch::{Watched, last_life, tell};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Seconds without a reading after which a series isn't shown any more: as long as Prometheus itself takes a value for the present one.
const SILENT: f64 = 300.0;

/// What is known of a fleet.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct State {
    /// Address of the server that was asked.
    pub server: String,
    /// When everything could be fetched last, in Unix time.
    pub last_success: Option<f64>,
    /// Up to when readings were asked for last, in Unix time.
    until: f64,
    /// Each series by its labels as Prometheus writes them.
    series: BTreeMap<String, Known>,
}

/// What is known of a series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Known {
    labels: Labels,
    watched: Watched,
    figures: Figures,
}

impl Known {
    fn shown(&self) -> Shown<'_> {
        Shown { labels: shown(&self.labels), figures: Some(&self.figures), told: self.watched.told }
    }
}

impl State {
    /// Whether its numbers can be true.
    pub fn is_sound(&self) -> bool {
        self.until.is_finite() && self.series.values().all(|known| known.watched.is_sound())
    }

    /// All series that had readings until the last round.
    pub fn shown(&self) -> Vec<Shown<'_>> {
        self.series.values().filter(|known| known.watched.last() >= self.until - SILENT).map(Known::shown).collect()
    }

    /// Lets go, and returns, series that weren't seen and have had no reading since `ended`. What isn't in one answer may be in the next.
    fn let_go(&mut self, seen: &BTreeSet<String>, ended: f64) -> Vec<Known> {
        let mut gone = Vec::new();
        self.series.retain(|name, known| {
            let stays = seen.contains(name) || known.watched.last() >= ended;
            if !stays {
                gone.push(known.clone());
            }
            stays
        });
        gone
    }

    /// Those that are told to leak.
    fn told(&self) -> BTreeSet<String> {
        let told = |(_, known): &(&String, &Known)| known.watched.told.is_some();
        self.series.iter().filter(told).map(|(name, _)| name.clone()).collect()
    }
}

/// What came of a round.
pub struct Round {
    /// Series that were judged.
    pub judged: usize,
    /// Those that weren't, and never were.
    pub unjudged: Vec<Labels>,
    /// Those that are known, and had no reading in the answers.
    pub missing: usize,
    /// Warnings of the server.
    pub warnings: usize,
    /// What could not be fetched, and why.
    pub failed: Option<String>,
}

/// Fetches and judges all once; `state` is what is known then. `change` is told each series that leaks from now on, and each that doesn't any more.
/// What can't be fetched stays as it was.
pub fn judge(
    arguments: &Arguments,
    every: Duration,
    state: &mut State,
    recent: &Mutex<Recent>,
    change: impl Fn(&Shown<'_>, bool),
) -> Round {
    let mut round = Round { judged: 0, unjudged: Vec::new(), missing: 0, warnings: 0, failed: None };
    let before = state.told();
    let gone = match fetch(arguments, every, state, recent, &mut round) {
        Ok(gone) => gone,
        Err(failed) => {
            round.failed = Some(config::without_secrets(&failed));
            return round;
        }
    };
    let after = state.told();
    after.difference(&before).filter_map(|name| state.series.get(name)).for_each(|known| change(&known.shown(), false));
    before.difference(&after).filter_map(|name| state.series.get(name)).for_each(|known| change(&known.shown(), true));
    gone.iter().filter(|known| known.watched.told.is_some()).for_each(|known| change(&known.shown(), true));
    round
}

/// Takes in what the server has, and returns what it has no more.
fn fetch(
    arguments: &Arguments,
    every: Duration,
    state: &mut State,
    recent: &Mutex<Recent>,
    round: &mut Round,
) -> Result<Vec<Known>, String> {
    let range = range(arguments, every.as_secs_f64())?;
    // The token is read again, for it may have been replaced.
    let head = arguments.access.head().map_err(|problem| problem.text)?;
    let server = Server::new(&arguments.url, head, arguments.access.timeout.0)?;
    let mut asking = Asking { recent: Some(recent), ..asking(arguments, &server, range)? };
    let mut joined = asking.list()?;
    if joined.groups.is_empty() {
        return Err(asking.nothing());
    }
    joined.left_out.keys().for_each(|quantity| asking.leave_out(*quantity));
    let length = arguments.since.0.as_secs_f64();
    let known = &state.series;
    let done = asking.each(&mut joined, |gathered| {
        let name = written(&gathered.group.labels);
        let before = known.get(&name).map(|known| known.watched);
        let made = look(arguments, gathered, before, (range.start, range.end(), asking.gap), length);
        Ok((name, gathered.group.labels.clone(), made))
    });
    let done = done.map_err(|error| error.to_string())?;
    round.warnings = server.warnings().len();
    if round.warnings > 0 {
        // What was missing this time may be there the next: it isn't known to be nothing.
        *recent.lock().unwrap_or_else(PoisonError::into_inner) = Recent::default();
    }
    let (mut seen, mut why) = (BTreeSet::new(), None);
    for (name, labels, made) in done.judged {
        seen.insert(name.clone());
        match made {
            Ok((watched, figures)) => {
                round.judged += 1;
                state.series.insert(name, Known { labels, watched, figures });
            }
            // Too few readings, as of what has just begun.
            Err(what) if !state.series.contains_key(&name) => {
                round.unjudged.push(labels);
                why.get_or_insert(what);
            }
            Err(_) => {}
        }
    }
    for (place, why) in done.failed {
        let Some(group) = joined.groups.get(place) else { continue };
        let name = written(&group.labels);
        if !state.series.contains_key(&name) {
            round.unjudged.push(group.labels.clone());
        }
        seen.insert(name);
        round.failed.get_or_insert_with(|| config::without_secrets(&why));
    }
    // Of what is known, it is counted that it is missing.
    for (labels, what) in done.lost {
        if !state.series.contains_key(&written(&labels)) {
            round.unjudged.push(labels);
            why.get_or_insert(what);
        }
    }
    if let Some(why) = why.filter(|_| round.judged == 0) {
        round.failed.get_or_insert(format!("no series could be judged: {}", config::without_secrets(&why)));
    }
    // Where the server says that something is missing, nothing has ended.
    let ended = if round.warnings > 0 { f64::NEG_INFINITY } else { range.end() - length };
    let gone = state.let_go(&seen, ended);
    round.missing = state.series.keys().filter(|name| !seen.contains(*name)).count();
    if seen.is_empty() && round.missing > 0 {
        round
            .failed
            .get_or_insert_with(|| format!("none of the {} series that are known has a reading", round.missing));
    }
    state.until = range.end();
    if round.failed.is_none() {
        state.last_success = Some(now());
    }
    tell(now(), state.series.values_mut().map(|known| &mut known.watched));
    Ok(gone)
}

/// Judges a series, and takes in its window if it has one by now.
fn look(
    arguments: &Arguments,
    gathered: &Gathered<'_>,
    before: Option<Watched>,
    (from, to, gap): (f64, f64, f64),
    length: f64,
) -> Result<(Watched, Figures), String> {
    let record = budgeted(arguments, gathered.table()?)?;
    let verdict = verdict::judge(&record);
    let limit = arguments.watching.limit.map(|limit| limit.0);
    let missing = || "it has no reading of memory".to_owned();
    let figures = Figures::new(&record, &verdict, limit).ok_or_else(missing)?;
    let life = last_life(&record, gathered.begun(&record), from, gap).ok_or_else(missing)?;
    let mut watched = before.unwrap_or_else(|| Watched::new(to, life));
    watched.follow(life);
    if let Some(after) = watched.window(length)
        && let Ok(table) = gathered.table_after(after)
    {
        watched.look(&budgeted(arguments, table)?);
    }
    Ok((watched, figures))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use crate::watch::Life;

    #[test]
    fn what_one_answer_lacks_has_not_ended() {
        let (record, verdict) = fixture::leak();
        let figures = Figures::new(&record, &verdict, None).unwrap();
        let mut watched = Watched::new(0.0, Life { begun: 0.0, until: 1000.0, last: 1000.0, is_whole: true });
        watched.told = Some(900.0);
        let known = Known { labels: Labels::new(), watched, figures };
        let mut state = State { series: [("a".to_owned(), known)].into(), ..State::default() };
        assert!(state.let_go(&BTreeSet::new(), 1000.0).is_empty());
        assert_eq!(state.told(), ["a".to_owned()].into(), "and is told as before");
        assert!(state.let_go(&["a".to_owned()].into(), 2000.0).is_empty());
        assert_eq!(state.let_go(&BTreeSet::new(), 1001.0).len(), 1);
        assert!(state.series.is_empty());
    }
}
