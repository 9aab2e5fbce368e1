//! The built-in driver: clients that send a phase's requests, all on the calling thread.
//!
//! A phase has a controller and clients. The controller knows time, ramps and the phase's end; in the open model it
//! also hands out arrivals. Clients take numbers or arrivals until there are no more. Clients keep their connections
//! from one phase with load to the next.

use super::client::{Client, Shared};
use super::counters::Counters;
use super::mix::{Pairs, mix_blocks};
use super::pacing::{Arrivals, Ramp};
use super::plan::Place;
use super::record::{ErrorKind, LoadRecorder, RequestEnd};
use super::script::Script;
use super::stall::Stalls;
use super::timer::Timer;
use super::{PhaseEnd, WorkloadError, is_set};
use crate::config::{PhaseConfig, WorkloadConfig};
use crate::model::{LoadSample, PhaseKind};
use nix::sys::resource::{Resource, getrlimit};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::task::LocalSet;
use tokio::time::sleep;

/// How often the controller looks at the stop flag, the time and the pool.
const TICK: Duration = Duration::from_millis(20);
/// Arrivals that are closer together than this are handed out together.
const SHORTEST_WAIT: Duration = Duration::from_micros(50);
/// Most requests in flight in the open model when the harness file sets no `concurrency`.
const OPEN_CONCURRENCY: u32 = 256;

/// The built-in HTTP driver.
pub(super) struct HttpLoad {
    timer: Rc<Timer>,
    shared: Rc<Shared>,
    config: WorkloadConfig,
    /// Clients that aren't at work, with their connections.
    resting: Rc<RefCell<Vec<Client>>>,
    /// The load at the end of the last phase that had load.
    load: Option<f64>,
    /// Whether a soak phase was driven in the open model.
    open_soak: bool,
    /// Blocks of the mix in each soak phase, and in those that were driven.
    blocks: u32,
    mixed: u64,
    /// Last, because timers and connections must be dropped before it.
    runtime: Runtime,
}

/// A phase under way, as its clients see it.
struct Phase {
    /// Requests it may have, if that is limited; the number may change with the pool.
    goal: Cell<Option<u64>>,
    /// Requests begun; in the open model, arrivals.
    begun: Cell<u64>,
    /// The number of its first request in the run.
    first: u64,
    /// Blocks of the mix, and the number of the first of them in the run.
    blocks: u32,
    first_block: u64,
    pairs: Cell<Pairs>,
    /// The part of its time that is over, if that is limited.
    by_time: Cell<f64>,
    /// No new requests: it ends when those in flight have ended.
    over: Cell<bool>,
    /// Closed model: clients with a lower index send.
    active: Cell<u32>,
    /// Open model: arrivals that no client has taken yet.
    queue: RefCell<VecDeque<(Place, Instant)>>,
    /// Clients that haven't ended, and those of them that wait for an arrival.
    clients: Cell<u32>,
    idle: Cell<u32>,
    /// `over` or `active` changed.
    changed: Notify,
    /// An arrival was queued.
    arrived: Notify,
    /// A client has ended.
    ended: Notify,
}

/// The load model of a phase.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Model {
    Closed(Ramp),
    Open { rate: Ramp, most: u32 },
}

impl HttpLoad {
    pub(super) fn new(
        config: &WorkloadConfig,
        origin: Instant,
        counters: Arc<Counters>,
        seconds: mpsc::Sender<LoadSample>,
    ) -> Result<HttpLoad, WorkloadError> {
        let script = Script::new(config)?;
        check_descriptors(config)?;
        let cannot_start = |e| WorkloadError::new("workload", format!("can't start the driver: {e}"));
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().map_err(cannot_start)?;
        let timer = {
            let _inside = runtime.enter();
            Rc::new(Timer::new().map_err(cannot_start)?)
        };
        let recorder = RefCell::new(LoadRecorder::new(origin, counters, seconds));
        Ok(HttpLoad {
            timer,
            shared: Rc::new(Shared {
                script,
                recorder,
                stalls: Stalls::default(),
                opened: Cell::new(0),
                numbered: Cell::new(0),
            }),
            config: config.clone(),
            resting: Rc::default(),
            load: None,
            open_soak: false,
            blocks: blocks_of(config, 1),
            mixed: 0,
            runtime,
        })
    }

    /// Each soak comes in so many phases: its blocks are shared out over them.
    pub(super) fn in_parts(&mut self, parts: u32) {
        self.blocks = blocks_of(&self.config, parts);
    }

