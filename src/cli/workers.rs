//! `--workers`: which processes are judged, in the same words for every command.

use crate::config::Workers;

/// Which processes of a target are judged.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum WorkersArgument {
    /// Those that are found to do the work: the ones that the log or the status page names; else those that hold a listening
    /// socket and use the CPU; else children of the same program; else the process itself.
    Auto,
    /// The process itself.
    #[value(name = "self")]
    Itself,
    /// Its children.
    Children,
    /// Everything below it.
    Descendants,
}

impl From<WorkersArgument> for Workers {
    fn from(argument: WorkersArgument) -> Self {
        match argument {
            WorkersArgument::Auto => Workers::Auto,
            WorkersArgument::Itself => Workers::Itself,
            WorkersArgument::Children => Workers::Children,
            WorkersArgument::Descendants => Workers::Descendants,
        }
    }
}

impl WorkersArgument {
    /// As a harness file has it.
    pub fn word(self) -> &'static str {
        match self {
            WorkersArgument::Auto => "auto",
            WorkersArgument::Itself => "self",
            WorkersArgument::Children => "children",
            WorkersArgument::Descendants => "descendants",
        }
    }
}
