//! A surface to draw on, in pixels of the finished chart, over plotters' SVG and bitmap backends.
//!
//! Backends count in whole units, so both are drawn enlarged: SVG by ten, its view box bringing it back, and PNG by
//! the factor at which it is delivered. Text is set here: the backends place it by metrics that they guess. It stands on
//! its baseline, above all else, and is as wide as in the bundled font, whatever font the reader of an SVG has; so a chart
//! is the same byte for byte on every machine, and nothing is cut off.

use crate::report::text::plain;
use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont};
use plotters::coord::Shift;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::element::{PathElement, Polygon, Rectangle};
use plotters::prelude::{BitMapBackend, DrawingArea, DrawingBackend, IntoDrawingArea, SVGBackend};
use plotters::style::{Color, RGBColor, ShapeStyle};
use std::fmt::Write;
use std::sync::OnceLock;

/// The font family of charts: the bundled font in PNG, the nearest that the reader has in SVG.
const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";

/// Units of the SVG backend per pixel.
const SVG_UNITS: f64 = 10.0;
/// Pixels of a PNG per pixel of the chart.
const PNG_DENSITY: u32 = 2;
/// PNGs are drawn at twice their size and halved, which smooths edges.
const PNG_OVERSAMPLING: u32 = 2;

/// Where a text stands relative to its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// It begins there.
    Left,
    /// It is centred there.
    Centre,
    /// It ends there.
    Right,
}

/// A drawing failed.
#[derive(Debug, thiserror::Error)]
#[error("a chart could not be drawn: {0}")]
pub struct ChartError(String);

/// What a chart draws with.
pub trait Canvas {
    /// An open line; a width of one pixel is 1.0.
    fn line(&mut self, points: &[(f64, f64)], colour: RGBColor, opacity: f64, width: f64);
    /// A filled outline.
    fn area(&mut self, points: &[(f64, f64)], colour: RGBColor, opacity: f64);
    /// A filled rectangle between two corners.
    fn rectangle(&mut self, from: (f64, f64), to: (f64, f64), colour: RGBColor, opacity: f64);
    /// A line of text of `size` pixels, on the baseline at `y`.
    fn text(&mut self, text: &str, at: (f64, f64), align: Align, size: f64, bold: bool, colour: RGBColor);
}

/// A broken line: dashes of `dash` pixels with gaps of the same length.
pub fn dashed(canvas: &mut dyn Canvas, points: &[(f64, f64)], dash: f64, colour: RGBColor, width: f64) {
    let mut drawing = true;
    let mut left = dash;
    let mut piece: Vec<(f64, f64)> = Vec::new();
    for pair in points.windows(2) {
        let [from, to] = [pair[0], pair[1]];
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        if !(length.is_finite() && length > 0.0 && length < 1e5) {
            continue;
        }
        let mut done = 0.0;
        piece.push(from);
        while length - done > left {
            done += left;
            let share = done / length;
            let point = (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1));
            piece.push(point);
            if drawing {
                canvas.line(&piece, colour, 1.0, width);
            }
            piece = vec![point];
            drawing = !drawing;
            left = dash;
        }
        left -= length - done;
        piece.push(to);
    }
    if drawing && piece.len() > 1 {
        canvas.line(&piece, colour, 1.0, width);
    }
}

/// Width of a text in pixels.
pub fn text_width(text: &str, size: f64, bold: bool) -> f64 {
    font(bold).map_or(0.0, |font| f64::from(advance(font, text, size as f32).1))
}

