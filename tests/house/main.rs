//! What holds for the source, for harness files and for every parser of foreign bytes: no process is started.

mod architecture;
mod corpus;
mod documents;
mod harness_files;
mod numbers;
mod source;
