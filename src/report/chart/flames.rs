//! The flame graph of growth: who called whom where memory is kept, as wide as what it keeps.

use super::canvas::{Align, Canvas, fit_text};
use super::palette;
use crate::answer::{CallSites, Verdict};
use crate::report::flame::Flame;
use crate::words::sites::{name, title};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 24.0;
const RIGHT: f64 = WIDTH - 24.0;
const TOP: f64 = 76.0;
const ROW: f64 = 22.0;
const LABEL: f64 = 12.0;

/// Parts that are narrower, in pixels, aren't drawn.
const NARROWEST: f64 = 1.0;

/// Rows that are drawn; those further in are left out.
const ROWS: usize = 40;

/// The stacks of all call sites that grow, laid out.
#[derive(Debug)]
pub struct FlameChart<'a> {
    sites: &'a CallSites,
    flames: Flame,
}

impl<'a> FlameChart<'a> {
    /// Lays out the chart; `None` where no call site is proven to grow.
    pub fn new(verdict: &'a Verdict) -> Option<Self> {
        let sites = verdict.call_sites.as_ref()?;
        let flames = Flame::of(sites);
        (flames.growth > 0.0 && flames.growth.is_finite()).then_some(FlameChart { sites, flames })
    }

    fn rows(&self) -> usize {
        self.flames.depth().min(ROWS)
    }

    fn draw_below(&self, canvas: &mut dyn Canvas, flame: &Flame, row: usize, from: f64) {
        let scale = (RIGHT - LEFT) / self.flames.growth;
        let mut from = from;
        for (index, child) in flame.children.iter().enumerate() {
            let to = from + child.growth * scale;
            if to - from < NARROWEST || row >= ROWS {
                break;
            }
            let top = TOP + ROW * row as f64;
            // Neighbours differ, above and beside.
            let opacity = if (row + index).is_multiple_of(2) { 0.3 } else { 0.22 };
            canvas.rectangle((from, top), (to - 1.0, top + ROW - 1.0), palette::BAD.light, opacity);
            let named = fit_text(&name(&child.frame), to - from - 9.0, LABEL, false);
            canvas.text(&named, (from + 4.0, top + 15.0), Align::Left, LABEL, false, palette::INK.light);
            self.draw_below(canvas, child, row + 1, from);
            from = to;
        }
    }
}

impl super::Chart for FlameChart<'_> {
    fn size(&self) -> (u32, u32) {
        (WIDTH as u32, (TOP + ROW * self.rows() as f64 + 20.0) as u32)
    }

    fn title(&self) -> String {
        title(self.sites.source).to_owned()
    }

    fn description(&self) -> String {
        format!(
            "Flame graph of growth, of the stacks of each site that grow most: width is bytes kept per {}, callers above",
            self.sites.axis.unit()
        )
    }

    fn draw(&self, canvas: &mut dyn Canvas) {
        let (width, height) = self.size();
        canvas.rectangle((0.0, 0.0), (f64::from(width), f64::from(height)), palette::SURFACE.light, 1.0);
        canvas.text(&self.title(), (LEFT, 36.0), Align::Left, 18.0, true, palette::INK.light);
        canvas.text(&self.description(), (LEFT, 58.0), Align::Left, 13.0, false, palette::MUTED.light);
        self.draw_below(canvas, &self.flames, 0, LEFT);
    }
}