/// The bundled font: plotters' own placing of its glyphs leaves out their bearings, so text in bitmaps is set here.
fn font(bold: bool) -> Option<&'static FontRef<'static>> {
    static FONTS: OnceLock<[Option<FontRef<'static>>; 2]> = OnceLock::new();
    // The fonts are well formed, as the tests show; without them a chart would have lines, but no labels.
    let read = |bytes| FontRef::try_from_slice(bytes).ok();
    FONTS.get_or_init(|| [read(dejavu::sans::regular()), read(dejavu::sans::bold())])[usize::from(bold)].as_ref()
}

/// The glyphs of a text set in a line from 0, and its width; `size` is that of an em.
fn advance(font: &FontRef<'static>, text: &str, size: f32) -> (Vec<Glyph>, f32) {
    let scale = font.units_per_em().map_or(size, |units| size * font.height_unscaled() / units);
    let scaled = font.as_scaled(PxScale::from(scale));
    let mut glyphs: Vec<Glyph> = Vec::new();
    let mut x = 0.0;
    for c in text.chars() {
        let id = scaled.glyph_id(c);
        if let Some(before) = glyphs.last() {
            x += scaled.kern(before.id, id);
        }
        glyphs.push(id.with_scale_and_position(scale, ab_glyph::point(x, 0.0)));
        x += scaled.h_advance(id);
    }
    (glyphs, x)
}

/// A text cut to `width` pixels with an ellipsis.
pub fn fit_text(text: &str, width: f64, size: f64, bold: bool) -> String {
    if text_width(text, size, bold) <= width {
        return text.to_owned();
    }
    let mut cut: Vec<char> = text.chars().collect();
    while cut.pop().is_some() {
        let shorter: String = cut.iter().collect::<String>().trim_end().to_owned() + "…";
        if text_width(&shorter, size, bold) <= width {
            return shorter;
        }
    }
    String::new()
}

/// Draws a chart of `size` pixels as SVG; `title` and `description` are for readers who don't see it.
pub fn svg(
    size: (u32, u32),
    title: &str,
    description: &str,
    draw: impl FnOnce(&mut dyn Canvas),
) -> Result<String, ChartError> {
    let mut body = String::new();
    let units = (size.0 * SVG_UNITS as u32, size.1 * SVG_UNITS as u32);
    let area = SVGBackend::with_string(&mut body, units).into_drawing_area();
    let mut texts = String::new();
    Surface { area, units: SVG_UNITS, texts: Some(&mut texts), failure: None }.finish(draw)?;
    // The backend's own first line gives the enlarged size, and its last ends the drawing.
    let content = body.split_once('\n').map_or("", |(_, rest)| rest).trim_end();
    let content = content.strip_suffix("</svg>").unwrap_or(content);
    let (width, height) = size;
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {} {}\" \
         role=\"img\" stroke-linejoin=\"round\" stroke-linecap=\"round\">\n<title>{}</title>\n<desc>{}</desc>\n{content}\
         <g font-family=\"{FAMILY}\">\n{texts}</g>\n</svg>\n",
        units.0,
        units.1,
        escape(title),
        escape(description),
    ))
}

/// Draws a chart of `size` pixels as PNG of twice as many.
pub fn png(size: (u32, u32), draw: impl FnOnce(&mut dyn Canvas)) -> Result<Vec<u8>, ChartError> {
    let (width, height) = (size.0 * PNG_DENSITY, size.1 * PNG_DENSITY);
    let large = (width * PNG_OVERSAMPLING, height * PNG_OVERSAMPLING);
    let mut pixels = vec![255u8; large.0 as usize * large.1 as usize * 3];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, large).into_drawing_area();
        let units = f64::from(PNG_DENSITY * PNG_OVERSAMPLING);
        Surface { area, units, texts: None, failure: None }.finish(draw)?;
    }
    let pixels = halve(&pixels, large.0 as usize);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let failed = |e: png::EncodingError| ChartError(e.to_string());
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

