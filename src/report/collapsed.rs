//! Growth by call stack, a line each: frames from the outside in, joined by semicolons, and bytes. Flame graph tools and
//! speedscope read it.

use super::text::plain;
use crate::model::{CallStack, RunRecord};
use crate::sites::stack_totals;

/// Renders every stack that grew.
pub fn render(record: &RunRecord) -> Vec<u8> {
    let mut lines: Vec<String> = stack_totals(record)
        .into_iter()
        .filter(|total| total.growth >= 1.0)
        .map(|total| {
            let stack = total.stack.and_then(|stack| record.heap.stacks.get(stack as usize));
            format!("{} {:.0}\n", path(stack), total.growth)
        })
        .collect();
    lines.sort();
    lines.concat().into_bytes()
}

fn path(stack: Option<&CallStack>) -> String {
    let frames = stack.iter().flat_map(|stack| stack.frames.iter().rev());
    let names: Vec<String> = frames.map(|frame| plain(&frame.to_string()).replace(';', ":")).collect();
    if names.is_empty() { "[unknown]".to_owned() } else { names.join(";") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Frame;

    #[test]
    fn a_path_is_outermost_first_and_one_line() {
        let frame =
            |function: &str| Frame { module: "/srv/x".into(), function: Some(function.into()), ..Frame::default() };
        let stack = CallStack { frames: vec![frame("keep;body\n"), frame("main")] };
        assert_eq!(path(Some(&stack)), "x: main;x: keep:body ");
        assert_eq!(path(None), "[unknown]");
    }
}
