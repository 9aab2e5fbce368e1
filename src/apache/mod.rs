//! Apache's configuration: which modules it loads, and the same configuration without some of them.
//!
//! Nothing is guessed: what has to go with a module is what `apache2 -t` complains of, line by line, and each line that
//! went is told.

mod conf;
mod server;

pub use server::{OffError, Server, is_apache};
