//! Why a finding is what it is, what would settle it, and what stands behind it, as facts with their numbers; `words` makes
//! sentences of them. Growth is in units of the resource per step of the axis, levels are in units of the resource.

use super::jump_pattern::JumpPattern;
use super::transient::Transient;
use crate::answer::Interval;
use crate::model::Axis;

/// Why a finding is what it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// Nobody judged the resource.
    NotJudged,
    /// The resource could not be read.
    NotRead,
    /// No series could be judged; why the first was set aside.
    NoSeries(SetAside),
    /// There were too few readings.
    FewReadings,
    /// It is judged by its levels after collections, of which there were so few.
    FewCollections(usize),
    /// No requests were counted, and the budget is one per request.
    NoRequests,
    /// A leak: some workers grow beyond doubt, tested one by one.
    SomeWorkers {
        /// How many.
        leaking: usize,
        /// How many could be judged by themselves.
        judged: usize,
    },
    /// A leak: parts of the run grow by more than the budget in the mean, whatever the models say.
    ByParts,
    /// A leak: growth goes on to the end.
    GoesOn {
        /// What growth is at least in every plausible model.
        lower: f64,
        /// Whether much of it comes in jumps that go on.
        jumps: bool,
    },
    /// A leak: each new worker is born bigger.
    BornBigger {
        /// How many births.
        births: usize,
        /// Bytes from one birth to the next.
        each: f64,
    },
    /// Clean: growth ends by itself.
    EndsByItself {
        /// What it is at most at the end of the run.
        end: f64,
        /// What of it persists at most.
        persistent: f64,
    },
    /// Clean: growth at the end is under the budget.
    Within {
        /// What it is at most.
        upper: f64,
        /// What came before, if that is worth a word.
        history: Option<History>,
        /// Whether the second half alone proves it.
        second_half: bool,
    },
    /// Clean, and what grew are pages that were shared with a parent until they were written to.
    Unshared {
        /// Bytes of private memory in each worker that it grew by.
        bytes: f64,
        /// Why it is clean.
        clean: Box<Reason>,
    },
    /// Open: whether abrupt jumps go on can't be told.
    Jumps {
        /// How many there are.
        count: usize,
        /// Growth by them.
        added: f64,
    },
    /// Open: all together are clean, and some may not be.
    SomeSuspicious {
        /// Whether they are incarnations of a recycled pool.
        recycled: bool,
    },
    /// Open: it may grow while next to no requests come.
    GrowsWhileIdle {
        /// By how much at most, per step of the axis.
        upper: f64,
    },
    /// Open: growth slowed down or stopped just before the end.
    Stopped {
        /// What it was about.
        estimate: f64,
    },
    /// The load rises or falls all along, so that nothing tells it from growth.
    LoadIsAll,
    /// Open: the load rises with the requests.
    LoadIsLost {
        /// What growth seems to be.
        estimate: f64,
    },
    /// Open: abrupt falls take much of it back.
    TakenBack {
        /// Growth between them.
        estimate: f64,
    },
    /// Open: growth fades.
    Fading {
        /// What growth is about.
        estimate: f64,
    },
    /// Open: growth has a shape that no model has, or the level wanders.
    Shapeless {
        /// What growth is about.
        estimate: f64,
    },
    /// Open: late growth is made of a few rises.
    FewRises {
        /// What growth is about.
        estimate: f64,
    },
    /// Open: growth set in late, or a cache has become full late.
    Recent {
        /// What growth is about.
        estimate: f64,
    },
    /// Open: growth is too near to the budget.
    NearBudget {
        /// What it is about.
        estimate: f64,
    },
    /// Open: it falls, and what falls may hide what grows.
    MayHideGrowth {
        /// What it is about.
        estimate: f64,
        /// Growth that noise may hide, at most, a fall taken for none.
        hidden: f64,
    },
    /// Open: growth slows down and may still be over the budget.
    StillWarming {
        /// What it is at most at the end.
        upper: f64,
    },
    /// Open: too short or too noisy.
    TooNoisy {
        /// What growth is at least.
        lower: f64,
        /// What it is at most.
        upper: f64,
    },
    /// Open: a process that began shortly before the watch warms up.
    Young {
        /// Its PID.
        pid: u32,
        /// Its age in seconds when the watch began.
        age: f64,
    },
}

/// What came before clean growth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// Jumps to a high-water mark.
    HighWaterMark,
    /// A warm-up.
    WarmUp,
    /// Growth that goes on, within the budget.
    Growth,
}

/// What would settle a finding that is open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Settle {
    /// More readings.
    Readings,
    /// A longer run.
    Longer {
        /// Steps of the axis in a worker.
        steps: f64,
        /// How many times as long as this one.
        times: f64,
        /// Steps of the axis in a second, in a worker, where the axis isn't time.
        pace: Option<f64>,
    },
    /// A run so many times as long, in which as many times more workers come and go: no worker lives for longer.
    MoreLives {
        /// How many times as long as this one.
        times: f64,
    },
    /// A watch that goes on until the process that is told is so many seconds old.
    Outlast(f64),
    /// A load that stays the same, or comes back to where it was.
    OtherLoad,
    /// Requests that are counted.
    CountRequests,
    /// A budget by time.
    BudgetPerHour,
    /// Another budget: growth is known well, and is what is allowed.
    OtherBudget,
}

