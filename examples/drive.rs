//! The load driver alone, for measuring it beside other load generators:
//! `cargo run --release --example drive -- http://127.0.0.1:8080/ --connections 4 --seconds 5`.

use clap::Parser;
use seepage::config::{PhaseConfig, WorkloadConfig};
use seepage::workload::{Counters, Driver};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};
use std::time::Instant;

#[derive(Parser)]
struct Options {
    /// Where requests go, with their path.
    url: url::Url,
    #[arg(long, default_value_t = 4)]
    connections: u32,
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Open model: requests begin at this rate, such as `500/s`.
    #[arg(long)]
    rate: Option<seepage::config::Rate>,
    /// Upload random bodies of this size, such as `64 KiB`, instead of getting.
    #[arg(long)]
    upload: Option<seepage::model::Bytes>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let mut base = options.url.clone();
    base.set_path("");
    let upload =
        options.upload.map(|size| format!("method = 'POST'\nbody = {{ random = '{} B' }}", size.0)).unwrap_or_default();
    let rate = options.rate.map(|rate| format!("rate = '{rate}'")).unwrap_or_default();
    let config: WorkloadConfig = format!(
        "base-url = ['{base}']\nconcurrency = {}\n{rate}\n[[step]]\nname = 'only'\npath = '{}'\n{upload}",
        options.connections,
        options.url.path(),
    )
    .parse()?;
    let phase: PhaseConfig = format!("kind = 'soak'\nduration = '{}s'", options.seconds).parse()?;
    let counters = Arc::new(Counters::new(&config));
    let (sender, _receiver) = mpsc::channel();
    let mut driver = Driver::new(&config, Instant::now(), counters, sender)?;
    driver.run(&phase, &|| 1, &AtomicBool::new(false));
    let summary = driver.summary().unwrap_or_default();
    println!("{}", serde_json::to_string_pretty(&summary)?);
    println!("{:.0} requests/s", summary.ok as f64 / summary.seconds);
    Ok(())
}
