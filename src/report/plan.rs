//! How long a run has to be, for a person and for a program.

use super::chart::thousands;
use super::fold::hung;
use super::json::printable;
use crate::model::{Axis, Resource, format_bytes, format_count, format_seconds};
use crate::plan::{Noise, Planned};
use crate::words::capital;
use schemars::JsonSchema;
use serde::Serialize;

/// What a plan was asked for, and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanReport {
    /// The noise of the rehearsal.
    pub noise: Noise,
    /// Length by budget, in the order to be shown.
    pub planned: Vec<Planned>,
    /// The budget that is asked about, in bytes per step of the axis; one of those in `planned`.
    pub chosen: f64,
    /// The probability with which each length gets the answer that is true.
    pub power: f64,
    /// How long the rehearsal took, in seconds.
    pub rehearsed: f64,
}

impl PlanReport {
    fn chosen(&self) -> Option<&Planned> {
        self.planned.iter().find(|p| p.budget == self.chosen)
    }

    fn budget(&self, budget: f64) -> String {
        super::text::rate(Resource::Memory, self.noise.axis, budget)
    }

    fn unit(&self) -> &'static str {
        if self.noise.axis == Axis::Hours { "hours" } else { "requests" }
    }

    /// A length in words: `41 000 requests  27 min 20 s`.
    fn length(&self, steps: Option<f64>) -> [String; 2] {
        match steps {
            Some(steps) => [self.steps(steps), self.time(steps)],
            None => ["too long to plan".to_owned(), String::new()],
        }
    }

    fn steps(&self, steps: f64) -> String {
        match self.noise.axis {
            Axis::Hours => format_count(steps),
            _ => thousands(&format!("{:.0}", round_up(steps))),
        }
    }

    fn time(&self, steps: f64) -> String {
        let steps = if self.noise.axis == Axis::Hours { steps } else { round_up(steps) };
        format_seconds((steps / self.noise.pace).ceil())
    }

    /// The lines that go into the harness file; `None` if the budget asked about can't be planned.
    fn phases(&self) -> Option<String> {
        let soak = self.chosen()?.both()?;
        if self.noise.axis == Axis::Hours {
            return Some(format!("--for {}s\n", (soak / self.noise.pace).ceil()));
        }
        let phase = |kind: &str, steps: f64| {
            format!(
                "[[phase]]\nkind = \"{kind}\"\nrequests-per-worker = {:.0}  # about {}\n",
                round_up(steps),
                self.time(steps)
            )
        };
        let warm_up = self.noise.warm_up.map_or(String::new(), |steps| phase("warm-up", steps) + "\n");
        Some(warm_up + &phase("soak", soak))
    }

    /// Lines for a terminal; a table that is too wide for `width` columns is stacked.
    pub fn terminal(&self, width: usize) -> String {
        let noise = &self.noise;
        let unit = self.unit();
        let mut out = match self.chosen().and_then(Planned::both) {
            Some(steps) => format!(
                "To prove {}, soak for {} ({} {unit}{}).\n\n",
                self.budget(self.chosen),
                self.time(steps),
                self.steps(steps),
                if noise.axis == Axis::Hours { "" } else { " in each worker" }
            ),
            None => format!("No soak of a bearable length proves {} under this noise.\n\n", self.budget(self.chosen)),
        };
        out.push_str(&self.table(width));
        out.push_str(&self.rehearsal());
        match self.phases() {
            Some(phases) if noise.axis == Axis::Hours => out.push_str(&format!("\nFor seepage attach: {phases}")),
            Some(phases) => out.push_str(&format!("\nFor the harness file:\n\n{phases}")),
            None => out.push_str("\nAllow more, or quieten the host.\n"),
        }
        out
    }

    /// What was measured, by which it is planned.
    fn rehearsal(&self) -> String {
        let noise = &self.noise;
        let unit = self.unit();
        let workers = if noise.workers == 1 { "1 worker".to_owned() } else { format!("{} workers", noise.workers) };
        let mut out = format!(
            "\nRehearsed for {}: {workers}, {} {unit} each{}.\n",
            format_seconds(self.rehearsed),
            self.steps(noise.span),
            if noise.axis == Axis::Hours { String::new() } else { format!(", {}/s", format_count(noise.pace)) }
        );
        out.push_str(&format!(
            "Noise of a worker's memory: {} (standard deviation), of which {} shared by all; autocorrelation {} from one \
             stretch of {} {unit} to the next.\n",
            format_bytes(noise.own.hypot(noise.common)),
            format_bytes(noise.common),
            format_count(noise.rho),
            format_count(noise.stretch),
        ));
        out.push_str(&match noise.warm_up {
            None => "No warm-up was seen.\n".to_owned(),
            Some(steps) => {
                format!("The warm-up is over after about {} {unit}, {}.\n", self.steps(steps), self.time(steps))
            }
        });
        if noise.still_warming {
            out.push_str("It was still going on at the end: rehearse for longer to know it better.\n");
        }
        if noise.jumps > 0 {
            out.push_str(&format!(
                "Abrupt jumps, which are not in the plan: {}. If they go on, a run needs more.\n",
                noise.jumps
            ));
        }
        out
    }

    /// Lengths by budget.
    fn table(&self, width: usize) -> String {
        let (noise, unit) = (&self.noise, self.unit());
        let times = match self.planned.first() {
            Some(Planned { times, .. }) if *times != 2.0 => format!("{} times", format_count(*times)),
            _ => "twice".to_owned(),
        };
        let head = [
            "budget".to_owned(),
            format!("proves a leak of {times} it"),
            String::new(),
            "proves clean at half of it".to_owned(),
            String::new(),
        ];
        let rows = self.planned.iter().map(|p| {
            let [leak, leak_time] = self.length(p.leak);
            let [clean, clean_time] = self.length(p.clean);
            let mark = if p.budget == self.chosen { " *" } else { "" };
            [format!("{}{mark}", self.budget(p.budget)), leak, leak_time, clean, clean_time]
        });
        let rows = table(&[head].into_iter().chain(rows).collect::<Vec<_>>(), width);
        let unit = match noise.axis {
            Axis::Hours => "Hours".to_owned(),
            _ => format!("{} of each worker, and the time that they take,", capital(unit)),
        };
        format!(
            "{rows}\n{unit} after the warm-up until the answer is proven, {} times in 100.\n",
            format_count(self.power * 100.0)
        )
    }

    /// One JSON object, indented, with a line break at the end.
    pub fn json(&self) -> String {
        let document = Document::new(self);
        let json = serde_json::to_string_pretty(&document).expect("a document of plain fields is JSON");
        printable(&json) + "\n"
    }
}

