//! Prose folded to the width of a terminal; rows of tables and paths stay in one line, to be copied whole, and so does what
//! stands between backticks.

use crate::words::{GLUE, glued};
use console::measure_text_width;
use textwrap::{Options, WordSplitter, WrapAlgorithm, wrap};

/// Fewer columns than these aren't folded to: nothing would be left between the edges.
const NARROWEST: usize = 40;

/// Text isn't folded into fewer columns than these beside what it belongs to, but below that.
const LEAST: usize = 28;

/// What text begins with that stands below what it belongs to.
const BELOW: &str = "      ";

/// Folds sentences (lines that begin at the margin) and items of a list to so many columns, at spaces; the lines that
/// follow are set in.
pub fn fold(text: &str, columns: usize) -> String {
    text.split_inclusive('\n').map(|line| fold_line(line, columns.max(NARROWEST))).collect()
}

fn fold_line(line: &str, columns: usize) -> String {
    let margin = line.len() - line.trim_start_matches(' ').len();
    let is_item = line[margin..].starts_with("- ");
    if margin > 0 && !is_item {
        return line.to_owned();
    }
    let end = if line.ends_with('\n') { "\n" } else { "" };
    folded(line.trim_end_matches('\n'), "", margin + 2, columns) + end
}

/// Columns below which no table is drawn: its cells stand below each other.
pub const TABLE: usize = 60;

/// A row of a table, with `first` before it; where the table is stacked, its cells are folded. Ends in a line break.
pub fn row(first: &str, cells: &str, columns: usize) -> String {
    if columns < TABLE { hung(first, cells, columns) } else { format!("{}\n", format!("{first}{cells}").trim_end()) }
}

/// Text that begins to the right of `first`, such as a cell of a table, and stays there when it is folded; where too little
/// room is left for that, it begins below. Ends in a line break.
pub fn hung(first: &str, text: &str, columns: usize) -> String {
    let columns = columns.max(NARROWEST);
    let indent = measure_text_width(first);
    if indent + LEAST <= columns {
        return folded(text, first, indent, columns) + "\n";
    }
    let above = if first.trim().is_empty() { String::new() } else { format!("{}\n", first.trim_end()) };
    above + &folded(text, BELOW, BELOW.len(), columns) + "\n"
}

fn folded(text: &str, first: &str, indent: usize, columns: usize) -> String {
    let hanging = " ".repeat(indent);
    let options = Options::new(columns)
        .initial_indent(first)
        .subsequent_indent(&hanging)
        .break_words(false)
        .wrap_algorithm(WrapAlgorithm::FirstFit)
        .word_splitter(WordSplitter::NoHyphenation);
    let text = whole_commands(&glued(text), columns.saturating_sub(indent + 2));
    wrap(&text, options).join("\n").replace(GLUE, " ")
}

/// The text with what stands between backticks in one piece, if it isn't longer than `room`.
fn whole_commands(text: &str, room: usize) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    let closed = parts.len() - 1 - (parts.len() - 1) % 2;
    let part = |(index, part): (usize, &&str)| {
        let is_command = index % 2 == 1 && index < closed && measure_text_width(part) + 2 <= room;
        if is_command { part.replace(' ', &GLUE.to_string()) } else { (*part).to_owned() }
    };
    parts.iter().enumerate().map(part).collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sentences_and_items_are_folded_and_nothing_else_is() {
        let long = "word ".repeat(20);
        let text = format!("\u{1b}[31mLEAK\u{1b}[0m  {long}\n\n  FAIL  {long}\n  - {long}\n");
        insta::assert_snapshot!(fold(&text, 60).replace('\u{1b}', "ESC"));
    }

    #[test]
    fn a_number_is_never_parted_from_its_unit() {
        let text = "each request leaves 3.2 KiB in every one of its 4 workers (allowed: 64 B), such as PID 12";
        for columns in 40..100 {
            let folded = fold(text, columns);
            assert_eq!(folded.split_whitespace().collect::<Vec<_>>().join(" "), text);
            for line in folded.lines() {
                assert!(["3.2", "64", " 4", "PID"].iter().all(|end| !line.ends_with(end)), "{folded}");
            }
        }
    }

    #[test]
    fn a_command_stays_whole_if_there_is_room_for_it() {
        let text = "a cache that is full later than that looks the same: `--stop planned` waits for it";
        for columns in 40..100 {
            assert!(fold(text, columns).contains("`--stop planned`"), "{columns}");
        }
        let longer = format!("`{}` and `one", "word ".repeat(30));
        assert!(fold(&longer, 40).lines().all(|line| line.len() <= 40));
    }

    #[test]
    fn text_hangs_beside_what_it_belongs_to_or_below() {
        assert_eq!(
            hung("  \u{1b}[32myes\u{1b}[0m  ", "it grows in every model: it does, by 3.2 KiB each", 40),
            "  \u{1b}[32myes\u{1b}[0m  it grows in every model: it does,\n       by 3.2 KiB each\n"
        );
        assert_eq!(
            hung("  missing   apxs (for the examples)  ", "not found, as is apache2", 40),
            "  missing   apxs (for the examples)\n      not found, as is apache2\n"
        );
        assert_eq!(hung("  ok  name  ", "found", usize::MAX), "  ok  name  found\n");
    }

    proptest! {
        #[test]
        fn no_word_is_lost_and_lines_fit_if_words_do(words in prop::collection::vec("[a-zäß/.:%]{1,12}", 1..60), columns in 0usize..120) {
            let text = format!("  - {}\n", words.join(" "));
            let folded = fold(&text, columns);
            prop_assert_eq!(folded.split_whitespace().collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
            prop_assert!(folded.lines().all(|line| console::measure_text_width(line) <= columns.max(NARROWEST)));
            prop_assert!(folded.ends_with('\n'));
        }
    }
}
