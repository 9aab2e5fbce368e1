//! The CSV that the console of CloudWatch makes of a graph: what is known of each metric stands above, a line for each, and names the
//! columns.

use super::clock;
use super::names::normal;

/// First fields of the lines above the points.
const KNOWN: [&str; 12] = [
    "id",
    "statuscode",
    "messages",
    "full_label",
    "label",
    "account",
    "region",
    "namespace",
    "metricname",
    "stat",
    "period",
    "unit",
];

/// How many lines stand above the one that names the columns, and its names: the labels, or the full labels where two are alike.
pub(super) fn names(rows: impl Iterator<Item = Vec<Vec<u8>>>) -> Option<(usize, Vec<Vec<u8>>)> {
    let mut above: Vec<Vec<Vec<u8>>> = Vec::new();
    for row in rows {
        let first = row.first()?;
        if clock::is_time(first) {
            break;
        }
        if !KNOWN.iter().any(|known| is(first, known)) || above.len() >= KNOWN.len() {
            return None;
        }
        above.push(row);
    }
    let of = |name: &str| above.iter().find(|row| row.first().is_some_and(|first| is(first, name)));
    let (label, full, _) = (of("label")?, of("full_label"), of("id").or(of("full_label"))?);
    let differ = |row: &[Vec<u8>]| (1..row.len()).all(|place| !row[..place].contains(&row[place]));
    let chosen = full.filter(|full| !differ(label) && full.len() == label.len()).unwrap_or(label);
    let mut header = chosen.clone();
    *header.first_mut()? = b"timestamp".to_vec();
    Some((above.len() - 1, header))
}

fn is(field: &[u8], name: &str) -> bool {
    normal(&String::from_utf8_lossy(field)) == name
}