/// Why a series takes no part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetAside {
    /// Its readings are no numbers or out of order.
    Unsound,
    /// It has so few readings under judged load.
    Few(usize),
    /// It served next to no requests.
    Idle,
    /// It lived through a part of the run only.
    PartOnly,
    /// It lived far longer than the others, whose lives are judged together by their age.
    Outlived,
    /// Others stand for it.
    Represented {
        /// How many stand for all.
        by: usize,
        /// How many there are.
        of: usize,
    },
}

/// A number behind a finding; what a statistician asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// What was judged together.
    Judged {
        /// How many.
        count: usize,
        /// Whether they are incarnations, aligned by age; else they are workers side by side.
        recycled: bool,
    },
    /// Series that took no part.
    SetAside {
        /// How many.
        count: usize,
        /// Of how many.
        of: usize,
    },
    /// What growth is measured against.
    Against(Axis),
    /// Workers that gave memory back at first.
    Released(usize),
    /// Rises that were taken back by equal falls, or the reverse.
    Swings(usize),
    /// The growth that is told.
    Growth(Interval),
    /// Growth that persists.
    Persistent(Interval),
    /// Growth at the end.
    AtTheEnd(Interval),
    /// Growth is told apart from what the uneven mix of steps makes of it.
    Mixed,
    /// The second half alone proves it.
    SecondHalf,
    /// The least estimate of persistent growth in a plausible model.
    Least(f64),
    /// How many models are plausible.
    Models(usize),
    /// One of them.
    Model {
        /// What it is made of.
        shape: ModelShape,
        /// Its estimate of persistent growth.
        persistent: f64,
        /// Its estimate of growth at the end.
        end: f64,
        /// The standard error of that.
        error: f64,
        /// Distance of its information criterion from the best model's.
        distance: f64,
    },
    /// Autocorrelation from one level to the next.
    Autocorrelation(f64),
    /// Standard deviation of a level's innovation.
    Innovation(f64),
    /// Abrupt jumps.
    Jumps {
        /// How many.
        count: usize,
        /// Growth by them.
        added: f64,
        /// How they are spread over the run.
        pattern: JumpPattern,
    },
    /// Private memory in each worker that inherited pages became, in bytes.
    Unshared(f64),
}

/// What a model is made of beside a straight line.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelShape {
    /// Its transients.
    pub transients: Vec<Transient>,
    /// Whether jumps were taken out before it was fitted.
    pub stepped: bool,
}

/// What shows that a finding is of its class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Because {
    /// A leak: what the level rose by.
    Rose {
        /// Steps of the axis over which it did.
        span: f64,
        /// By how much in the usual worker.
        usual: f64,
        /// By how much in the one that grew most; missing if there is one only.
        most: Option<f64>,
    },
    /// Each new worker is born bigger.
    Born {
        /// How many births.
        births: usize,
        /// The size of the first.
        from: f64,
        /// The size of the last.
        to: f64,
    },
    /// A cache: when it would be full; missing if it never is, for its growth is like a logarithm.
    Fills(Option<Full>),
    /// A warm-up.
    Settled {
        /// What it grew by.
        grown: f64,
        /// The level at which it settled.
        level: f64,
        /// When; missing if that was before the judged part.
        after: Option<When>,
    },
    /// A high-water mark.
    InJumps {
        /// What a worker grew by.
        grown: f64,
        /// What of it came in its two largest jumps.
        jumps: f64,
    },
    /// A sawtooth.
    Floors {
        /// Collections.
        collections: usize,
        /// The level after each.
        level: f64,
    },
    /// Growth within the budget.
    Grows {
        /// What it is about.
        estimate: f64,
    },
    /// No growth.
    Stays {
        /// Steps of the axis over which the level was watched.
        span: f64,
        /// Its range.
        within: f64,
        /// Its middle.
        around: f64,
    },
    /// Retention: growth of anonymous memory that no live allocation explains.
    Retained {
        /// What live allocations grow by at most.
        live: f64,
        /// What anonymous memory grows by at least.
        memory: f64,
    },
    /// Swap hides the leak; bytes in the usual worker.
    Swapped {
        /// What resident memory rose by.
        resident: f64,
        /// What was allocated.
        allocated: f64,
        /// What of it was swapped out.
        swapped: f64,
    },
    /// Pages that aren't the worker's own; bytes in the usual worker.
    NotItsOwn {
        /// What its own memory grew by.
        own: f64,
        /// What mapped files grew by.
        files: f64,
        /// What shared memory grew by.
        shared: f64,
    },
}

/// When a transient is over, on the axis, with its range over the plausible models.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct When {
    /// In the best model.
    pub at: f64,
    /// In the model in which it is over first.
    pub soonest: f64,
    /// In the model in which it is over last.
    pub latest: f64,
}

/// When a cache would be full.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Full {
    /// When.
    pub when: When,
    /// What is still to come.
    pub left: f64,
}

/// A part of what a resource counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    /// Memory that is resident.
    Resident,
    /// Memory that was swapped out.
    SwappedOut,
    /// Sockets.
    Sockets,
    /// TCP connections that are established.
    Established,
    /// TCP connections that the other side has closed.
    CloseWait,
    /// Files.
    Files,
    /// Files that were deleted.
    Deleted,
    /// Pipes.
    Pipes,
    /// Event, timer and epoll descriptors.
    Anonymous,
    /// Devices and the rest.
    Other,
}
