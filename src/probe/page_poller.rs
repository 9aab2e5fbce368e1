//! Asks for a status page now and then, and leaves out of its counts what asking for it has added to them.
//!
//! A page is answered by one of the workers that it is about, which counts that as a request. On a quiet service these
//! would be most of what is counted, and a leak would be shared out over them.

use super::status_page::{ByPid, StatusPage};
use crate::{http, thread};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a look-up may take: it needs a free worker to answer.
pub(super) const PAGE_TIMEOUT: Duration = Duration::from_secs(2);

/// The shortest and the longest pause between two look-ups.
const OFTEN: Duration = Duration::from_millis(250);
const RARELY: Duration = Duration::from_secs(5);

/// Look-ups in the time in which a run doubles its length, at least: a short run needs some.
const EACH_LENGTH: u32 = 60;

/// Requests of others between two look-ups, where there is time for so many.
const OTHERS: f64 = 5.0;

/// The look-ups of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LookUps {
    /// Pages read.
    pub made: u64,
    /// Of these, the ones that are in no worker's count: the page showed who made it.
    pub left_out: u64,
}

/// Asks until it is dropped; the last answer is there to be taken.
#[derive(Debug)]
pub(super) struct PagePoller {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// The last answer, until it is taken.
    latest: Option<Result<ByPid, String>>,
    look_ups: LookUps,
}

impl PagePoller {
    /// Starts asking for `url`, whose answers `parse` reads, given what was asked for.
    ///
    /// # Errors
    /// If its thread can't be started.
    pub fn start<P>(url: String, parse: P) -> io::Result<Self>
    where
        P: Fn(&[u8], &str) -> Result<StatusPage, String> + Send + 'static,
    {
        let state = Arc::new(Mutex::new(State::default()));
        let ours = Arc::downgrade(&state);
        thread::start("status page", move || {
            let begun = Instant::now();
            let path = path(&url);
            let mut counts = Counts::default();
            while let Some(state) = ours.upgrade() {
                let answer = match http::get(&url, PAGE_TIMEOUT) {
                    Ok((200, page)) => parse(&page, &path).map(|page| counts.without_ours(page)),
                    Ok((status, _)) => Err(format!("status {status}")),
                    Err(error) => Err(error.to_string()),
                };
                let mut state_now = state.lock().unwrap_or_else(PoisonError::into_inner);
                state_now.look_ups = counts.look_ups;
                state_now.latest = Some(answer.map_err(|e| format!("{url}: {e}")));
                drop(state_now);
                drop(state);
                std::thread::sleep(pause(begun.elapsed(), counts.others));
            }
        })?;
        Ok(PagePoller { state })
    }

    /// The last answer, if there is one that wasn't taken yet.
    pub fn take(&self) -> Option<Result<ByPid, String>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).latest.take()
    }

    /// What was asked for so far.
    pub fn look_ups(&self) -> LookUps {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).look_ups
    }
}

/// Path and query of a URL, as a server's log has them.
fn path(url: &str) -> String {
    let parsed = url::Url::parse(url).ok();
    parsed.map_or_else(String::new, |url| match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    })
}

/// The pause after a look-up, `elapsed` after the first, when `others` requests of others were counted since.
fn pause(elapsed: Duration, others: u64) -> Duration {
    let wanted = elapsed.mul_f64(OTHERS / others.max(1) as f64);
    wanted.clamp(OFTEN, (elapsed / EACH_LENGTH).clamp(OFTEN, RARELY))
}

/// Counts without our own look-ups.
#[derive(Debug, Default)]
struct Counts {
    /// What each worker's count had at the last look, ours included, and how many of it are ours.
    workers: HashMap<u32, (u64, u64)>,
    look_ups: LookUps,
    /// Requests of others since the first look.
    others: u64,
}

impl Counts {
    fn without_ours(&mut self, page: StatusPage) -> ByPid {
        let first = self.look_ups.made == 0;
        self.look_ups.made += 1;
        self.look_ups.left_out += u64::from(page.made_by.is_some());
        let mut served = ByPid::new();
        for (pid, count) in page.served {
            let (before, mut ours) = self.workers.get(&pid).copied().unwrap_or((0, 0));
            if count < before {
                // Another worker with the same PID.
                ours = 0;
            }
            let makes_this = page.made_by == Some(pid);
            let now = u64::from(makes_this && page.counts_itself);
            served.insert(pid, count.saturating_sub(ours + now));
            if !first {
                self.others += count.saturating_sub(before.min(count)).saturating_sub(u64::from(makes_this));
            }
            self.workers.insert(pid, (count, ours + u64::from(makes_this)));
        }
        // Who is on the page no more has ended.
        self.workers.retain(|pid, _| served.contains_key(pid));
        served
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(served: &[(u32, u64)], made_by: Option<u32>, counts_itself: bool) -> StatusPage {
        StatusPage { served: served.iter().copied().collect(), made_by, counts_itself }
    }

    #[test]
    fn our_own_look_ups_are_left_out_whenever_the_server_counts_them() {
        // A server that counts at the end of a request: the look-up shows in the next page.
        let mut counts = Counts::default();
        assert_eq!(counts.without_ours(page(&[(1, 10), (2, 0)], Some(1), false)), ByPid::from([(1, 10), (2, 0)]));
        assert_eq!(counts.without_ours(page(&[(1, 11), (2, 4)], Some(2), false)), ByPid::from([(1, 10), (2, 4)]));
        assert_eq!(counts.without_ours(page(&[(1, 11), (2, 5)], None, false)), ByPid::from([(1, 10), (2, 4)]));
        assert_eq!(counts.look_ups, LookUps { made: 3, left_out: 2 });
        // One that counts at its beginning: it is in this page already.
        let mut counts = Counts::default();
        assert_eq!(counts.without_ours(page(&[(1, 10)], Some(1), true)), ByPid::from([(1, 9)]));
        assert_eq!(counts.without_ours(page(&[(1, 13)], Some(1), true)), ByPid::from([(1, 11)]));
    }

    #[test]
    fn another_worker_with_the_same_pid_has_none_of_our_look_ups() {
        let mut counts = Counts::default();
        for count in 10..20 {
            counts.without_ours(page(&[(1, count)], Some(1), false));
        }
        assert_eq!(counts.without_ours(page(&[(1, 3)], None, false)), ByPid::from([(1, 3)]));
        counts.without_ours(page(&[(2, 0)], None, false));
        assert_eq!(counts.without_ours(page(&[(1, 5)], None, false)), ByPid::from([(1, 5)]));
    }

    #[test]
    fn a_quiet_service_is_asked_rarely_and_a_short_run_often_enough() {
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        assert_eq!(pause(10 * second, 5000), OFTEN, "a busy one");
        assert_eq!(pause(10 * second, 2), OFTEN, "there is no time to be seldom yet");
        assert_eq!(pause(minute, 60), second);
        assert_eq!(pause(20 * minute, 1200), RARELY);
        assert_eq!(pause(20 * minute, 0), RARELY);
        assert_eq!(pause(20 * minute, 120_000), OFTEN);
    }

    #[test]
    fn what_is_asked_for_is_what_a_log_shows() {
        assert_eq!(path("http://127.0.0.1:80/status?full&json"), "/status?full&json");
        assert_eq!(path("http://127.0.0.1"), "/");
    }
}