    pub(super) fn recorder(&self) -> std::cell::Ref<'_, LoadRecorder> {
        self.shared.recorder.borrow()
    }

    /// The model of the soak phases.
    pub(super) fn model(&self) -> &'static str {
        if self.open_soak || self.config.rate.is_some() { "open" } else { "closed" }
    }

    /// How long the thread did not run in its phases.
    pub(super) fn stalled(&self) -> Duration {
        self.shared.stalls.lost()
    }

    /// Closes all connections.
    pub(super) fn disconnect(&mut self) {
        self.resting.borrow_mut().clear();
    }

    pub(super) fn run(
        &mut self,
        phase: &PhaseConfig,
        pool: &(dyn Fn() -> usize + Sync),
        stop: &AtomicBool,
    ) -> PhaseEnd {
        let model = match self.model_of(phase) {
            Some(model) => model,
            None => {
                return PhaseEnd::Failed("the phase has no load: give `rate` or `concurrency` in `workload`".into());
            }
        };
        let soak = phase.kind == PhaseKind::Soak;
        self.open_soak |= soak && matches!(model, Model::Open { .. });
        let blocks = if soak { self.blocks } else { 0 };
        let state = Rc::new(Phase::new(self.shared.numbered.get(), blocks, self.mixed));
        self.mixed += u64::from(blocks);
        let begun = Instant::now();
        self.shared.recorder.borrow_mut().begin_phase(soak, begun);
        self.shared.stalls.begin(begun);
        let lost_before = self.shared.stalls.lost();
        let controller = Controller {
            phase,
            model,
            pool,
            stop,
            begun: Cell::new(begun),
            lost: Cell::new(lost_before),
            state: state.clone(),
            timer: self.timer.clone(),
            shared: self.shared.clone(),
            resting: self.resting.clone(),
        };
        let tasks = LocalSet::new();
        let end = self.runtime.block_on(tasks.run_until(controller.run()));
        // Ends what is still in flight after a stop.
        drop(tasks);
        self.shared.numbered.set(state.first + state.begun.get());
        self.shared.recorder.borrow_mut().end_phase(Instant::now());
        end
    }

    /// The phase's own load is reached in a straight line from that of the phase before; a phase without one has the
    /// workload's from its beginning.
    fn model_of(&mut self, phase: &PhaseConfig) -> Option<Model> {
        let mut ramp = |own: Option<f64>, usual: Option<f64>| {
            let to = own.or(usual)?;
            let from = if own.is_some() { self.load.unwrap_or(to) } else { to };
            self.load = Some(to);
            Some(Ramp { from, to })
        };
        match (phase.rate, self.config.rate) {
            (None, None) => {
                let own = phase.concurrency.map(f64::from);
                ramp(own, self.config.concurrency.map(f64::from)).map(Model::Closed)
            }
            (own, usual) => {
                let most = phase.concurrency.or(self.config.concurrency).unwrap_or(OPEN_CONCURRENCY).max(1);
                let rate = ramp(own.map(|rate| rate.per_second), usual.map(|rate| rate.per_second))?;
                Some(Model::Open { rate, most })
            }
        }
    }
}

/// Blocks of the mix in a soak phase that is one of so many parts of a soak.
fn blocks_of(config: &WorkloadConfig, parts: u32) -> u32 {
    match mix_blocks(config) {
        0 => 0,
        blocks => (blocks / parts.max(1)).max(1),
    }
}

/// Refuses more connections than this process may have descriptors.
fn check_descriptors(config: &WorkloadConfig) -> Result<(), WorkloadError> {
    /// What the harness itself may need: a few for each worker it reads.
    const RESERVED: u64 = 100;
    let most = u64::from(config.concurrency.unwrap_or(0));
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((limit, _)) if most + RESERVED > limit => Err(WorkloadError::new(
            "workload.concurrency",
            format!("{most} connections need more than the {limit} descriptors allowed; raise the limit (`ulimit -n`)"),
        )),
        _ => Ok(()),
    }
}

impl Phase {
    fn new(first: u64, blocks: u32, first_block: u64) -> Phase {
        Phase {
            goal: Cell::new(None),
            begun: Cell::new(0),
            first,
            blocks,
            first_block,
            pairs: Cell::default(),
            by_time: Cell::new(0.0),
            over: Cell::new(false),
            active: Cell::new(0),
            queue: RefCell::default(),
            clients: Cell::new(0),
            idle: Cell::new(0),
            changed: Notify::new(),
            arrived: Notify::new(),
            ended: Notify::new(),
        }
    }