/// The rows below the first in columns; where there is no room for that, with each heading before its cells.
fn table<const N: usize>(rows: &[[String; N]], width: usize) -> String {
    let table = columns(rows);
    let (Some((head, below)), true) = (rows.split_first(), table.lines().any(|line| line.chars().count() > width))
    else {
        return table;
    };
    let stacked = |row: &[String; N]| {
        let mut out = format!("  {}\n", row[0]);
        for begin in (1..N).filter(|column| !head[*column].is_empty()) {
            let end = (begin + 1..N).find(|column| !head[*column].is_empty()).unwrap_or(N);
            let cells: Vec<&str> = row[begin..end].iter().map(String::as_str).filter(|cell| !cell.is_empty()).collect();
            out.push_str(&hung("      ", &format!("{}: {}", head[begin], cells.join(", ")), width));
        }
        out
    };
    below.iter().map(stacked).collect()
}

/// Columns as wide as their widest cell, two spaces apart, the first indented by two. A heading without one to its right
/// stands over that column too: the last of those under it makes room for it.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().skip(1).map(|r| r[column].chars().count()).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..N).map(width).collect();
    if let Some(head) = rows.first() {
        let begins: Vec<usize> = (0..N).filter(|column| !head[*column].is_empty()).collect();
        for (index, begin) in begins.iter().enumerate() {
            let end = begins.get(index + 1).copied().unwrap_or(N);
            let room = widths[*begin..end].iter().map(|width| width + 2).sum::<usize>() - 2;
            widths[end - 1] += head[*begin].chars().count().saturating_sub(room);
        }
    }
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        let mut end = 0;
        for (cell, width) in row.iter().zip(&widths) {
            end += width + 2;
            if !cell.is_empty() {
                line.push_str("  ");
                line.push_str(cell);
            }
            // A heading may reach over the columns right of it.
            let now = line.chars().count();
            line.push_str(&" ".repeat(end.saturating_sub(now)));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Two significant digits, rounded up.
fn round_up(value: f64) -> f64 {
    let unit = 10f64.powf((value.abs().log10().floor() - 1.0).max(0.0));
    (value / unit).ceil() * unit
}

/// How long a run has to be.
#[derive(Serialize, JsonSchema)]
struct Document {
    /// Version of this shape, `major.minor`; within a major version, fields are only added.
    format: &'static str,
    /// What lengths are counted in: `requests` of each worker, or `hours`.
    unit: &'static str,
    /// The probability with which each length gets the answer that is true.
    power: f64,
    rehearsal: Rehearsal,
    /// Lengths by budget.
    planned: Vec<Length>,
    /// The budget that was asked about, in bytes.
    budget: f64,
    /// What to write into the harness file (or, for hours, to give to `seepage attach`); null if no length is enough.
    phases: Option<String>,
}

/// What the rehearsal showed.
#[derive(Serialize, JsonSchema)]
struct Rehearsal {
    seconds: f64,
    workers: usize,
    /// Length of the rehearsal in each worker.
    length: f64,
    /// Requests (or hours) in a second.
    pace: f64,
    /// Standard deviation of the noise that is a worker's own, in bytes.
    own_noise: f64,
    /// Standard deviation of the noise that all workers share, in bytes.
    common_noise: f64,
    /// Autocorrelation of the noise from one stretch to the next.
    autocorrelation: f64,
    /// Length of a stretch.
    stretch: f64,
    /// Length of the warm-up; null if none was seen.
    warm_up: Option<f64>,
    /// Whether the warm-up still went on at the end.
    still_warming: bool,
    /// Abrupt jumps, which are not in the plan.
    jumps: usize,
}

/// The lengths that prove one budget; null if none that was tried is enough.
#[derive(Serialize, JsonSchema)]
struct Length {
    budget: f64,
    /// How many times the budget the leak is that is to be found.
    leak_times: f64,
    /// Until that leak is called a leak.
    leak: Option<f64>,
    leak_seconds: Option<f64>,
    /// Until a worker that grows by half of the budget at most is called clean.
    clean: Option<f64>,
    clean_seconds: Option<f64>,
}

impl Document {
    fn new(plan: &PlanReport) -> Self {
        let noise = &plan.noise;
        let seconds = |steps: f64| steps / noise.pace;
        Document {
            format: "1.0",
            unit: plan.unit(),
            power: plan.power,
            rehearsal: Rehearsal {
                seconds: plan.rehearsed,
                workers: noise.workers,
                length: noise.span,
                pace: noise.pace,
                own_noise: noise.own,
                common_noise: noise.common,
                autocorrelation: noise.rho,
                stretch: noise.stretch,
                warm_up: noise.warm_up,
                still_warming: noise.still_warming,
                jumps: noise.jumps,
            },
            planned: plan
                .planned
                .iter()
                .map(|p| Length {
                    budget: p.budget,
                    leak_times: p.times,
                    leak: p.leak,
                    leak_seconds: p.leak.map(seconds),
                    clean: p.clean,
                    clean_seconds: p.clean.map(seconds),
                })
                .collect(),
            budget: plan.chosen,
            phases: plan.phases(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn report() -> PlanReport {
        let (record, _) = fixture::warm_up();
        let (axis, series) = crate::readings::series(&record, Resource::Memory);
        let noise = Noise::measure(axis, &series, 4096.0).unwrap();
        let planned = vec![
            Planned { budget: 16.0, times: 2.0, leak: None, clean: Some(123_456.0) },
            Planned { budget: 64.0, times: 2.0, leak: Some(41_234.0), clean: Some(20_100.0) },
            Planned { budget: 4096.0, times: 2.0, leak: Some(1450.0), clean: Some(1450.0) },
        ];
        PlanReport { noise, planned, chosen: 64.0, power: 0.9, rehearsed: 45.0 }
    }

    #[test]
    fn a_plan_reads_well() {
        insta::assert_snapshot!(report().terminal(usize::MAX));
        let mut of_more = report();
        of_more.planned.iter_mut().for_each(|planned| planned.times = 16.0);
        assert!(of_more.terminal(usize::MAX).contains("proves a leak of 16 times it"));
    }

    #[test]
    fn each_heading_stands_over_its_own_columns() {
        let mut brief = report();
        brief.planned.remove(0);
        for told in [report(), brief].map(|report| report.terminal(80)) {
            let mut lines = told.lines().skip_while(|line| !line.starts_with("  budget"));
            let head = lines.next().expect("a table");
            let row = lines.find(|line| line.contains(" *")).expect("the budget that is asked about");
            let at = |line: &str, text: &str| line.find(text).map(|at| line[..at].chars().count()).expect("a cell");
            assert_eq!(at(head, "proves a leak"), at(row, "42"), "{told}");
            assert_eq!(at(head, "proves clean"), at(row, "21"), "{told}");
        }
    }

    #[test]
    fn a_narrow_table_is_stacked() {
        let told = report().terminal(40);
        let table = told.split("\n\n").nth(1).unwrap_or_default();
        assert!(table.lines().all(|line| line.chars().count() <= 40), "{table}");
    }

    #[test]
    fn the_lines_for_the_harness_file_are_toml() {
        let phases = report().phases().unwrap();
        assert!(phases.contains("requests-per-worker = 42000"), "{phases}");
        let mut open = report();
        open.chosen = 16.0;
        assert_eq!(open.phases(), None);
        assert!(open.terminal(usize::MAX).contains("No soak of a bearable length"));
    }

    #[test]
    fn a_program_gets_all_of_it() {
        let json: serde_json::Value = serde_json::from_str(&report().json()).unwrap();
        assert_eq!(
            (&json["planned"][0]["leak"], &json["planned"][1]["leak"]),
            (&serde_json::Value::Null, &41_234.0.into())
        );
    }
}
