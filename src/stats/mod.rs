//! Estimators that know nothing of memory: order statistics, robust slopes, small linear systems, panels with
//! autocorrelated errors.
//!
//! Always: no panic on any input; what can't be estimated is `None`.

mod linear;
mod panel;
mod quantile;
mod robust;

pub use linear::Cholesky;
pub use panel::{Estimate, ModelFit, Panel, Unit};
pub use quantile::{student_t, student_t_tail};
pub use robust::{mad, median, theil_sen};