    /// The place of the next request, unless the phase is over.
    fn next(&self) -> Option<Place> {
        let begun = self.begun.get();
        if self.over.get() || self.goal.get().is_some_and(|goal| begun >= goal) {
            return None;
        }
        self.begun.set(begun + 1);
        Some(Place { number: self.first + begun, block: self.block(begun) })
    }

    /// The block of the mix into which the request falls before which so many were begun. By requests, where they limit
    /// the phase: then it doesn't depend on how fast the target answers.
    fn block(&self, begun: u64) -> Option<u64> {
        let last = self.blocks.checked_sub(1)?;
        let time = self.by_time.get();
        let block = match self.goal.get() {
            // A phase with half of a pair has its block to its end.
            None if self.has_whole_pairs() => {
                let mut pairs = self.pairs.get();
                let block = pairs.block(self.blocks, begun, time);
                self.pairs.set(pairs);
                block?
            }
            goal => {
                let by_count = goal.map_or(0.0, |goal| begun as f64 / goal as f64);
                ((time.max(by_count) * f64::from(self.blocks)) as u32).min(last)
            }
        };
        Some(self.first_block + u64::from(block))
    }

    fn has_whole_pairs(&self) -> bool {
        self.blocks.is_multiple_of(2) && self.first_block.is_multiple_of(2)
    }

    /// Waits this long, or until the phase is over.
    async fn pause(&self, duration: Duration) {
        let until = Instant::now() + duration;
        while !self.over.get() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = sleep(left) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    fn end(&self) {
        self.over.set(true);
        self.changed.notify_waiters();
        self.arrived.notify_waiters();
    }
}

/// Leads a phase from its beginning to its end.
struct Controller<'a> {
    phase: &'a PhaseConfig,
    model: Model,
    pool: &'a (dyn Fn() -> usize + Sync),
    stop: &'a AtomicBool,
    /// When the phase began, moved on by the stalls of the harness: what was due in one is not made up for.
    begun: Cell<Instant>,
    /// The stalls of all phases that `begun` takes into account.
    lost: Cell<Duration>,
    state: Rc<Phase>,
    timer: Rc<Timer>,
    shared: Rc<Shared>,
    resting: Rc<RefCell<Vec<Client>>>,
}

