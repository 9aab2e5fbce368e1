//! The colours of charts and pages, for light and dark surfaces.
//!
//! Series colours are those of Okabe and Ito (2008), which people with every common kind of colour vision can tell
//! apart, darkened a little for white and lightened for dark. Charts are drawn in the light colours; a page turns them into the
//! dark ones with the rules of [`dark_rules`].

use crate::report::text::Mood;
use plotters::style::RGBColor;

/// One colour on a light and on a dark surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tone {
    /// On white.
    pub light: RGBColor,
    /// On dark grey.
    pub dark: RGBColor,
}

const fn tone(light: u32, dark: u32) -> Tone {
    Tone { light: rgb(light), dark: rgb(dark) }
}

const fn rgb(hex: u32) -> RGBColor {
    RGBColor((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

/// Background of a chart.
pub const SURFACE: Tone = tone(0xFFFFFF, 0x17191E);
/// Titles and fitted lines.
pub const INK: Tone = tone(0x1B1F24, 0xE8EAED);
/// Labels.
pub const MUTED: Tone = tone(0x59626C, 0xA3ABB5);
/// Axis lines and ticks.
pub const AXIS: Tone = tone(0x9AA3AC, 0x646C76);
/// Grid lines.
pub const GRID: Tone = tone(0xE8EAED, 0x2A2E35);
/// The warm-up region.
pub const SHADE: Tone = tone(0xF3F4F6, 0x20242A);
/// The budget line.
pub const BUDGET: Tone = tone(0x6B4FBB, 0xB7A3F5);
/// Leak, failure.
pub const BAD: Tone = tone(0xB3261E, 0xFF8A80);
/// Clean, passed.
pub const GOOD: Tone = tone(0x1A7F4B, 0x6DD49E);
/// Inconclusive.
pub const UNSURE: Tone = tone(0x8A5A00, 0xF2BE5C);

/// Colours of workers and of quantiles, in the order in which they are given out.
pub const SERIES: [Tone; 7] = [
    tone(0x0072B2, 0x5AB4F0),
    tone(0xD55E00, 0xFF9152),
    tone(0x009E73, 0x3CCB9F),
    tone(0xC0589B, 0xE79CC9),
    tone(0x3A9BD9, 0x8CCDF5),
    tone(0xC98A00, 0xF0B840),
    tone(0x5B6570, 0xB4BCC6),
];

/// The colour of a mood.
pub fn mood(mood: Mood) -> Tone {
    match mood {
        Mood::Bad => BAD,
        Mood::Good => GOOD,
        Mood::Unsure => UNSURE,
    }
}

/// The colour of the `index`-th series; they come round again.
pub fn series(index: usize) -> Tone {
    SERIES[index % SERIES.len()]
}

/// A colour as CSS and SVG write it.
pub fn hex(colour: RGBColor) -> String {
    format!("#{:02X}{:02X}{:02X}", colour.0, colour.1, colour.2)
}

/// CSS rules that turn the light colours of charts below `scope` into the dark ones.
pub fn dark_rules(scope: &str) -> String {
    let fixed = [SURFACE, INK, MUTED, AXIS, GRID, SHADE, BUDGET, BAD, GOOD, UNSURE];
    let mut css = String::new();
    for tone in fixed.iter().chain(&SERIES) {
        let (light, dark) = (hex(tone.light), hex(tone.dark));
        css.push_str(&format!(
            "{scope} [fill=\"{light}\"]{{fill:{dark}}}{scope} [stroke=\"{light}\"]{{stroke:{dark}}}\n"
        ));
    }
    css
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_light_colour_is_another_one() {
        let fixed = [SURFACE, INK, MUTED, AXIS, GRID, SHADE, BUDGET, BAD, GOOD, UNSURE];
        let all: Vec<String> = fixed.iter().chain(&SERIES).map(|t| hex(t.light)).collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len(), "a dark rule would hit two meanings");
    }
}
