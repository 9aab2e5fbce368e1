//! Prints how often the verdict is right, family by family, beside the rules that people write by hand.
//!
//! `cargo run --release --example accuracy -- --reps 200 --seed 1` makes the table of `docs/accuracy.md`.

#[path = "../tests/accuracy/calibration.rs"]
mod calibration;
#[path = "../tests/accuracy/early.rs"]
mod early;
#[path = "../tests/accuracy/families.rs"]
mod families;
#[path = "../tests/accuracy/mixes.rs"]
mod mixes;
#[path = "../tests/accuracy/naive.rs"]
mod naive;

use clap::Parser;
#[cfg(feature = "ablation")]
use clap::{CommandFactory, builder::PossibleValuesParser, error::ErrorKind};
use families::{BUDGET, FAMILIES, Family, PAGE, Source, Truth};
use mixes::MIXES;
use seepage::answer::{Finding, Outcome};
use seepage::model::{Axis, Resource, Series};
use seepage::rule::find;
#[cfg(feature = "ablation")]
use seepage::thresholds::{self, Change};
use seepage::words;
use std::time::{Duration, Instant};

#[derive(Parser)]
struct Arguments {
    /// Cases of each family.
    #[arg(long, default_value_t = 200)]
    reps: u64,
    /// Seed of all cases.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only families whose name contains this.
    #[arg(long, default_value = "")]
    family: String,
    /// Let runs end early, as soon as the answer is proven, and show when they did.
    #[arg(long)]
    early: bool,
    /// With `--early`: no warm-up phase came before the soak.
    #[arg(long, requires = "early")]
    without_warm_up: bool,
    /// Watch without a planned end, until leak or clean is proven, as `attach` does.
    #[arg(long, conflicts_with = "early")]
    open_ended: bool,
    /// Show how often the bounds of 99 % miss the truth, where it is known.
    #[arg(long)]
    calibration: bool,
    /// Show the families whose workload has several steps, judged with the counts of the steps and without them.
    #[arg(long)]
    steps: bool,
    /// Show what is proven of pools of 1, 8 and 64 workers, of which all, one or none leak.
    #[arg(long)]
    workers: bool,
    /// Print the answer to each case with its interval: what two versions of the rule answer otherwise is what `diff` shows.
    #[arg(long)]
    each: bool,
    /// Tell the reason of every answer that is wrong or open.
    #[arg(long)]
    explain: bool,
    /// Judge without a condition of the rule.
    #[cfg(feature = "ablation")]
    #[arg(long, value_name = "CONDITION", value_parser = PossibleValuesParser::new(thresholds::CONDITIONS))]
    without: Option<String>,
    /// Judge with another threshold: its name in `docs/thresholds.md`, and how many times its value.
    #[cfg(feature = "ablation")]
    #[arg(long, num_args = 2, value_names = ["THRESHOLD", "FACTOR"], conflicts_with = "without")]
    scale: Vec<String>,
}

impl Arguments {
    /// Whether it is looked before the end.
    fn looks(&self) -> bool {
        self.early || self.open_ended
    }
}

/// Counts over the cases of one family.
#[derive(Default, Clone)]
struct Tally {
    leak: u64,
    clean: u64,
    open: u64,
    /// "Leak" by each of the naive rules.
    naive: Vec<u64>,
    time: Duration,
    /// Share of the plan at which each run ended that wasn't left open, with `--early` or `--open-ended`.
    ends: Vec<f64>,
}

fn tally(family: &Family, arguments: &Arguments) -> Tally {
    let mut tally =
        Tally { naive: if arguments.looks() { Vec::new() } else { vec![0; naive::RULES.len()] }, ..Tally::default() };
    for case in 0..arguments.reps {
        let series = (family.make)(&mut Source::new(arguments.seed, family.name, case));
        if arguments.looks() {
            let (outcome, share) = match arguments.early {
                true => early::end(&series, !arguments.without_warm_up),
                false => early::open_end(&series),
            };
            tally.count(outcome);
            if outcome != Outcome::Inconclusive {
                tally.ends.push(share);
            }
            continue;
        }
        let start = Instant::now();
        let finding = find(Resource::Memory, Axis::WorkerRequests, &series, BUDGET, PAGE);
        tally.time += start.elapsed();
        tally.count(finding.outcome);
        if arguments.each {
            let growth = finding.growth.map_or((f64::NAN, f64::NAN), |growth| (growth.lower, growth.upper));
            println!("{}, case {case}: {}, {:.1} to {:.1}", family.name, finding.outcome, growth.0, growth.1);
        }
        for (count, rule) in tally.naive.iter_mut().zip(naive::RULES) {
            *count += u64::from((rule.leaks)(&series));
        }
        let right = match family.truth {
            Truth::Leak => Outcome::Leak,
            Truth::Clean | Truth::Tolerated => Outcome::Clean,
            Truth::Edge | Truth::Growing | Truth::Hard | Truth::Buried => Outcome::Inconclusive,
        };
        if arguments.explain && finding.outcome != right {
            println!("  case {case}: {}: {}", finding.outcome, words::reason(&finding));
            println!("      growth by quarters: {:.0?}", finding.evidence.quarters);
            for (label, value) in words::facts(&finding) {
                println!("      {label}: {value}");
            }
        }
    }
    tally
}

