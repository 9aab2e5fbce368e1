//! Estimators that know nothing of memory: order statistics, robust slopes, small linear systems, panels with
//! autocorrelated errors, growth by kind of event.
//!
//! Always: no panic on any input; what can't be estimated is `None`.

mod attribution;
mod linear;
mod panel;
mod quantile;
mod robust;

pub use attribution::{Attribution, Counted, moving_together};
pub use linear::Cholesky;
pub use panel::{Estimate, ModelFit, Panel, Unit};
pub use quantile::student_t;
pub use robust::{mad, median, theil_sen};
