//! The dictionary of transients: shapes that growth can take beside a straight line.

use crate::limits::search::{LOGARITHMS, OPENED, PLACES, REACH, STEP, WARM_UPS};
use crate::thresholds::scale::QUARTER;
use crate::thresholds::transient::{FIRST, LAST, SHORTEST};

/// A shape over the judged part as 0 to 1, with its parameters as shares of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Transient {
    /// `1 - exp(-u/T)`: a warm-up.
    Exponential(f64),
    /// `log(1 + u/T)`: a cache whose misses get rarer.
    Logarithm(f64),
    /// `min(u, T)`: a cache that fills and is then full.
    Hinge(f64),
    /// `1 - exp(-(u-D)/T)` from `D` on: a cache that is opened later.
    Delayed(f64, f64),
    /// `u - D` from `D` on: growth that sets in late. It persists: no transient, but it is tried among them.
    Onset(f64),
}

impl Transient {
    /// The level at `u`, in units of the amplitude.
    pub fn at(self, u: f64) -> f64 {
        match self {
            Transient::Exponential(t) => 1.0 - (-u / t).exp(),
            Transient::Logarithm(t) => (1.0 + u / t).ln() / (1.0 + 1.0 / t).ln(),
            Transient::Hinge(t) => u.min(t) / t,
            Transient::Delayed(d, t) => 1.0 - (-(u - d).max(0.0) / t).exp(),
            Transient::Onset(d) => (u - d).max(0.0),
        }
    }

    /// Number of parameters beside the amplitude.
    pub fn parameters(self) -> usize {
        match self {
            Transient::Exponential(_) | Transient::Logarithm(_) | Transient::Hinge(_) | Transient::Onset(_) => 1,
            Transient::Delayed(..) => 2,
        }
    }

    /// The same shape with its parameter `which` moved: time constants by a factor `exp(step)`, a delay by `step`.
    /// Parameters stay within what the judged part can show.
    pub fn moved(self, which: usize, step: f64) -> Self {
        let place = |at: f64| (at + step).clamp(FIRST.get(), LAST.get());
        let constant = |t: f64, longest: f64| (t * step.exp()).clamp(SHORTEST.get(), longest);
        match self {
            Transient::Exponential(t) => Transient::Exponential(constant(t, LAST.get())),
            Transient::Logarithm(t) => Transient::Logarithm(constant(t, QUARTER.get())),
            Transient::Hinge(t) => Transient::Hinge((t * step.exp()).clamp(FIRST.get(), LAST.get())),
            Transient::Onset(d) => Transient::Onset(place(d)),
            Transient::Delayed(d, t) if which == 0 => Transient::Delayed(place(d), t),
            Transient::Delayed(d, t) => Transient::Delayed(d, constant(t, QUARTER.get())),
        }
    }

    /// The derivative of the level at `u` by parameter `which`, in the scale of [`Transient::moved`].
    pub fn derivative(self, which: usize, u: f64) -> f64 {
        (self.moved(which, STEP).at(u) - self.moved(which, -STEP).at(u)) / (2.0 * STEP)
    }

    /// Shapes that are tried at first; the promising ones are then refined.
    pub fn dictionary() -> Vec<Transient> {
        // Constants in equal proportions, places in tenths.
        let constants = |least: f64, most: f64, count: i32| {
            (0..count).map(move |k| least * (most / least).powf(f64::from(k) / f64::from(count - 1)))
        };
        let exponential = constants(WARM_UPS.0, WARM_UPS.1, WARM_UPS.2).map(Transient::Exponential);
        let logarithm = constants(SHORTEST.get(), LOGARITHMS.0, LOGARITHMS.1).map(Transient::Logarithm);
        let places = || (1..PLACES - 1).map(|k| f64::from(k) / f64::from(PLACES));
        let hinge = places().map(Transient::Hinge);
        let delayed = places().map(|at| Transient::Delayed(at, OPENED));
        let onset = places().map(Transient::Onset);
        exponential.chain(logarithm).chain(hinge).chain(delayed).chain(onset).collect()
    }

    /// From where on it counts as over: after so many of its time constants, or at its knee.
    pub fn over_from(self, constants: f64) -> f64 {
        match self {
            Transient::Exponential(t) | Transient::Logarithm(t) => constants * t,
            Transient::Delayed(d, t) => d + constants * t,
            Transient::Hinge(knee) | Transient::Onset(knee) => knee,
        }
    }

    /// Whether it ends by itself, so that its growth doesn't persist.
    pub fn is_bounded(self) -> bool {
        !matches!(self, Transient::Onset(_))
    }

    /// Whether the level to which it leads can be told: a logarithm gets slower for ever and has none.
    pub fn has_level(self) -> bool {
        !matches!(self, Transient::Onset(_) | Transient::Logarithm(_))
    }

    /// How far parameter `which` may move in one step of a refinement.
    pub fn reach(self, which: usize) -> f64 {
        match self {
            Transient::Delayed(..) if which == 0 => REACH.1,
            Transient::Onset(_) => REACH.1,
            _ => REACH.0,
        }
    }

    /// Whether the two may stand in one model. Two late shapes together can imitate any growth that sets in late.
    pub fn goes_with(self, other: Self) -> bool {
        let late = |t: Self| matches!(t, Transient::Delayed(..) | Transient::Onset(_));
        !(late(self) && late(other))
    }

    /// Whether both are of the same kind.
    pub fn is_like(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}