/// What is another for a while in the rule.
#[cfg(feature = "ablation")]
fn change(arguments: &Arguments) -> Change {
    let fail = |what: String| Arguments::command().error(ErrorKind::InvalidValue, what).exit();
    if let Some(name) = &arguments.without {
        return thresholds::CONDITIONS
            .iter()
            .find(|one| *one == name)
            .map_or(Change::None, |name| Change::Without(name));
    }
    let [name, factor] = &arguments.scale[..] else { return Change::None };
    let Some((name, _)) = thresholds::ALL.iter().find(|(one, _)| one == name) else {
        fail(format!("--scale: no threshold is called `{name}`; docs/thresholds.md has all of them"))
    };
    match factor.parse() {
        Ok(factor) => Change::Scaled { name, factor },
        Err(_) => fail(format!("--scale: `{factor}` is no number")),
    }
}

fn main() {
    let arguments = Arguments::parse();
    #[cfg(feature = "ablation")]
    thresholds::with(change(&arguments), || print(&arguments));
    #[cfg(not(feature = "ablation"))]
    print(&arguments);
}

fn print(arguments: &Arguments) {
    if arguments.calibration {
        return print_calibration(arguments);
    }
    if arguments.steps {
        return print_steps(arguments);
    }
    if arguments.workers {
        return print_workers(arguments);
    }
    let names: Vec<&str> = if arguments.looks() {
        vec!["half of the answers by", "by half of the run"]
    } else {
        naive::RULES.iter().map(|r| r.name).collect()
    };
    println!("| family | truth | leak | clean | open | {} |", names.join(" | "));
    println!("|---|---|---|---|---|{}", "---|".repeat(names.len()));
    let mut sums: Vec<(Truth, Tally)> = Vec::new();
    for family in FAMILIES.iter().filter(|f| f.name.contains(&arguments.family)) {
        let one = tally(family, arguments);
        print_row(family.name, &format!("{:?}", family.truth).to_lowercase(), &one);
        match sums.iter_mut().find(|s| s.0 == family.truth) {
            Some((_, sum)) => sum.add(&one),
            None => sums.push((family.truth, one)),
        }
    }
    let mut time = Duration::ZERO;
    let mut cases = 0;
    for (truth, sum) in &sums {
        print_row("**all**", &format!("**{truth:?}**").to_lowercase(), sum);
        time += sum.time;
        cases += sum.leak + sum.clean + sum.open;
    }
    let wrong = |is_wrong: fn(Truth) -> bool, count: fn(&Tally) -> u64| {
        let of = || sums.iter().filter(|(truth, _)| is_wrong(*truth)).map(|(_, sum)| sum);
        let cases: u64 = of().map(|sum| sum.leak + sum.clean + sum.open).sum();
        format!("{} of {cases}", of().map(count).sum::<u64>())
    };
    let (leak, clean) = (wrong(Truth::is_no_leak, |s| s.leak), wrong(Truth::is_not_clean, |s| s.clean));
    println!("\nwrongly called a leak: {leak}; wrongly called clean: {clean}");
    println!("{cases} cases, {:.2} ms each", time.as_secs_f64() * 1e3 / cases.max(1) as f64);
}

fn print_calibration(arguments: &Arguments) {
    println!("| family | upper bound under the truth | lower bound over it | cases |");
    println!("|---|---|---|---|");
    for (name, misses) in calibration::misses(arguments.seed, arguments.reps) {
        let percent = |n: u64| format!("{:.2} %", 100.0 * n as f64 / misses.cases.max(1) as f64);
        println!("| {name} | {} | {} | {} |", percent(misses.upper), percent(misses.lower), misses.cases);
    }
}

