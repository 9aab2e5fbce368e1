//! `fleet --watch`: judges again and again, and serves what it knows.

mod round;

use super::Arguments;
use crate::answer::ExitCode;
use crate::cli::output::{complain, say, tell};
use crate::cli::problem::{Done, Problem, interruption_code};
use crate::config::{self, Span};
use crate::engine::Interrupt;
use crate::fleet::Recent;
use crate::http::{self, Page};
use crate::model::{Bytes, format_seconds};
use crate::prometheus::Server;
use crate::report::{Health, METRICS_TYPE, Shown, change, fleet_metrics};
use crate::store::Kept;
use round::{Round, State, judge};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// The shortest time between two rounds: the server has others to answer.
const SHORTEST: Duration = Duration::from_secs(1);
/// How often it is looked whether the watch is to end.
const NAP: Duration = Duration::from_millis(100);

/// How a fleet is watched.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Watching")]
pub struct Watching {
    /// Judge again and again, this often, until Ctrl-C or TERM; what is known is served as metrics. A leak is told when two windows of `--since`, one
    /// after the other, prove it, and it stands out in the whole fleet. So `--since` should be twice as long as the rhythm of the load: 2d where it is that
    /// of a day, for the rise of a morning looks like a leak.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, conflicts_with_all = ["to", "format", "inconclusive"])]
    watch: Option<Span>,
    /// Where `/metrics` is served.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9187", requires = "watch")]
    listen: SocketAddr,
    /// Allow `--listen` to name an address that other machines reach. It takes this word because whoever can connect reads all labels, which tell
    /// what runs where: there is no password and no TLS.
    #[arg(long, requires = "watch")]
    listen_beyond_loopback: bool,
    /// Directory, which is made, in which it is kept what is known of each series, so that a restart loses nothing.
    #[arg(long, value_name = "DIR", requires = "watch")]
    state: Option<PathBuf>,
    /// Go on with a state that was kept of another address: the same server is at this one now.
    #[arg(long, requires = "state")]
    moved: bool,
    /// Memory that no process may have, such as `512 MiB`: the time until then is served.
    #[arg(long, value_name = "SIZE", requires = "watch", allow_hyphen_values = true)]
    limit: Option<Bytes>,
}

impl Watching {
    /// How often it is judged, if it is watched.
    pub fn every(&self) -> Option<Duration> {
        self.watch.map(|every| every.0)
    }

    /// Listens where `/metrics` is to be served.
    fn bind(&self) -> Result<TcpListener, Problem> {
        if !self.listen.ip().is_loopback() && !self.listen_beyond_loopback {
            let what = format!(
                "--listen {}: other machines reach this address, and whoever connects reads all labels; expected a loopback address, such as \
                 127.0.0.1:9187, or --listen-beyond-loopback beside it",
                self.listen
            );
            return Err(Problem::new(ExitCode::Usage, what));
        }
        TcpListener::bind(self.listen).map_err(|error| {
            let what = format!(
                "could not listen on {}: {error}; another program may have this port: give a free one by --listen",
                self.listen
            );
            Problem::new(ExitCode::Failure, what)
        })
    }
}

/// Watches a fleet until it is told to end.
pub fn watch(arguments: &Arguments, every: Duration) -> Done {
    let usage = |what: String| Problem::new(ExitCode::Usage, what);
    let range = super::range(arguments, every.as_secs_f64()).map_err(usage)?;
    if every < SHORTEST || every > arguments.since.0 {
        return Err(usage("--watch: expected a time from 1s to that of --since".into()));
    }
    // What is wrong with the command is said before anything is waited for.
    let server = Server::new(&arguments.url, arguments.access.head()?, arguments.access.timeout.0).map_err(usage)?;
    super::asking(arguments, &server, range).map_err(usage)?;
    let interrupt = Interrupt::listen(None, ExitCode::Failure.code())?;
    let (kept, mut state) = match &arguments.watching.state {
        Some(directory) => {
            let asked = config::without_secrets(&asked(arguments));
            let (kept, state) = Kept::open(directory, asked).map_err(|error| Problem::new(ExitCode::Failure, error))?;
            (Some(kept), state.unwrap_or_default())
        }
        None => (None, State::default()),
    };
    let name = config::without_secrets(server.name());
    if let Some(directory) = &arguments.watching.state
        && !state.server.is_empty()
        && state.server != name
        && !arguments.watching.moved
    {
        let what = format!(
            "{}: the state is of {}, and this is {name}: what is known of a series holds for that one alone. If the same server has moved, or \
             another has the same readings, say so by --moved; else give another --state",
            directory.display(),
            state.server
        );
        return Err(Problem::new(ExitCode::Failure, what));
    }
    state.server = name;
    if !state.is_sound() {
        let what = "the state has numbers that can't be: it was left as it is; move it away, or give another --state";
        return Err(Problem::new(ExitCode::Failure, what));
    }
    let listener = arguments.watching.bind()?;
    let address = listener.local_addr()?;
    let recent = Mutex::default();
    let mut watch = Watch { state, kept, recent, health: Health::default(), text: Arc::default(), failed: None };
    watch.health.last_success = watch.state.last_success;
    watch.publish(&[]);
    let text = Arc::clone(&watch.text);
    http::serve(listener, move |path| page(path, &text))?;
    let seconds = format_seconds(every.as_secs_f64());
    say(&format!("{} is judged every {seconds}; http://{address}/metrics has what is known", server.name()));
    loop {
        let begun = Instant::now();
        watch.round(arguments, every);
        while begun.elapsed() < every || interrupt.cause().is_some() {
            if let Some(cause) = interrupt.cause() {
                return Ok(interruption_code(cause));
            }
            std::thread::sleep(NAP.min(every));
        }
    }
}

