//! Simulated programs whose allocations are traced: what their sites do is known, and so is what has to be said of them.

use super::{CallSite, CallSites, Workers, call_sites};
use crate::fixture::run::{END, WARM_UP, leaking, worker};
use crate::model::{
    CallStack, Frame, HeapLook, HeapLost, HeapReading, HeapSource, HostSample, Resource, RunRecord, Sample,
    SampledBlock, Step,
};
use crate::readings::mix::Mix;
use crate::readings::series::series;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Poisson};

/// Mean of bytes between samples at first.
pub const MEAN: u64 = 16 << 10;
/// Workers of each run.
const WORKERS: u32 = 2;

/// What a site does with each request that reaches it.
#[derive(Clone, Copy)]
pub enum Does {
    /// Keeps a block of so many bytes.
    Keep(u64),
    /// Keeps such a block until so many are kept, and then replaces the oldest.
    Cache(u64, usize),
    /// Replaces one of so many blocks, by chance.
    Pool(u64, usize),
    /// Keeps such a block of every so many-th request on average.
    Rare(u64, u64),
    /// Keeps such a block for a random time of so many requests on average: how many there are goes up and down.
    Crowd(u64, u64),
    /// Allocates such blocks and frees them within the request; so many are live at a time, at most.
    Churn(u64, usize),
}

/// A program and how it is driven.
pub struct Program<'a> {
    /// What each site does, and the step whose requests reach it; all do if it is `None`. Site `n` is stack `n`.
    pub sites: &'a [(Does, Option<usize>)],
    /// Weights of the workload's steps, which vary over the soak.
    pub steps: &'a [f64],
    /// Whether each worker's requests are counted by step; else the pool's are.
    pub by_worker: bool,
    /// Requests that a worker is sent in a second, on average.
    pub load: fn(f64) -> f64,
    /// Seconds at which the mean is doubled.
    pub raised: &'a [f64],
    /// Whether live bytes were counted too.
    pub counted: bool,
}

/// Ten requests a second of one step, sampled at one mean.
pub const PLAIN: Program =
    Program { sites: &[], steps: &[1.0], by_worker: true, load: |_| 10.0, raised: &[], counted: false };

/// A block of the simulation.
#[derive(Clone, Copy)]
struct Live {
    size: u64,
    born: f64,
    /// Drawn once: it is in the sample where this is below its probability.
    chance: f64,
    /// Its number, once it was in the sample at a look.
    number: Option<u32>,
}

impl Live {
    fn is_sampled(&self, mean: u64) -> bool {
        self.chance < -(-(self.size as f64) / mean as f64).exp_m1()
    }
}