/// What is proven of pools: the power of a pass and of a leak by how many workers there are.
fn print_workers(arguments: &Arguments) {
    println!("| workers | that leak | by 1.5 x | by 2 x | by 3 x | by 4 x | clean |");
    println!("|---|---|---|---|---|---|---|");
    for workers in [1, 8, 64] {
        let share = |leaking: u32, times: f64, wanted: Outcome| {
            let name = format!("{leaking} of {workers}, {times} x");
            let is_found = |case: &u64| {
                let series =
                    families::some_leak(&mut Source::new(arguments.seed, &name, *case), workers, leaking, times);
                find(Resource::Memory, Axis::WorkerRequests, &series, BUDGET, PAGE).outcome == wanted
            };
            let found = (0..arguments.reps).filter(is_found).count();
            format!("{:.0} %", 100.0 * found as f64 / arguments.reps.max(1) as f64)
        };
        for leaking in if workers == 1 { vec![1] } else { vec![workers, 1] } {
            let found = [1.5, 2.0, 3.0, 4.0].map(|times| share(leaking, times, Outcome::Leak));
            println!("| {workers} | {leaking} | {} | |", found.join(" | "));
        }
        println!("| {workers} | none | | | | | {} |", share(0, 0.0, Outcome::Clean));
    }
}

/// Answers and the median width of the interval, with counts by step and without.
fn print_steps(arguments: &Arguments) {
    println!("| family | truth | leak | clean | open | width | leak, without counts | clean | open | width |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let judged = |series: &[Series]| find(Resource::Memory, Axis::WorkerRequests, series, BUDGET, PAGE);
    for family in MIXES.iter().filter(|f| f.name.contains(&arguments.family)) {
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for case in 0..arguments.reps {
            let mut series = (family.make)(&mut Source::new(arguments.seed, family.name, case));
            with.push(judged(&series));
            series.iter_mut().for_each(|s| s.by_step.clear());
            without.push(judged(&series));
        }
        let cells: Vec<String> = [with, without].iter().flat_map(|findings| step_cells(findings)).collect();
        let truth = format!("{:?}", family.truth).to_lowercase();
        println!("| {} | {truth} | {} |", family.name, cells.join(" | "));
    }
}

fn step_cells(findings: &[Finding]) -> Vec<String> {
    let mut tally = Tally::default();
    findings.iter().for_each(|f| tally.count(f.outcome));
    let all = findings.len().max(1) as f64;
    let mut widths: Vec<f64> = findings.iter().filter_map(|f| f.growth.map(|g| g.upper - g.lower)).collect();
    widths.sort_by(f64::total_cmp);
    let percent = [tally.leak, tally.clean, tally.open].map(|n| format!("{:.1} %", 100.0 * n as f64 / all));
    let width = widths.get(widths.len() / 2).map_or("-".into(), |w| format!("{w:.1} B"));
    percent.into_iter().chain([width]).collect()
}

impl Tally {
    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Leak => self.leak += 1,
            Outcome::Clean => self.clean += 1,
            Outcome::Inconclusive => self.open += 1,
        }
    }

    fn add(&mut self, other: &Tally) {
        self.leak += other.leak;
        self.clean += other.clean;
        self.open += other.open;
        self.time += other.time;
        self.ends.extend(&other.ends);
        for (a, b) in self.naive.iter_mut().zip(&other.naive) {
            *a += b;
        }
    }
}

fn print_row(name: &str, truth: &str, tally: &Tally) {
    let all = (tally.leak + tally.clean + tally.open).max(1) as f64;
    let percent = |n: &u64| format!("{:.1} %", 100.0 * *n as f64 / all);
    let ours = [tally.leak, tally.clean, tally.open];
    let mut cells: Vec<String> = ours.iter().map(percent).collect();
    let mut ends = tally.ends.clone();
    ends.sort_by(f64::total_cmp);
    if let Some(median) = ends.get(ends.len() / 2) {
        cells.push(format!("{:.0} %", 100.0 * median));
        cells.push(percent(&(ends.partition_point(|e| *e < 0.5) as u64)));
    } else {
        cells.extend(tally.naive.iter().map(percent));
    }
    println!("| {name} | {truth} | {} |", cells.join(" | "));
}
