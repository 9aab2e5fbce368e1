//! A comparison as `JUnit` XML: a test case for each measure, and one for the answer.

use super::Report;
use super::table::rows;
use crate::compare::Answer;
use crate::report::junit::{case, error, failure};
use crate::report::text::plain;
use crate::words::comparison::{clause, headline};
use quick_junit::{TestCaseStatus, TestSuite};

/// Renders measures as test cases. Those that need not be decided are skipped while they aren't.
pub fn render(report: &Report<'_>) -> String {
    let name = plain(report.name);
    let mut document = quick_junit::Report::new(format!("seepage {name}"));
    // The library gives each report a random identity, which would make two renderings differ.
    document.uuid = None;
    let mut suite = TestSuite::new("comparison");
    for row in rows(report) {
        let words = plain(&clause(row.difference));
        let status = match row.difference.answer {
            Answer::Regression => failure("worse", words),
            Answer::Improvement | Answer::Equivalent => TestCaseStatus::success(),
            Answer::Inconclusive if row.difference.measure.is_gated() => error("open", words),
            Answer::Inconclusive => {
                let mut status = TestCaseStatus::skipped();
                status.set_message(words);
                status
            }
        };
        suite.add_test_case(case(&name, plain(&row.words.name), status));
    }
    let sentence = plain(&headline(report.name, report.comparison).to_string());
    let status = match report.comparison.answer {
        Answer::Regression => failure("worse", sentence),
        Answer::Improvement | Answer::Equivalent => TestCaseStatus::success(),
        Answer::Inconclusive => error("inconclusive", sentence),
    };
    suite.add_test_case(case(&name, "answer".to_owned(), status));
    document.add_test_suite(suite);
    document.to_string().unwrap_or_else(|e| format!("<!-- this report could not be written: {e} -->\n"))
}
