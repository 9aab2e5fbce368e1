//! The end of a run on a terminal: the sentence, a gate a line, the notes.

use super::text::{self, plain};
use crate::model::RunRecord;
use crate::verdict::{GateState, Outcome, Verdict};
use console::Style;

/// Renders the verdict for a terminal, with colours if `colour`; ends in a line break.
pub fn render(record: &RunRecord, verdict: &Verdict, colour: bool) -> String {
    let paint = |style: Style, text: &str| style.force_styling(colour).apply_to(text).to_string();
    let mut out = String::new();

    let sentence = plain(&verdict.sentence);
    let word = text::outcome_word(verdict.outcome);
    match sentence.strip_prefix(word) {
        Some(rest) => out.push_str(&format!("{}{rest}\n", paint(outcome_style(verdict.outcome), word))),
        None => out.push_str(&format!("{}  {sentence}\n", paint(outcome_style(verdict.outcome), word))),
    }
    if let Some(why) = &record.meta.aborted {
        let mut lines = why.lines();
        out.push_str(&format!("The run ended early: {}\n", plain(lines.next().unwrap_or_default())));
        lines.for_each(|line| out.push_str(&format!("    {}\n", plain(line))));
    }

    let gates: Vec<_> = verdict.gates.iter().map(|g| (g, plain(&g.name), plain(&g.measured))).collect();
    if !gates.is_empty() {
        out.push('\n');
    }
    let name_width = width(gates.iter().map(|(_, name, _)| name));
    let measured_width = width(gates.iter().map(|(_, _, measured)| measured));
    for (gate, name, measured) in &gates {
        let state = paint(gate_style(gate.state), text::gate_word(gate.state));
        let allowed = plain(&gate.allowed);
        let line = format!("  {state}  {name:name_width$}  {measured:measured_width$}  {allowed}");
        out.push_str(line.trim_end());
        out.push('\n');
    }

    let settle = verdict.findings.iter().filter(|f| f.outcome == Outcome::Inconclusive).filter_map(|f| {
        let settle = f.settle.as_ref()?;
        Some(format!("to settle {}: {}", f.resource, plain(settle)))
    });
    let notes: Vec<String> = settle.chain(verdict.notes.iter().map(|n| plain(n))).collect();
    if !notes.is_empty() {
        out.push('\n');
    }
    for note in notes {
        out.push_str(&format!("  - {note}\n"));
    }
    out
}

/// Widest of some texts in columns, within reason.
fn width<'a>(texts: impl Iterator<Item = &'a String>) -> usize {
    texts.map(|t| console::measure_text_width(t)).max().unwrap_or(0).min(64)
}

fn outcome_style(outcome: Outcome) -> Style {
    match outcome {
        Outcome::Leak => Style::new().red().bold(),
        Outcome::Clean => Style::new().green().bold(),
        Outcome::Inconclusive => Style::new().yellow().bold(),
    }
}

fn gate_style(state: GateState) -> Style {
    match state {
        GateState::Pass => Style::new().green(),
        GateState::Fail => Style::new().red().bold(),
        GateState::Unknown => Style::new().yellow(),
    }
}
