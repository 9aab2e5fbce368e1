//! Estimators that know nothing of memory: order statistics, robust slopes, small linear systems, panels with
//! autocorrelated errors, growth by kind of event, tests of paired differences, walks.
//!
//! Always: no panic on any input; what can't be estimated is `None`.

mod attribution;
mod betting;
mod line;
mod linear;
mod panel;
mod quantile;
mod robust;
mod sign_flip;
mod spending;
mod walk;

pub use attribution::{Attribution, Counted, ahead_of_share, joined, moving_together, summed};
pub use betting::{Bet, LEVELS, enough};
pub use line::{Line, interpolate};
pub use linear::Cholesky;
pub use panel::{Estimate, ModelFit, Panel, Unit};
pub use quantile::{normal_quantile, poisson_bounds, student_t, student_t_tail};
pub use robust::{mad, median, spread, theil_sen};
pub use sign_flip::{MOST_FLIPPED, least_sign_flip, sign_flip};
pub use spending::{endless, spent};
pub use walk::keeps_in_band;
