//! The head of a run as it is when the run begins.

use crate::model::{Counting, CountingSource, RunMeta, Target};
use crate::probe::HostProbe;
use crate::store::FORMAT;
use serde_json::Value;
use std::time::SystemTime;

/// The time now, RFC 3339 in UTC, and the id of a run of this name that begins now.
pub fn stamp(name: &str) -> (String, String) {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let short: u32 = rand::random::<u32>() & 0xff_ffff;
    let stamp: String = now.chars().filter(|c| !matches!(c, '-' | ':')).collect();
    let id = format!("{stamp}-{name}-{short:06x}");
    (now, id)
}

/// The head of a run of `target` that begins at `started`, with nothing driven and nothing allowed; `config` tells how it
/// was asked for, without secrets.
pub fn begun(name: String, stamp: (String, String), target: Target, counting: Counting, config: Value) -> RunMeta {
    let begun = RunMeta::begun(name, stamp, HostProbe::describe(), target, counting);
    RunMeta { format: FORMAT.into(), config, ..begun }
}

/// How requests are counted where nothing does.
pub fn uncounted() -> Counting {
    Counting {
        source: CountingSource::None,
        per_worker: false,
        worth: "nothing counts them, so growth is per hour, and holds for this load only".into(),
    }
}
