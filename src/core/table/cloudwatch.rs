//! The CSV that the console of CloudWatch makes of a graph: what is known of each metric stands above, a line for each, and names the
//! columns.

use super::clock;
use super::names::normal;

/// First fields of the lines above the points.
const KNOWN: [&str; 5] = ["id", "statuscode", "messages", "full_label", "label"];
/// Lines that may stand above.
const MOST: usize = 32;

/// How many lines stand above the one that names the columns, and its names: the labels, or the full labels where two are alike.
pub(super) fn names(rows: impl Iterator<Item = Vec<Vec<u8>>>) -> Option<(usize, Vec<Vec<u8>>)> {
    let above: Vec<Vec<Vec<u8>>> =
        rows.take(MOST).take_while(|row| row.first().is_some_and(|first| !clock::is_time(first))).collect();
    let of = |name: &str| above.iter().find(|row| row.first().is_some_and(|first| is(first, name)));
    let first = above.first()?.first()?;
    if !KNOWN.iter().any(|known| is(first, known)) || above.len() < 2 {
        return None;
    }
    let (label, full) = (of("label")?, of("full_label"));
    let differ = |row: &[Vec<u8>]| (1..row.len()).all(|place| !row[..place].contains(&row[place]));
    let chosen = full.filter(|full| !differ(label) && full.len() == label.len()).unwrap_or(label);
    let mut header = chosen.clone();
    *header.first_mut()? = b"timestamp".to_vec();
    Some((above.len() - 1, header))
}

fn is(field: &[u8], name: &str) -> bool {
    normal(&String::from_utf8_lossy(field)) == name
}
