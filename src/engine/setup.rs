//! What a run needs before anything starts: its name, its directories, its variables, its memory group.

use super::end::RunError;
use super::head::{self, uncounted};
use super::metrics;
use super::sampler::driver_counting;
use crate::config::{
    AcceptConfig, Harness, HeapMode, RequestsConfig, ServiceConfig, StepConfig, TargetConfig, Variables, Workers,
    keep_secrets_in, keep_secrets_of, metric_sources, redacted, resolve,
};
use crate::model::{Gates, RunMeta, Step, Target};
use crate::probe::{Library, MemoryGroup, proc_shows_us};
use crate::supervise::{Guard, KILLING, sweep_groups, sweep_scratch};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A variable by which a runtime with an allocator of its own is told to use the C library's.
#[derive(Debug, Clone, Copy)]
pub struct PlainMalloc {
    /// Its name and value.
    pub variable: (&'static str, &'static str),
    /// The runtime, as people call it; in lower case, the names of its program and library begin with it.
    pub runtime: &'static str,
}

/// All of them.
const PLAIN_MALLOC: [PlainMalloc; 2] = [
    PlainMalloc { variable: ("PYTHONMALLOC", "malloc"), runtime: "Python" },
    PlainMalloc { variable: ("USE_ZEND_ALLOC", "0"), runtime: "PHP" },
];

/// A run that is ready to start.
#[derive(Debug)]
pub struct Setup {
    /// The harness file with its variables replaced.
    pub harness: Harness,
    /// The scratch directory, which ends with the run.
    pub scratch: Scratch,
    /// The preload library, if allocations are to be traced.
    pub library: Option<Library>,
    /// The target's memory group, or why there is none.
    pub group: Result<MemoryGroup, String>,
    /// Below it is all that the run starts. At its end, scratch directory and group are removed.
    pub guard: Arc<Guard>,
    /// What stays of earlier runs, in a sentence each.
    pub stays: Vec<String>,
}

/// The scratch directory of a run. Targets that drop their privileges must be able to enter it, so it isn't in the run
/// directory, which is private.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    work: PathBuf,
}

impl Scratch {
    /// Where it is; the run's own files are here.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder in it that is the target's.
    pub fn work(&self) -> &Path {
        &self.work
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        // Whoever still holds the guard, as a thread may, must not delay the end of what is below it.
        self.guard.end(KILLING);
    }
}

impl Setup {
    /// Sets a run of `harness` up; `harness_dir` is where its file is. Returns the head of the run beside.
    ///
    /// # Errors
    /// If a directory can't be made, or a variable can't be resolved.
    pub fn new(harness: &Harness, harness_dir: &Path) -> Result<(Self, RunMeta), RunError> {
        let harness = &harness.alone();
        let stamp = head::stamp(&harness.name);
        let id = &stamp.1;
        let (guard, scratch, stays) = guarded(id)?;
        let (variables, resolved) = resolved_for_run(harness, harness_dir, &scratch)?;
        let library = match resolved.heap.mode {
            HeapMode::Off => None,
            HeapMode::Preload => Some(Library::install(scratch.path()).map_err(|e| RunError::Setup(e.to_string()))?),
        };
        let group = make_group(&guard, id, resolved.target.memory_limit.0);
        let setup = Setup { harness: resolved, scratch, library, group, guard, stays };
        let meta = setup.head(stamp, redacted(harness, &variables));
        Ok((setup, meta))
    }

    /// The head of the run; `stored` is the harness file as it may be stored.
    fn head(&self, stamp: (String, String), stored: Harness) -> RunMeta {
        let Harness { target, workload, .. } = &self.harness;
        let counting = if self.harness.counts_requests() { driver_counting() } else { uncounted() };
        let target = Target {
            command: stored.target.command.clone(),
            executable: None,
            root: None,
            workers: describe_workers(&target.workers),
            chosen: None,
            memory_limit: Some(target.memory_limit.0),
            limited_by: Some(self.group.as_ref().map_or("rlimit", MemoryGroup::kind).into()),
            worker_limits: None,
            max_worker_size: target.max_worker_size.map(|size| size.0),
            warm_up: None,
        };
        let config = serde_json::to_value(&stored).expect("a harness has only text keys, which JSON can hold");
        RunMeta {
            seed: workload.as_ref().map_or(0, |workload| workload.seed),
            steps: stored.steps().iter().map(stored_step).collect(),
            metrics: metrics::described(&metric_sources(&stored.metrics)),
            budgets: self.harness.budgets(),
            gates: gates(&self.harness),
            accepted_sites: stored.accept.iter().map(AcceptConfig::as_recorded).collect(),
            ..head::begun(self.harness.name.clone(), stamp, target, counting, config)
        }
    }

    /// The head of the record of a service, beside that of its run; `service` has its variables replaced.
    pub fn head_of(&self, name: &str, service: &ServiceConfig, run: &RunMeta) -> RunMeta {
        let own = service.requests != RequestsConfig::default();
        let counting = match self.harness.counts_requests_of(service) {
            // What counts them says what that is worth.
            _ if own => uncounted(),
            true => driver_counting(),
            false => uncounted(),
        };
        let stored = &run.config["services"][name];
        let command = stored["command"].as_array().into_iter().flatten();
        let target = Target {
            command: command.filter_map(|word| word.as_str().map(str::to_owned)).collect(),
            root: None,
            workers: describe_workers(&service.workers),
            chosen: None,
            max_worker_size: service.max_worker_size.map(|size| size.0),
            ..run.target.clone()
        };
        let stamp = (run.started.clone(), run.id.clone());
        let mut config = stored.clone();
        config["heap"] = run.config["heap"].clone();
        RunMeta {
            seed: run.seed,
            steps: run.steps.clone(),
            metrics: metrics::described(&metric_sources(&service.metrics)),
            budgets: self.harness.budgets_of(service),
            ..head::begun(name.to_owned(), stamp, target, counting, config)
        }
    }