impl Controller<'_> {
    async fn run(self) -> PhaseEnd {
        let mut arrivals = match self.model {
            Model::Closed(ramp) => {
                let most = ramp.from.max(ramp.to).round() as u32;
                self.disconnect_all_but(most);
                (0..most).for_each(|index| self.start_client(Some(index)));
                None
            }
            Model::Open { rate, most } => {
                self.disconnect_all_but(most);
                Some(Arrivals::new(rate.from))
            }
        };
        loop {
            if is_set(self.stop) {
                return PhaseEnd::Stopped;
            }
            let now = Instant::now();
            self.shared.recorder.borrow_mut().roll(now);
            self.pass_over_stalls(now);
            let elapsed = now.saturating_duration_since(self.begun.get()).as_secs_f64();
            let progress = self.progress(elapsed);
            let mut next = TICK;
            match (self.model, &mut arrivals) {
                (Model::Open { rate, most }, Some(arrivals)) => {
                    if !self.state.over.get() {
                        // What arrives after the phase's end isn't asked for.
                        let limit = self.phase.duration.map_or(elapsed, |span| elapsed.min(span.0.as_secs_f64()));
                        let times = arrivals.advance(limit, rate.at(progress));
                        self.queue(times, most);
                        next = Duration::from_secs_f64(arrivals.next_in().min(TICK.as_secs_f64())).max(SHORTEST_WAIT);
                    }
                }
                (Model::Closed(ramp) | Model::Open { rate: ramp, .. }, _) => {
                    let active = ramp.at(progress).round() as u32;
                    if self.state.active.replace(active) != active {
                        self.state.changed.notify_waiters();
                    }
                }
            }
            if progress >= 1.0 && !self.state.over.get() {
                self.state.end();
            }
            if self.state.over.get() && self.state.clients.get() == 0 {
                return PhaseEnd::Complete;
            }
            tokio::select! {
                () = self.wait(next) => {}
                () = self.state.ended.notified() => {}
            }
        }
    }

    /// Moves the phase on by the time in which the harness did not run, and what waits for its turn with it.
    fn pass_over_stalls(&self, now: Instant) {
        self.shared.stalls.look(now);
        let lost = self.shared.stalls.lost();
        let stalled = lost.saturating_sub(self.lost.replace(lost));
        self.begun.set(self.begun.get() + stalled);
        self.state.queue.borrow_mut().iter_mut().for_each(|(_, intended)| *intended += stalled);
    }

    async fn wait(&self, duration: Duration) {
        // The kernel can't refuse a timer that it has made; if it does all the same, the coarser clock serves.
        if self.timer.sleep(duration).await.is_err() {
            sleep(duration).await;
        }
    }

    /// Lets go of connections that no client of this phase could use: each would hold a worker of the target.
    fn disconnect_all_but(&self, most: u32) {
        self.resting.borrow_mut().truncate(most as usize);
    }

    /// How much of the phase is done: 1 is its end. Also brings the goal up to date with the pool.
    fn progress(&self, elapsed: f64) -> f64 {
        // The pool may be empty for a moment while its workers are replaced.
        let per_worker = self.phase.requests_per_worker.map(|each| each.saturating_mul((self.pool)().max(1) as u64));
        let goal = [self.phase.requests, per_worker].into_iter().flatten().min();
        self.state.goal.set(goal);
        let by_time = self.phase.duration.map(|span| elapsed / span.0.as_secs_f64());
        self.state.by_time.set(by_time.filter(|share| share.is_finite()).unwrap_or(0.0));
        let by_count = goal.map(|goal| self.state.begun.get() as f64 / goal as f64);
        // A length of zero gives infinity or, at the very beginning, no number: both mean done.
        let done = |share: f64| if share.is_nan() { 1.0 } else { share };
        by_time.into_iter().chain(by_count).map(done).fold(0.0, f64::max)
    }

    /// Queues arrivals and starts clients for them, up to `most`.
    fn queue(&self, times: impl Iterator<Item = f64>, most: u32) {
        for time in times {
            let Some(place) = self.state.next() else { return };
            let intended = self.begun.get() + Duration::from_secs_f64(time);
            self.state.queue.borrow_mut().push_back((place, intended));
            self.state.arrived.notify_one();
            if self.state.queue.borrow().len() > self.state.idle.get() as usize && self.state.clients.get() < most {
                self.start_client(None);
            }
        }
    }

    /// Starts a client: of the closed model with its index, else of the open model.
    fn start_client(&self, index: Option<u32>) {
        let client = self.resting.borrow_mut().pop().unwrap_or_default();
        let (phase, shared, resting) = (self.state.clone(), self.shared.clone(), self.resting.clone());
        phase.clients.set(phase.clients.get() + 1);
        tokio::task::spawn_local(async move {
            let client = match index {
                Some(index) => closed(client, index, &phase, &shared).await,
                None => open(client, &phase, &shared).await,
            };
            resting.borrow_mut().push(client);
            phase.clients.set(phase.clients.get() - 1);
            phase.ended.notify_one();
        });
    }
}

/// A client of the closed model: the next request when the last is answered.
async fn closed(mut client: Client, index: u32, phase: &Phase, shared: &Shared) -> Client {
    loop {
        if index >= phase.active.get() {
            // It isn't its turn: it must not hold a worker of the target meanwhile.
            client.disconnect();
            if !phase.over.get() {
                phase.changed.notified().await;
                continue;
            }
        }
        let Some(place) = phase.next() else { return client };
        client.send(shared, place, Instant::now()).await;
        rest(&client, phase, shared).await;
    }
}

/// A client of the open model: takes arrivals, and goes on to the last that is queued.
async fn open(mut client: Client, phase: &Phase, shared: &Shared) -> Client {
    loop {
        let arrival = phase.queue.borrow_mut().pop_front();
        let Some((place, mut intended)) = arrival else {
            if phase.over.get() {
                return client;
            }
            phase.idle.set(phase.idle.get() + 1);
            phase.arrived.notified().await;
            phase.idle.set(phase.idle.get() - 1);
            continue;
        };
        let now = Instant::now();
        shared.stalls.look(now);
        let waited = now.saturating_duration_since(intended);
        if waited > shared.script.timeout && shared.stalls.since(intended) {
            // The controller moves what still waits; this one came to its turn before it could.
            intended = now;
        } else if waited > shared.script.timeout {
            let step = shared.script.plan.request(place).step;
            let mut recorder = shared.recorder.borrow_mut();
            recorder.explain(step, "dropped: every connection was busy for longer than the timeout");
            recorder.ended(step, RequestEnd::Failed(ErrorKind::Dropped, None), Some(waited), 0, now);
            continue;
        }
        client.send(shared, place, intended).await;
        rest(&client, phase, shared).await;
    }
}

/// The pause between two requests of a client.
async fn rest(client: &Client, phase: &Phase, shared: &Shared) {
    let pause = client.backoff().max(shared.script.think_time);
    if !pause.is_zero() {
        phase.pause(pause).await;
    }
}
