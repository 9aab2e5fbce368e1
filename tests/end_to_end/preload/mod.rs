//! The preload library in real programs.

mod aside;
mod checked;
mod counted;
mod scripts;
mod targets;
pub mod traced;
