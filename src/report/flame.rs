//! The stacks of call sites that grow as a tree.

use crate::answer::CallSites;
use crate::model::Frame;
use crate::words::sites::{growing, name};

/// One frame with all that it called.
#[derive(Debug)]
pub struct Flame {
    /// The frame; of the root, none.
    pub frame: Frame,
    /// Bytes that it and what it called keep, per unit of the axis.
    pub growth: f64,
    /// What it called, that which keeps most first.
    pub children: Vec<Flame>,
}

impl Flame {
    /// The stacks of all sites that grow as one tree, outermost frames first.
    pub fn of(sites: &CallSites) -> Self {
        let mut root = Flame { frame: Frame::default(), growth: 0.0, children: Vec::new() };
        for (stack, rate) in growing(sites).flat_map(|site| &site.stacks).filter(|(_, rate)| *rate > 0.0) {
            root.growth += rate;
            let mut at = &mut root;
            for frame in stack.frames.iter().rev() {
                let known = at.children.iter().position(|child| name(&child.frame) == name(frame));
                let place = known.unwrap_or_else(|| {
                    at.children.push(Flame { frame: frame.clone(), growth: 0.0, children: Vec::new() });
                    at.children.len() - 1
                });
                at = &mut at.children[place];
                at.growth += rate;
            }
        }
        root.sort();
        root
    }

    /// Frames from here to the innermost, this one not among them.
    pub fn depth(&self) -> usize {
        self.children.iter().map(|child| 1 + child.depth()).max().unwrap_or(0)
    }

    fn sort(&mut self) {
        self.children.sort_by(|a, b| b.growth.total_cmp(&a.growth));
        self.children.iter_mut().for_each(Flame::sort);
    }
}
