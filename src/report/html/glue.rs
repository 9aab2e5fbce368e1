//! Numbers that stay with their units, and commands that stay whole: what all text of a page goes through before it is written.

use crate::words::glued;
use std::fmt::Write;

/// Elements whose text isn't prose: what is copied from them has to be what it was.
const VERBATIM: [&str; 6] = ["code", "pre", "script", "style", "svg", "title"];

/// What stands between backticks is kept in one line if it isn't longer than this; a phone has room for it.
const WHOLE: usize = 30;

/// A page in whose prose no line breaks between a number and its unit, nor in a command; tags and their attributes stay as they are.
pub fn page(page: &str) -> String {
    let mut out = String::with_capacity(page.len() + page.len() / 64);
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        let (text, tag) = rest.split_at(at);
        out.push_str(&prose(text));
        let end = closing(tag);
        out.push_str(&tag[..end]);
        rest = &tag[end..];
    }
    out + &prose(rest)
}

fn prose(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, (within, after))) = rest.split_once('`').and_then(|(b, a)| Some((b, a.split_once('`')?))) {
        out.push_str(&glued(before));
        // What is to be copied has the spaces that it had. Writing to a string doesn't fail.
        let _ = match within.chars().count() {
            ..=WHOLE => write!(out, "<code class=\"whole\">{within}</code>"),
            _ => write!(out, "<code>{within}</code>"),
        };
        rest = after;
    }
    out + &glued(rest)
}

/// Where the tag at the beginning of `tag` ends; that of an element with verbatim text, where the element does.
fn closing(tag: &str) -> usize {
    let name = tag[1..].split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let end = if VERBATIM.contains(&name) { format!("</{name}>") } else { ">".to_owned() };
    tag.find(&end).map_or(tag.len(), |at| at + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_with_their_units_in_prose_alone() {
        let written = "<p title=\"3 KiB\">8.01 KiB and <b>98 % of</b> 2 workers</p><pre>--keep 4 KiB</pre>64 B";
        let glued = "<p title=\"3 KiB\">8.01\u{a0}KiB and <b>98\u{a0}% of</b> 2\u{a0}workers</p><pre>--keep 4 KiB</pre>64\u{a0}B";
        assert_eq!(page(written), glued);
        assert_eq!(page("<script>1 < 2 </script><br>5 s"), "<script>1 < 2 </script><br>5\u{a0}s");
        assert_eq!(page("5 s < 6 s"), "5\u{a0}s < 6 s", "what no tag ends is left alone");
    }

    #[test]
    fn a_command_stays_whole_and_what_it_was() {
        let longer = "x 1 ".repeat(10);
        let written = format!("<p>`--for 30 s` waits 30 s; `{longer}` and ` alone</p>");
        let whole = format!(
            "<p><code class=\"whole\">--for 30 s</code> waits 30\u{a0}s; <code>{longer}</code> and ` alone</p>"
        );
        assert_eq!(page(&written), whole);
    }
}
