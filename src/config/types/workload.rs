//! `[workload]` and `[[phase]]`.

use crate::config::choice::{choice, choose};
use crate::config::setting::{EachText, KeyPath, Problems, Setting, Value};
use crate::config::source::Source;
use crate::config::table::{Reader, TableSchema, key, table};
use crate::config::{ConfigError, Rate, Size, Span};
use crate::model::{PhaseKind, Share};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

table! {
    /// What drives the target: the built-in driver (`base-url` and steps) or an external command.
    pub struct WorkloadConfig {
        /// Where requests go, such as `http://127.0.0.1:${port}`; several are used in turn, one for each connection.
        "base-url" base_url: Vec<String> = Vec::new(),
        /// Seed of everything random in the workload: the same seed sends the same requests.
        "seed" seed: u64 = 1,
        /// Closed model: this many connections, each sending its next request when the last is answered.
        "concurrency" concurrency: Option<u32> = None,
        /// Open model: requests begin at this rate, whatever the answers; `concurrency` is then the highest number in flight.
        "rate" rate: Option<Rate> = None,
        /// Requests sent over one connection before it is closed; unlimited by default.
        "requests-per-connection" requests_per_connection: Option<u32> = None,
        /// Pause of a connection after each answer.
        "think-time" think_time: Option<Span> = None,
        /// How long a request may take.
        "timeout" timeout: Span = Span(Duration::from_secs(10)),
        /// The steps, drawn at random by their weights.
        "step" steps: Vec<StepConfig> = Vec::new(),
        /// Whether the mix of steps varies over each soak, in blocks around the configured weights: so it can be told which
        /// step leaks.
        "vary-mix" vary_mix: bool = true,
        /// An external command that drives the target instead; it is run once for each phase that has load.
        "command" command: Option<Vec<String>> = None,
        /// A regular expression over the command's output whose group `count` is the number of requests it sent.
        "command-requests" command_requests: Option<String> = None,
    }
}

impl WorkloadConfig {
    /// Whether it is known how many requests it sends.
    pub fn counts_requests(&self) -> bool {
        self.command.is_none() || self.command_requests.is_some()
    }
}

table! {
    /// One kind of request.
    pub struct StepConfig {
        /// Its name in reports.
        "name" name: String,
        /// How often it is drawn, relative to the others.
        "weight" weight: f64 = 1.0,
        /// HTTP method.
        "method" method: String = "GET".into(),
        /// Path and query, below the base URL.
        "path" path: String,
        /// Headers, beside those that HTTP needs.
        "headers" headers: BTreeMap<String, String> = BTreeMap::new(),
        /// Body.
        "body" body: Option<BodyConfig> = None,
        /// Status codes that count as success.
        "expect" expect: Vec<u16> = vec![200],
        /// Requests that are broken off on purpose.
        "abort" abort: Option<AbortConfig> = None,
    }
}

choice! {
    /// What a request carries: one of these.
    pub enum BodyConfig {
        /// This text.
        "text" Text(String),
        /// The content of this file.
        "file" File(String),
        /// Random bytes of this size.
        "random" Random(Size),
        /// An HTML form with one uploaded file of random bytes of this size.
        "multipart" Multipart(Size),
    }
}

table! {
    /// A share of requests that the client breaks off.
    pub struct AbortConfig {
        /// How many of the step's requests.
        "share" share: Share,
        /// When.
        "at" at: AbortPoint = AbortPoint::default(),
    }
}

choice! {
    /// When a request is broken off.
    pub enum AbortPoint: Copy, Eq = MidBody {
        /// At a random place in the body.
        "mid-body" MidBody,
        /// When the body is sent, before the answer.
        "after-body" AfterBody,
        /// In the body, which drips slowly for half of the timeout before.
        "slow-drip" SlowDrip,
    }
}

table! {
    /// One phase of the run: its kind, and one length.
    pub struct PhaseConfig {
        /// Its kind: `warm-up` (load that isn't judged), `soak` (load that is judged) or `settle` (no load).
        "kind" kind: PhaseKind,
        /// It ends after this time.
        "duration" duration: Option<Span> = None,
        /// It ends after this many requests.
        "requests" requests: Option<u64> = None,
        /// It ends when every worker alive has served this many requests in it, on average.
        "requests-per-worker" requests_per_worker: Option<u64> = None,
        /// Load at its end; it is reached in a straight line from the load of the phase before. For the open model.
        "rate" rate: Option<Rate> = None,
        /// The same for the closed model.
        "concurrency" concurrency: Option<u32> = None,
    }
}

impl PhaseConfig {
    /// A phase of this kind under the load that there is, which ends after this time; without one, at no length of its own.
    pub fn lasting(kind: PhaseKind, duration: Option<Span>) -> Self {
        PhaseConfig { kind, duration, requests: None, requests_per_worker: None, rate: None, concurrency: None }
    }
}

/// A table by itself, from the lines below its heading.
fn from_text<T: Setting>(text: &str) -> Result<T, ConfigError> {
    let (source, root) = Source::parse(text, "text")?;
    let mut problems = Problems::default();
    let read = T::read(&root, &KeyPath::default(), &mut problems);
    source.verdict(problems).map(|()| read.unwrap_or_else(T::stand_in))
}

impl FromStr for WorkloadConfig {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        from_text(text)
    }
}

impl FromStr for PhaseConfig {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        from_text(text)
    }
}
