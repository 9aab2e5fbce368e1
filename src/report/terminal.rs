//! The end of a run on a terminal: the sentence, a gate a line, the notes.

use super::text::{self, Mood, plain};
use super::{forecast, sites};
use crate::model::RunRecord;
use crate::verdict::Verdict;
use console::Style;

/// Renders the verdict for a terminal, with colours if `colour`; ends in a line break.
pub fn render(record: &RunRecord, verdict: &Verdict, colour: bool) -> String {
    let paint = |style: Style, text: &str| style.force_styling(colour).apply_to(text).to_string();
    let mut out = String::new();

    let (word, rest) = text::headline(verdict);
    out.push_str(&format!("{}  {rest}\n", paint(style(Mood::of_verdict(verdict)).bold(), &word)));
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
        let state = paint(style(Mood::of_gate(gate.state)), text::gate_word(gate.state));
        let allowed = plain(&gate.allowed);
        let line = format!("  {state}  {name:name_width$}  {measured:measured_width$}  {allowed}");
        out.push_str(line.trim_end());
        out.push('\n');
    }

    let notes: Vec<String> = sites::lines(verdict)
        .into_iter()
        .chain(forecast::sentences(verdict))
        .chain(text::settling(verdict))
        .chain(verdict.notes.iter().map(|n| plain(n)))
        .collect();
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

fn style(mood: Mood) -> Style {
    match mood {
        Mood::Good => Style::new().green(),
        Mood::Bad => Style::new().red(),
        Mood::Unsure => Style::new().yellow(),
    }
}