impl Program<'_> {
    /// A run of it: each worker is read, and its live set looked at, once a second.
    pub fn run(&self, seed: u64) -> RunRecord {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut record = leaking();
        let frame = |site: usize| Frame {
            module: "/srv/worker".into(),
            function: Some(format!("site_{site}")),
            ..Frame::default()
        };
        record.heap.stacks = (0..self.sites.len()).map(|site| CallStack { frames: vec![frame(site)] }).collect();
        let step = |k: usize, weight: f64| Step { name: format!("step_{k}"), weight, ..Step::default() };
        record.meta.steps = self.steps.iter().enumerate().map(|(k, weight)| step(k, *weight)).collect();
        let names = record.meta.steps.iter().map(|step| step.name.clone());
        record.meta.classes = if self.by_worker { names.collect() } else { Vec::new() };
        record.samples.clear();
        record.host = (0..END as u64).map(|second| HostSample { t: second as f64, ..HostSample::default() }).collect();
        record.host.iter_mut().for_each(|host| host.by_step = vec![0; self.steps.len()]);
        let mixes = self.mixes(&mut rng);
        for pid in 1..=WORKERS {
            self.work(pid, &mixes, &mut record, &mut rng);
        }
        record
    }

    /// The weights of the steps in each second: in a soak of one step as they are, else other ones every four seconds,
    /// and each time the opposite four seconds later.
    fn mixes(&self, rng: &mut impl Rng) -> Vec<Vec<f64>> {
        let mut tilts: Vec<f64> = Vec::new();
        let mix = |second: u64| {
            if second.is_multiple_of(8) {
                tilts = self.steps.iter().map(|_| rng.random_range(-0.75..0.75)).collect();
            }
            let sign = if second % 8 < 4 { 1.0 } else { -1.0 };
            let weights: Vec<f64> = self.steps.iter().zip(&tilts).map(|(w, tilt)| w * (1.0 + sign * tilt)).collect();
            let sum: f64 = weights.iter().sum();
            weights.into_iter().map(|weight| weight / sum).collect()
        };
        (0..END as u64).map(mix).collect()
    }

    fn work(&self, pid: u32, mixes: &[Vec<f64>], record: &mut RunRecord, rng: &mut impl Rng) {
        let mut live: Vec<Vec<Live>> = vec![Vec::new(); self.sites.len()];
        let mut went: Vec<u32> = Vec::new();
        let mut by_step = vec![0; self.steps.len()];
        let (mut numbers, mut mean) = (0, MEAN);
        for (second, mix) in mixes.iter().enumerate() {
            let t = second as f64;
            for _ in self.raised.iter().filter(|at| **at as usize == second) {
                mean *= 2;
                for block in live.iter_mut().flatten().filter(|block| !block.is_sampled(mean)) {
                    went.extend(block.number.take());
                }
            }
            let mut sample = Sample::new(t, worker(pid));
            (sample.anon, sample.swap) = (Some(50 << 20), Some(0));
            sample.requests = Some(by_step.iter().sum());
            sample.by_class = if self.by_worker { by_step.clone() } else { Vec::new() };
            self.flight(&mut live, t, &mut went, rng);
            let bytes = live.iter().flatten().map(|block| block.size).sum();
            sample.heap = self.counted.then(|| HeapReading { live: bytes, ..HeapReading::default() });
            record.samples.push(sample);
            // A moment later something else is in flight.
            self.flight(&mut live, t, &mut went, rng);
            let mut came = Vec::new();
            for (site, blocks) in live.iter_mut().enumerate() {
                for block in blocks.iter_mut().filter(|block| block.number.is_none() && block.is_sampled(mean)) {
                    block.number = Some(numbers);
                    let (stack, size, born) = (Some(site as u32), block.size, block.born);
                    came.push(SampledBlock { stack, size, live: None, born });
                    numbers += 1;
                }
            }
            record.heap.looks.push(HeapLook {
                t,
                worker: worker(pid),
                source: HeapSource::Allocations,
                mean,
                lost: HeapLost::default(),
                came,
                went: std::mem::take(&mut went),
                allocated: Vec::new(),
            });
            for (host, total) in record.host[second].by_step.iter_mut().zip(&by_step) {
                *host += total;
            }
            let requests = Poisson::new((self.load)(t)).expect("a load").sample(rng) as u64;
            for _ in 0..requests {
                let step = drawn(mix, rng);
                by_step[step] += 1;
                self.serve(step, t, &mut live, &mut went, rng);
            }
        }
    }

    /// What one request of a step does.
    fn serve(&self, step: usize, t: f64, live: &mut [Vec<Live>], went: &mut Vec<u32>, rng: &mut impl Rng) {
        for ((does, of), blocks) in self.sites.iter().zip(live) {
            let (bytes, keeps) = match *does {
                _ if of.is_some_and(|of| of != step) => continue,
                Does::Keep(bytes) => (bytes, usize::MAX),
                Does::Cache(bytes, most) | Does::Pool(bytes, most) => (bytes, most),
                Does::Rare(bytes, every) if rng.random_range(0..every) == 0 => (bytes, usize::MAX),
                Does::Crowd(bytes, requests) => {
                    let stays = |_: &Live| rng.random_range(0..requests) > 0;
                    let (stay, leave): (Vec<Live>, Vec<Live>) = blocks.drain(..).partition(stays);
                    went.extend(leave.into_iter().filter_map(|block| block.number));
                    blocks.extend(stay);
                    (bytes, usize::MAX)
                }
                Does::Rare(..) | Does::Churn(..) => continue,
            };
            if blocks.len() >= keeps {
                let old = if matches!(does, Does::Pool(..)) { rng.random_range(0..keeps) } else { 0 };
                went.extend(blocks.remove(old).number);
            }
            blocks.push(Live { size: bytes, born: t, chance: rng.random(), number: None });
        }
    }

    /// Replaces what churns by what is in flight now.
    fn flight(&self, live: &mut [Vec<Live>], t: f64, went: &mut Vec<u32>, rng: &mut impl Rng) {
        for ((does, _), blocks) in self.sites.iter().zip(live) {
            if let Does::Churn(size, most) = *does {
                went.extend(blocks.drain(..).filter_map(|block| block.number));
                let count = rng.random_range(0..=most);
                blocks.extend((0..count).map(|_| Live { size, born: t, chance: rng.random(), number: None }));
            }
        }
    }

    /// What is said of a run of it.
    pub fn judged(&self, seed: u64) -> CallSites {
        judge(&self.run(seed)).expect("sites")
    }
}

fn drawn(mix: &[f64], rng: &mut impl Rng) -> usize {
    let mut left = rng.random::<f64>();
    let found = mix.iter().position(|weight| {
        left -= weight;
        left < 0.0
    });
    found.unwrap_or(0)
}

/// What is said of a record.
pub fn judge(record: &RunRecord) -> Option<CallSites> {
    let (axis, series) = series(record, Resource::Memory);
    let steps = Mix::new(record).map_or_else(Vec::new, |mix| mix.names);
    call_sites(record, &Workers { axis, series: &series, finding: None, steps: &steps })
}

/// What is said of site `n`.
pub fn named(sites: &CallSites, n: usize) -> Option<&CallSite> {
    sites.sites.iter().find(|site| site.frame.function.as_deref() == Some(&format!("site_{n}")))
}

/// Seconds of the soak.
pub const SOAK: f64 = END - WARM_UP;
