//! How much is computed, how far a search goes, and what is worth telling. More would cost time and change no answer.

/// Stretches, teeth, lives or readings that stand for those of a long run.
pub const POINTS: usize = 300;
/// Workers whose steps or parts are told apart.
pub const WORKERS: usize = 64;
/// Models that are among the facts; of more, the best.
pub const MODELS: usize = 4;
/// Points of a fitted curve that is shown.
pub const CURVE: usize = 25;
/// By how many times a run is told to be made longer, at least and at most.
pub const TIMES_LONGER: (f64, f64) = (1.5, 20.0);
/// What an endless bet is worth at most: more would only keep it from being lost again once growth has ended. A fair bet that is cut off is
/// fair.
pub const MOST_WORTH: f64 = 1e9;
/// An autocorrelation with less weight than this is left out of a mixture.
pub const NEGLIGIBLE: f64 = 1e-4;
/// Lags of the autocorrelation that are shown.
pub const LAGS: usize = 20;
/// How closely bounds of the pace are found, as a part of their distance from the mean.
pub const PRECISE: f64 = 0.01;
/// Lengths of a run after which every transient that leads to a level has come to it.
pub const EVER: f64 = 1e6;
/// A worker that was read in this last stretch of the run, in seconds, counts as living in the forecast.
pub const LIVING: f64 = 3.0;
/// The part of all requests from which those beside the steps are worth a row.
pub const WORTH_A_ROW: f64 = 0.01;

/// Slices of all windows of sampled allocations together, about, and of one window at most and at least.
pub const SLICES: usize = 4096;
/// See [`SLICES`].
pub const SLICES_OF_ONE: usize = 96;
/// Call sites that are told.
pub const SITES: usize = 20;
/// Stacks that are told of each.
pub const STACKS: usize = 3;
/// Processes that are named among the others.
pub const NAMED: usize = 8;
/// Differences whose signs a test flips one by one: 2^24 sums take a tenth of a second.
pub const MOST_FLIPPED: usize = 24;

/// The search for the models that fit.
pub mod search {
    /// The shortest and the longest constant of a warm-up on the grid, as shares of the run, and how many there are.
    pub const WARM_UPS: (f64, f64, i32) = (0.02, 0.55, 8);
    /// The longest constant of a logarithm on the grid, and how many there are.
    pub const LOGARITHMS: (f64, i32) = (0.1, 3);
    /// Places at which a shape may turn on the grid, in equal steps.
    pub const PLACES: i32 = 10;
    /// The constant of a cache that is opened later, on the grid.
    pub const OPENED: f64 = 0.06;
    /// How far a constant may move in one step of a refinement, as a factor's logarithm, and how far a place.
    pub const REACH: (f64, f64) = (0.5, 0.05);
    /// A step in a parameter for its numerical derivative.
    pub const STEP: f64 = 0.01;
    /// Transients that are tried together with every other one, and pairs that are refined.
    pub const PAIRED: usize = 4;
    /// Gauss-Newton steps of a refinement.
    pub const STEPS: usize = 6;
    /// A refinement has converged when no parameter moves by more than this.
    pub const CONVERGED: f64 = 0.01;
    /// Its result counts when no parameter would move by more than this.
    pub const NEARLY: f64 = 0.1;
    /// Numbers of waves that are tried.
    pub const CYCLES_STEPS: usize = 72;
    /// How often the step is halved around the best of them.
    pub const CYCLES_HALVINGS: usize = 5;
    /// Kinds of warm-up that are looked at beside the steps of a workload.
    pub const KINDS: usize = 8;
    /// Steps of the grid of autocorrelations from none to a unit root.
    pub const AUTOCORRELATIONS: i32 = 10;
    /// The autocorrelation that stands for a unit root.
    pub const UNIT_ROOT: f64 = 0.999;
}

/// The runs that a plan plays.
pub mod plan {
    /// Runs that are played for each length and truth.
    pub const PLAYED: u64 = 20;
    /// How much longer the next length is that is tried.
    pub const LONGER: f64 = 1.3;
    /// By how much a run is planned longer than what was enough, at most: a rehearsal knows the noise only so well.
    pub const MARGIN: f64 = 2.0;
    /// The longest that is tried, in lengths of the rehearsal.
    pub const LONGEST: f64 = 2000.0;
    /// Readings that are played for each worker at most: ten for each of the rule's stretches.
    pub const READINGS: usize = 600;
    /// Readings that a worker must have to be judged.
    pub const FEWEST: usize = 30;
    /// Workers that are played: more take longer and change a plan hardly.
    pub const MOST_WORKERS: usize = 8;
    /// The growth that is to be called a leak, and the growth that is to be called clean, in budgets. Growth of just the budget is
    /// neither, however long the run is.
    pub const LEAKING: f64 = 2.0;
    /// See [`LEAKING`].
    pub const CLEAN: f64 = 0.5;
    /// A transient counts as over after this many of its time constants: 99.3 % of it are there.
    pub const CONSTANTS: f64 = 5.0;
    /// A warm-up that takes more than this part of the rehearsal may not be over.
    pub const STILL_WARMING: f64 = 0.8;
    /// The greatest autocorrelation that is played.
    pub const GREATEST: f64 = 0.98;
}