/// Averages each square of two by two pixels into one.
fn halve(pixels: &[u8], width: usize) -> Vec<u8> {
    let mut small = vec![0; pixels.len() / 4];
    for (rows, to) in pixels.chunks_exact(width * 3 * 2).zip(small.chunks_exact_mut(width / 2 * 3)) {
        let (upper, lower) = rows.split_at(width * 3);
        let squares = upper.as_chunks::<6>().0.iter().zip(lower.as_chunks::<6>().0);
        for ((upper, lower), to) in squares.zip(to.as_chunks_mut::<3>().0) {
            // Plain arithmetic, which is quick without optimisation too: each chart has millions of pixels.
            let ([a, b, c, d, e, f], [g, h, i, j, k, l]) = (*upper, *lower);
            let mean = |sum: u16| ((sum + 2) / 4) as u8;
            *to = [
                mean(a as u16 + d as u16 + g as u16 + j as u16),
                mean(b as u16 + e as u16 + h as u16 + k as u16),
                mean(c as u16 + f as u16 + i as u16 + l as u16),
            ];
        }
    }
    small
}

fn escape(text: &str) -> String {
    plain(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

struct Surface<'a, DB: DrawingBackend> {
    area: DrawingArea<DB, Shift>,
    units: f64,
    /// The text of an SVG; missing in a bitmap.
    texts: Option<&'a mut String>,
    failure: Option<String>,
}

impl<DB: DrawingBackend> Surface<'_, DB> {
    fn finish(mut self, draw: impl FnOnce(&mut dyn Canvas)) -> Result<(), ChartError> {
        draw(&mut self);
        if let Err(e) = self.area.present() {
            self.note(e);
        }
        self.failure.map_or(Ok(()), |e| Err(ChartError(e)))
    }

    fn note(&mut self, error: impl std::fmt::Display) {
        self.failure.get_or_insert_with(|| error.to_string());
    }

    fn at(&self, (x, y): (f64, f64)) -> (i32, i32) {
        let unit = |v: f64| (v * self.units).round().clamp(-1e6, 1e6) as i32;
        (unit(x), unit(y))
    }

    fn all_at(&self, points: &[(f64, f64)]) -> Vec<(i32, i32)> {
        let mut placed: Vec<_> = points.iter().map(|p| self.at(*p)).collect();
        placed.dedup();
        placed
    }

    fn style(&self, colour: RGBColor, opacity: f64, width: f64) -> ShapeStyle {
        ShapeStyle {
            color: colour.mix(opacity),
            filled: true,
            stroke_width: (width * self.units).round().max(1.0) as u32,
        }
    }
}

impl<DB: DrawingBackend> Canvas for Surface<'_, DB> {
    fn line(&mut self, points: &[(f64, f64)], colour: RGBColor, opacity: f64, width: f64) {
        let style = self.style(colour, opacity, width);
        let placed = self.all_at(points);
        if placed.len() < 2 {
            return;
        }
        let drawn = if self.texts.is_some() {
            self.area.draw(&PathElement::new(placed, style))
        } else {
            // Piece by piece, because the bitmap backend fills a line as one outline, which goes wrong where it crosses itself.
            placed.windows(2).try_for_each(|pair| self.area.draw(&PathElement::new(pair.to_vec(), style)))
        };
        if let Err(e) = drawn {
            self.note(e);
        }
    }

    fn area(&mut self, points: &[(f64, f64)], colour: RGBColor, opacity: f64) {
        let placed = self.all_at(points);
        if placed.len() < 3 {
            return;
        }
        if let Err(e) = self.area.draw(&Polygon::new(placed, self.style(colour, opacity, 1.0))) {
            self.note(e);
        }
    }

    fn rectangle(&mut self, from: (f64, f64), to: (f64, f64), colour: RGBColor, opacity: f64) {
        let corners = [self.at(from), self.at(to)];
        if let Err(e) = self.area.draw(&Rectangle::new(corners, self.style(colour, opacity, 1.0))) {
            self.note(e);
        }
    }

    fn text(&mut self, text: &str, at: (f64, f64), align: Align, size: f64, bold: bool, colour: RGBColor) {
        let text = plain(text);
        let (x, y) = self.at(at);
        if let Some(texts) = &mut self.texts {
            let anchor = match align {
                Align::Left => "start",
                Align::Centre => "middle",
                Align::Right => "end",
            };
            let weight = if bold { " font-weight=\"bold\"" } else { "" };
            let [size, width] = [size, text_width(&text, size, bold)].map(|v| (v * self.units).round());
            let RGBColor(red, green, blue) = colour;
            let written = writeln!(
                texts,
                "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" font-size=\"{size}\" textLength=\"{width}\" \
                 lengthAdjust=\"spacingAndGlyphs\" fill=\"#{red:02X}{green:02X}{blue:02X}\"{weight}>{}</text>",
                escape(&text)
            );
            if let Err(e) = written {
                self.note(e);
            }
        } else if let Err(e) = self.set_text(&text, at, align, size, bold, colour) {
            self.note(e);
        }
    }
}