/// What the state depends on: what is known of a series holds for this alone.
fn asked(arguments: &Arguments) -> String {
    let Arguments { preset, memory, swap, requests, requests_of, start, by, since, step, budget, .. } = arguments;
    let queries = [("--memory", memory), ("--swap", swap), ("--requests", requests), ("--start", start)];
    let mut words: Vec<String> = preset.iter().map(|preset| format!("--preset {}", preset.name)).collect();
    words.extend(queries.iter().filter_map(|(option, query)| Some(format!("{option} '{}'", query.as_ref()?))));
    words.extend(requests_of.iter().map(|of| format!("--requests-of {}", of.name())));
    if !by.is_empty() {
        words.push(format!("--by {}", by.join(",")));
    }
    words.push(format!("--since {} --step {}", since.to_string().replace(' ', ""), step.to_string().replace(' ', "")));
    words.extend(budget.iter().map(|budget| format!("--budget '{budget}'")));
    words.join(" ")
}

/// What is answered for a path.
fn page(path: &str, text: &Mutex<Arc<str>>) -> Option<Page> {
    let plain = |body: &str| Some(Page { kind: "text/plain; charset=utf-8", body: body.into() });
    match path {
        "/" => plain("seepage watches a fleet; what it knows is at /metrics.\n"),
        "/healthz" => plain("ok\n"),
        "/metrics" => {
            let body = Arc::clone(&text.lock().unwrap_or_else(PoisonError::into_inner));
            Some(Page { kind: METRICS_TYPE, body })
        }
        _ => None,
    }
}

/// Tells of a series that leaks from now on, or no longer.
fn told(one: &Shown<'_>, withdrawn: bool) {
    let at = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    tell(change(&at, one, withdrawn).as_bytes());
}

/// A watch that goes on.
struct Watch {
    state: State,
    kept: Option<Kept<State>>,
    /// Readings from which the next round goes on.
    recent: Mutex<Recent>,
    health: Health,
    /// What is served.
    text: Arc<Mutex<Arc<str>>>,
    /// What went wrong last, so that it isn't said again every time.
    failed: Option<String>,
}

impl Watch {
    /// Judges all once, tells what has changed, keeps it, and serves it.
    fn round(&mut self, arguments: &Arguments, every: Duration) {
        let begun = Instant::now();
        let Round { judged, unjudged, missing, warnings, failed } =
            judge(arguments, every, &mut self.state, &self.recent, told);
        self.health.rounds += 1;
        self.health.failures += u64::from(failed.is_some());
        self.health.last_success = self.state.last_success;
        self.health.duration = Some(begun.elapsed().as_secs_f64());
        (self.health.judged, self.health.not_judged) = (judged, unjudged.len());
        (self.health.missing, self.health.warnings) = (missing, warnings);
        let written = self.kept.as_ref().map_or(Ok(()), |kept| kept.write(&self.state));
        self.health.unwritten += u64::from(written.is_err());
        self.publish(&unjudged);
        let failed = failed.or(written.err().map(|error| error.to_string()));
        if let Some(failed) = failed.as_ref().filter(|failed| self.failed.as_ref() != Some(failed)) {
            complain(failed);
        }
        self.failed = failed;
    }

    /// Serves what is known by now.
    fn publish(&self, unjudged: &[crate::table::prometheus::Labels]) {
        let mut series = self.state.shown();
        series.extend(unjudged.iter().map(|labels| Shown { labels: super::shown(labels), figures: None, told: None }));
        let text = fleet_metrics(&series, &self.health);
        *self.text.lock().unwrap_or_else(PoisonError::into_inner) = text.into();
    }
}
