//! From series to levels: stretches of equal time, falls to a floor, jumps, pools of workers.

pub mod apart;
pub mod floor;
pub mod idle;
pub mod jumping;
pub mod kept;
pub mod lasting;
pub mod level;
pub mod pool;
pub mod release;
pub mod swing;
