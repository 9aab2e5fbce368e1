//! One client: it keeps at most one connection, sends one request at a time, and notes how each ended.

use super::body::Message;
use super::connection::{Broken, Connection, Exchange};
use super::plan::{Abort, Place, Request};
use super::record::{ErrorKind, LoadRecorder, RequestEnd};
use super::script::Script;
use super::stall::Stalls;
use crate::config::AbortPoint;
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout_at};

/// Pieces in which the body of a slow drip is sent.
const DRIPS: u64 = 20;
/// Pause after the first broken connection in a row; it doubles with each more, up to the longest.
const SHORTEST_BACKOFF: Duration = Duration::from_millis(10);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

/// What all clients of a run share.
pub(super) struct Shared {
    pub(super) script: Script,
    pub(super) recorder: RefCell<LoadRecorder>,
    pub(super) stalls: Stalls,
    /// Connections opened so far: they go to the servers in turn.
    pub(super) opened: Cell<usize>,
    /// Requests numbered so far, in all phases.
    pub(super) numbered: Cell<u64>,
}

/// One client.
#[derive(Default)]
pub(super) struct Client {
    connection: Option<(Connection, usize)>,
    head: Vec<u8>,
    /// Connections that broke in a row.
    broken: u32,
}

/// How an attempt at a request ended.
struct Attempt {
    result: Result<Sent, Failure>,
    bytes_sent: u64,
    /// Whether the connection was a kept one on which nothing was heard: the server may have closed it before the
    /// request came.
    stale: bool,
}

enum Sent {
    Answered(u16),
    Aborted,
}

enum Failure {
    Timeout,
    Broken(Broken),
}

impl Client {
    /// Sends the request at `place`, which was to begin at `intended`, and notes how it ended.
    pub(super) async fn send(&mut self, shared: &Shared, place: Place, intended: Instant) {
        let request = shared.script.plan.request(place);
        let begun = Instant::now();
        shared.recorder.borrow_mut().sent(request.step, begun);
        let deadline = begun + shared.script.timeout;
        let mut attempt = self.attempt(shared, &request, deadline).await;
        let mut bytes_sent = attempt.bytes_sent;
        if attempt.stale && matches!(attempt.result, Err(Failure::Broken(Broken::Closed | Broken::Reset(_)))) {
            shared.recorder.borrow().reconnected();
            attempt = self.attempt(shared, &request, deadline).await;
            bytes_sent += attempt.bytes_sent;
        }
        let now = Instant::now();
        shared.stalls.look(now);
        // How long it would have taken if the harness had gone on can't be known.
        let stalled = shared.stalls.since(intended);
        let latency = (!stalled).then(|| now.duration_since(intended));
        let step = &shared.script.steps[request.step];
        let mut recorder = shared.recorder.borrow_mut();
        self.broken = match &attempt.result {
            Err(Failure::Broken(_)) => self.broken.saturating_add(1),
            _ => 0,
        };
        let outcome = match attempt.result {
            Err(_) if stalled => return,
            Ok(Sent::Aborted) => RequestEnd::Aborted,
            Ok(Sent::Answered(status)) if step.expect.contains(&status) => RequestEnd::Ok(status),
            Ok(Sent::Answered(status)) => {
                recorder.explain(request.step, format_args!("unexpected status {status}"));
                RequestEnd::Failed(ErrorKind::Status, Some(status))
            }
            Err(Failure::Timeout) => {
                let timeout = crate::config::Span(shared.script.timeout);
                recorder.explain(request.step, format_args!("no answer within {timeout}"));
                RequestEnd::Failed(ErrorKind::Timeout, None)
            }
            Err(Failure::Broken(broken)) => {
                recorder.explain(request.step, &broken);
                RequestEnd::Failed(kind(&broken), None)
            }
        };
        recorder.ended(request.step, outcome, latency, bytes_sent, now);
    }

    /// How long to wait before the next request, so that a server that can't be reached isn't hammered.
    pub(super) fn backoff(&self) -> Duration {
        match self.broken {
            0 => Duration::ZERO,
            n => LONGEST_BACKOFF.min(SHORTEST_BACKOFF * (1 << (n - 1).min(10))),
        }
    }

    /// Closes the connection.
    pub(super) fn disconnect(&mut self) {
        self.connection = None;
    }

    async fn attempt(&mut self, shared: &Shared, request: &Request, deadline: Instant) -> Attempt {
        let reused = self.connection.is_some();
        let deadline = tokio::time::Instant::from_std(deadline);
        let opened = match self.connection.take() {
            Some(kept) => Ok(kept),
            None => {
                let server = shared.opened.get() % shared.script.servers.len();
                shared.opened.set(shared.opened.get().wrapping_add(1));
                match timeout_at(deadline, Connection::open(&shared.script.servers[server].addresses)).await {
                    Ok(opened) => opened.map(|connection| (connection, server)).map_err(Failure::Broken),
                    Err(_) => Err(Failure::Timeout),
                }
            }
        };
        let (mut connection, server) = match opened {
            Ok(opened) => opened,
            Err(failure) => return Attempt { result: Err(failure), bytes_sent: 0, stale: false },
        };
        connection.requests += 1;
        let last = shared.script.requests_per_connection.is_some_and(|most| connection.requests >= most);
        let message = shared.script.message(request, server, last, &mut self.head);
        let mut exchange = Exchange::new(message, shared.script.steps[request.step].is_head);
        let ended = match request.abort {
            None => timeout_at(deadline, connection.complete(&mut exchange)).await,
            Some(abort) => {
                let drip = shared.script.timeout / 2;
                timeout_at(deadline, break_off(&mut connection, &mut exchange, &message, abort, drip)).await
            }
        };
        let whole = exchange.answer.whole();
        let result = match (request.abort, ended, whole) {
            (Some(_), Err(_), _) => Ok(Sent::Aborted),
            (Some(_), Ok(Ok(())), _) => Ok(Sent::Aborted),
            // The server was faster; on a kept connection it may just have been gone.
            (Some(_), Ok(Err(_)), _) if !reused => Ok(Sent::Aborted),
            (_, Ok(Err(broken)), _) => Err(Failure::Broken(broken)),
            // The answer had come whole, though the server never took the rest of the request.
            (None, _, Some(status)) => Ok(Sent::Answered(status)),
            (None, _, None) => Err(Failure::Timeout),
        };
        let attempt = Attempt { bytes_sent: exchange.body_sent(), stale: reused && !exchange.heard, result };
        let keep = request.abort.is_none() && !last && exchange.leaves_reusable() && !connection.is_out_of_step();
        if keep {
            self.connection = Some((connection, server));
        }
        attempt
    }
}

/// Sends a part of the request, at the abort's pace, and no more.
async fn break_off(
    connection: &mut Connection,
    exchange: &mut Exchange<'_>,
    message: &Message<'_>,
    abort: Abort,
    drip: Duration,
) -> Result<(), Broken> {
    let head = message.head.len() as u64;
    let bytes = abort.bytes(message.body_len());
    if abort.point == AbortPoint::SlowDrip {
        for nth in 0..DRIPS {
            connection.send_part(exchange, head + bytes * nth / DRIPS).await?;
            sleep(drip / DRIPS as u32).await;
        }
    }
    connection.send_part(exchange, head + bytes).await
}

fn kind(broken: &Broken) -> ErrorKind {
    match broken {
        Broken::Connect(_) => ErrorKind::Connect,
        Broken::Reset(_) => ErrorKind::Reset,
        Broken::Closed => ErrorKind::Closed,
        Broken::Protocol(_) | Broken::Oversized => ErrorKind::Protocol,
    }
}
