//! Progress while a run goes on: a block of lines that is drawn over on a terminal, a line now and then elsewhere.
//!
//! What is shown is a pure function of a [`Snapshot`] (see `screen`); only [`Live`] writes. The terminal is never put
//! into another mode, so there is nothing that a crash could leave behind but text; what was drawn is wiped on drop.

mod screen;

#[cfg(test)]
pub use screen::block;

use crate::answer::Growth;
use crate::model::{PhaseKind, Resource, WorkerId};
use console::Term;
use std::io::{self, IsTerminal, Write};

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// Name of the scenario.
    pub name: String,
    /// The phase it is in; `None` before the first and after the last.
    pub phase: Option<PhaseProgress>,
    /// Seconds since the start of the run.
    pub elapsed: f64,
    /// Requests so far, if they are known.
    pub requests: Option<u64>,
    /// Requests per second just now, if known.
    pub rate: Option<f64>,
    /// Requests that failed so far.
    pub failures: u64,
    /// The workers that are alive.
    pub workers: Vec<WorkerProgress>,
    /// Growth as far as it can be told, memory's first: of that, and of all else that grows.
    pub growths: Vec<(Resource, Growth)>,
    /// Of a watch without an end: seconds after which it is looked at next, and ends at the earliest.
    pub looks: Option<(f64, f64)>,
}

/// How far a phase has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PhaseProgress {
    /// Its kind.
    pub kind: PhaseKind,
    /// Its place in the script, from 0.
    pub index: usize,
    /// Phases of the script.
    pub count: usize,
    /// Share of it that is done, 0 to 1, if its length is known.
    pub done: Option<f64>,
}

/// One worker just now.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerProgress {
    /// The worker.
    pub worker: WorkerId,
    /// Its anonymous + swapped bytes.
    pub bytes: Option<u64>,
    /// The same over the last while, oldest first.
    pub history: Vec<u64>,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A block that is drawn over.
    Terminal,
    /// A line every ten seconds and at each change of phase.
    Lines,
    /// Not at all.
    Quiet,
}

impl Mode {
    /// A block if standard error is a terminal that can move its cursor, else lines.
    pub fn detect() -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if io::stderr().is_terminal() && !dumb { Mode::Terminal } else { Mode::Lines }
    }
}

/// Seconds between two lines.
const LINE_EVERY: f64 = 10.0;
/// Seconds between two drawings of the block.
const DRAW_EVERY: f64 = 0.1;

/// Shows progress on standard error; wipes what it drew when it is dropped.
pub struct Live {
    mode: Mode,
    out: Box<dyn Write + Send>,
    drawn: usize,
    last: Option<(f64, Option<usize>)>,
}

impl Live {
    /// Shows progress on standard error.
    pub fn new(mode: Mode) -> Self {
        Live::with_output(mode, Box::new(io::stderr()))
    }

    fn with_output(mode: Mode, out: Box<dyn Write + Send>) -> Self {
        Live { mode, out, drawn: 0, last: None }
    }

    /// Shows where the run stands; most calls do nothing, so it may be called often.
    ///
    /// Trouble with writing is ignored: a run must not fail because nobody watches.
    pub fn update(&mut self, snapshot: &Snapshot) {
        let phase = snapshot.phase.map(|p| p.index);
        let every = if self.mode == Mode::Terminal { DRAW_EVERY } else { LINE_EVERY };
        let due = self.last.is_none_or(|(t, before)| before != phase || snapshot.elapsed - t >= every);
        if !due || self.mode == Mode::Quiet {
            return;
        }
        self.last = Some((snapshot.elapsed, phase));
        let _ = match self.mode {
            Mode::Terminal => {
                let (rows, columns) = Term::stderr().size();
                self.draw(snapshot, usize::from(rows), usize::from(columns))
            }
            _ => writeln!(self.out, "{}", screen::line(snapshot)),
        };
    }

    /// Wipes the block, so that something else can be written; the next update draws it again.
    pub fn clear(&mut self) {
        let wipe = self.wipe();
        let _ = self.out.write_all(wipe.as_bytes()).and_then(|()| self.out.flush());
    }

    /// Ends the display.
    pub fn finish(self) {}

    /// Draws in one write, so that it doesn't flicker.
    fn draw(&mut self, snapshot: &Snapshot, rows: usize, columns: usize) -> io::Result<()> {
        let mut lines = screen::block(snapshot, columns.saturating_sub(1));
        lines.truncate(rows.saturating_sub(1));
        let mut frame = self.wipe();
        for line in &lines {
            frame.push_str(line);
            frame.push('\n');
        }
        self.drawn = lines.len();
        self.out.write_all(frame.as_bytes())?;
        self.out.flush()
    }

    /// The sequence that wipes the block: to its first line and clear to the end of the screen.
    fn wipe(&mut self) -> String {
        match std::mem::take(&mut self.drawn) {
            0 => String::new(),
            lines => format!("\x1b[{lines}F\x1b[J"),
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn at(elapsed: f64, index: usize) -> Snapshot {
        let phase = PhaseProgress { kind: PhaseKind::Soak, index, count: 3, done: None };
        Snapshot { elapsed, phase: Some(phase), ..Snapshot::default() }
    }

    #[test]
    fn lines_come_every_ten_seconds_and_at_each_phase() {
        let sink = Sink::default();
        let mut live = Live::with_output(Mode::Lines, Box::new(sink.clone()));
        for (elapsed, index) in [(0.0, 0), (1.0, 0), (9.9, 0), (10.0, 0), (11.0, 1), (12.0, 1)] {
            live.update(&at(elapsed, index));
        }
        live.finish();
        assert_eq!(sink.text().lines().count(), 3);
        assert!(!sink.text().contains('\x1b'));
    }

    #[test]
    fn the_block_is_wiped_when_it_is_dropped() {
        let sink = Sink::default();
        let mut live = Live::with_output(Mode::Terminal, Box::new(sink.clone()));
        live.draw(&at(1.0, 0), 24, 80).unwrap();
        let lines = sink.text().lines().count();
        drop(live);
        assert!(sink.text().ends_with(&format!("\x1b[{lines}F\x1b[J")), "{:?}", sink.text());
    }

    #[test]
    fn quiet_is_quiet() {
        let sink = Sink::default();
        let mut live = Live::with_output(Mode::Quiet, Box::new(sink.clone()));
        live.update(&at(1.0, 0));
        drop(live);
        assert!(sink.text().is_empty());
    }
}