    /// A run of `harness` as far as its scratch directory and its variables, for a target that isn't launched.
    ///
    /// # Errors
    /// If the directory can't be made, or a variable can't be resolved.
    pub fn unlaunched(harness: &Harness, harness_dir: &Path) -> Result<Self, RunError> {
        let (_, id) = head::stamp(&harness.name);
        let (guard, scratch, stays) = guarded(&id)?;
        let (_, harness) = resolved_for_run(&harness.alone(), harness_dir, &scratch)?;
        Ok(Setup { harness, scratch, library: None, group: Err("nothing is launched".into()), guard, stays })
    }

    /// The target's environment: what may pass from ours, and what the harness file sets.
    pub fn environment(&self) -> BTreeMap<String, String> {
        self.environment_of(&self.harness.target)
    }

    /// The same of a target, or of a service as one.
    pub fn environment_of(&self, target: &TargetConfig) -> BTreeMap<String, String> {
        let passed = target.pass_env.iter().filter_map(|name| Some((name.clone(), std::env::var(name).ok()?)));
        passed.chain(target.env.clone()).collect()
    }

    /// The environment to launch a target with, or a service as one: its own, and what traces its allocations.
    pub fn launch_environment(&self, target: &TargetConfig) -> BTreeMap<String, String> {
        let mut environment = self.environment_of(target);
        if let Some(library) = &self.library {
            library.enter(&mut environment, self.harness.heap.mean.0);
            for PlainMalloc { variable: (name, value), .. } in self.plain_malloc() {
                environment.entry((*name).into()).or_insert_with(|| (*value).into());
            }
        }
        environment
    }

    /// What runtimes are told of allocators, where allocations are traced.
    pub fn plain_malloc(&self) -> &'static [PlainMalloc] {
        if self.harness.heap.plain_malloc { &PLAIN_MALLOC } else { &[] }
    }

    /// The working directory of a target, or of a service as one.
    pub fn cwd_of(&self, target: &TargetConfig) -> PathBuf {
        target.cwd.as_ref().map_or_else(|| self.scratch.work().to_owned(), PathBuf::from)
    }
}

/// A guard, which comes before all else, and a scratch directory that it removes at the end. What dead runs have left is
/// removed first; what stays of it is returned, in a sentence each.
fn guarded(id: &str) -> Result<(Arc<Guard>, Scratch, Vec<String>), RunError> {
    proc_shows_us().map_err(RunError::Setup)?;
    let guard = Guard::start().map_err(|e| RunError::Setup(e.to_string()))?;
    // An empty TMPDIR is none.
    let place = std::env::var_os("TMPDIR").filter(|place| !place.is_empty()).map_or("/tmp".into(), PathBuf::from);
    let make = || -> std::io::Result<(Scratch, Vec<String>)> {
        let parent = place.canonicalize()?;
        let stays = sweep_scratch(&parent);
        let (path, work) = guard.make_scratch(&parent, &name_of(id))?;
        Ok((Scratch { path, work }, stays))
    };
    let (scratch, stays) = make().map_err(|error| {
        let place = place.display();
        RunError::Setup(format!(
            "could not make a scratch directory in {place}: {error}; set TMPDIR to a directory that can be written"
        ))
    })?;
    Ok((Arc::new(guard), scratch, stays))
}

/// What the scratch directory and the group of a run are called.
fn name_of(id: &str) -> String {
    format!("seepage-{id}")
}

/// The target's memory group, which the guard removes at the end.
fn make_group(guard: &Guard, id: &str, limit: u64) -> Result<MemoryGroup, String> {
    let name = name_of(id);
    let make = || -> std::io::Result<MemoryGroup> {
        for place in MemoryGroup::places() {
            sweep_groups(&place);
            guard.remove_group_at_end(place.join(&name))?;
        }
        let group = MemoryGroup::create(&name, limit)?;
        guard.hold_group(group.directory())?;
        Ok(group)
    };
    make().map_err(|error| error.to_string())
}

/// The values of the variables, and the harness file with these in place.
fn resolved_for_run(
    harness: &Harness,
    harness_dir: &Path,
    scratch: &Scratch,
) -> Result<(Variables, Harness), RunError> {
    let failed = |e: std::io::Error| RunError::Setup(format!("could not set the run's variables: {e}"));
    let variables = Variables::for_run(harness, scratch.work(), harness_dir).map_err(failed)?;
    keep_secrets_in(&variables);
    let resolved = resolve(harness, &variables)?;
    keep_secrets_of(&resolved);
    Ok((variables, resolved))
}

fn describe_workers(workers: &Workers) -> String {
    match workers {
        Workers::Auto => "auto".into(),
        Workers::Itself => "self".into(),
        Workers::Children => "children".into(),
        Workers::Descendants => "descendants".into(),
        Workers::Match(pattern) => format!("matching {pattern}"),
    }
}

/// A step as it may be stored.
fn stored_step(step: &StepConfig) -> Step {
    let StepConfig { name, method, path, weight, .. } = step;
    Step { name: name.clone(), method: method.clone(), path: path.clone(), weight: *weight }
}

fn gates(harness: &Harness) -> Gates {
    let seconds = |span: Option<crate::config::Span>| span.map(|s| s.0.as_secs_f64());
    let gates = &harness.gates;
    Gates {
        error_rate: harness.error_rate(),
        p50: seconds(gates.p50),
        p95: seconds(gates.p95),
        p99: seconds(gates.p99),
    }
}