type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

impl<DB: DrawingBackend> Surface<'_, DB> {
    /// Sets a line of text pixel by pixel.
    fn set_text(
        &mut self,
        text: &str,
        (x, y): (f64, f64),
        align: Align,
        size: f64,
        bold: bool,
        colour: RGBColor,
    ) -> Drawn<DB> {
        let Some(font) = font(bold) else { return Ok(()) };
        let (glyphs, width) = advance(font, text, (size * self.units) as f32);
        let begin = match align {
            Align::Left => x * self.units,
            Align::Centre => x * self.units - f64::from(width) / 2.0,
            Align::Right => x * self.units - f64::from(width),
        };
        for mut glyph in glyphs {
            glyph.position.x += begin as f32;
            glyph.position.y += (y * self.units) as f32;
            let Some(outline) = font.outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            let mut drawn = Ok(());
            outline.draw(|dx, dy, cover| {
                let at = (corner.x as i32 + dx as i32, corner.y as i32 + dy as i32);
                if drawn.is_ok() && cover > 0.0 {
                    drawn = self.area.draw_pixel(at, &colour.mix(f64::from(cover.min(1.0))));
                }
            });
            drawn?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes what is drawn.
    #[derive(Default)]
    struct Notes(Vec<Vec<(f64, f64)>>);

    impl Canvas for Notes {
        fn line(&mut self, points: &[(f64, f64)], _: RGBColor, _: f64, _: f64) {
            self.0.push(points.to_vec());
        }
        fn area(&mut self, _: &[(f64, f64)], _: RGBColor, _: f64) {}
        fn rectangle(&mut self, _: (f64, f64), _: (f64, f64), _: RGBColor, _: f64) {}
        fn text(&mut self, _: &str, _: (f64, f64), _: Align, _: f64, _: bool, _: RGBColor) {}
    }

    #[test]
    fn dashes_go_around_corners() {
        let mut notes = Notes::default();
        dashed(&mut notes, &[(0.0, 0.0), (15.0, 0.0), (15.0, 15.0)], 10.0, RGBColor(0, 0, 0), 1.0);
        assert_eq!(notes.0, [vec![(0.0, 0.0), (10.0, 0.0)], vec![(15.0, 5.0), (15.0, 15.0)]]);
    }

    #[test]
    fn text_is_as_wide_as_its_font_says() {
        // DejaVu Sans: every digit is 1303 of 2048 units wide.
        assert!((text_width("0000", 20.48, false) - 4.0 * 13.03).abs() < 0.01);
        assert!(text_width("LEAK", 20.0, true) > text_width("LEAK", 20.0, false));
    }

    #[test]
    fn long_text_is_cut_to_its_room() {
        assert_eq!(fit_text("short", 100.0, 13.0, false), "short");
        let cut = fit_text("a very long name of a harness file", 100.0, 13.0, false);
        assert!(cut.ends_with('…') && text_width(&cut, 13.0, false) <= 100.0, "{cut}");
        assert_eq!(fit_text("anything", 1.0, 13.0, false), "");
    }

    #[test]
    fn four_pixels_become_their_mean() {
        let upper = [0, 0, 0, 255, 255, 255];
        let lower = [255, 255, 0, 255, 0, 1];
        assert_eq!(halve(&[upper, lower].concat(), 2), [191, 128, 64]);
    }
}
