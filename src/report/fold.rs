//! Prose folded to the width of a terminal; rows of tables and paths stay in one line, to be copied whole.

use crate::words::{GLUE, glued};
use textwrap::{Options, WordSplitter, WrapAlgorithm, wrap};

/// Fewer columns than these aren't folded to: nothing would be left between the edges.
const NARROWEST: usize = 40;

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
    let hanging = " ".repeat(margin + 2);
    let options = Options::new(columns)
        .subsequent_indent(&hanging)
        .break_words(false)
        .wrap_algorithm(WrapAlgorithm::FirstFit)
        .word_splitter(WordSplitter::NoHyphenation);
    let end = if line.ends_with('\n') { "\n" } else { "" };
    wrap(&glued(line.trim_end_matches('\n')), options).join("\n").replace(GLUE, " ") + end
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
