//! What may be a worker, as `/proc` has it just now.

use super::choice::Candidate;
use super::target;
use crate::probe::{Listening, WorkerProbe, command_name, parse_stat};
use std::fs;
use std::path::PathBuf;

impl Candidate {
    /// Reads a process that is held open; `None` if it has ended. Nothing is known yet of what it does.
    pub fn of(probe: &WorkerProbe, listening: &mut Listening) -> Option<Self> {
        let read = Self::read(probe.id().pid, listening)?;
        // The PID was read by its name: a stranger may have it by now.
        (read.id == probe.id() && !probe.has_ended()).then_some(read)
    }

    /// Reads a process by its PID; `None` if it has ended.
    pub fn read(pid: u32, listening: &mut Listening) -> Option<Self> {
        let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let stat = parse_stat(&text).filter(|stat| !stat.has_ended())?;
        let command = command_name(&text);
        let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_else(|_| PathBuf::from(&command));
        Some(Candidate {
            id: crate::model::WorkerId { pid, start: stat.start },
            parent: stat.parent,
            program,
            command,
            waits: target::wrapper(&target::command_line(pid)).is_some(),
            named: false,
            listens: listening.is_held_by(pid),
            cpu: 0.0,
            lives: true,
        })
    }
}
