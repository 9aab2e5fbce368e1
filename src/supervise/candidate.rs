//! What may be a worker, as `/proc` has it just now.

use super::choice::Candidate;
use super::target;
use crate::model::WorkerId;
use crate::probe::{Listening, WorkerProbe, command_name, parse_stat};
use std::fs;
use std::path::PathBuf;

impl Candidate {
    /// Reads a process that is held open; `None` if it has ended. Nothing is known yet of what it does.
    pub fn of(probe: &WorkerProbe, listening: &mut Listening) -> Option<Self> {
        let pid = probe.id().pid;
        let waits = target::wrapper(&probe.command_line()).is_some();
        let read = Self::read(pid)?;
        let is_it = read.id.is_same_process(probe.id());
        let serves = listening.of(pid);
        let accepted = serves.is_some_and(|serves| serves.accepted);
        let known = Candidate { id: probe.id(), waits, listens: serves.map(|serves| serves.listens), accepted, ..read };
        // The PID was read by its name: a stranger may have it by now.
        (is_it && !probe.has_ended()).then_some(known)
    }

    /// Who has this PID, and what it runs; `None` if it has ended.
    pub fn read(pid: u32) -> Option<Self> {
        let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let stat = parse_stat(&text).filter(|stat| !stat.has_ended())?;
        let command = command_name(&text);
        let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_else(|_| PathBuf::from(&command));
        Some(Candidate {
            id: WorkerId::new(pid, stat.start),
            parent: stat.parent,
            program,
            command,
            waits: false,
            named: false,
            listens: None,
            accepted: false,
            cpu: 0.0,
            read_for: 0.0,
            lives: true,
            crashed: false,
        })
    }
}
