//! The layout as PNG.

use super::layout::{HEIGHT, Kind, Layout, Point, text_width};
use drivers::StateMachine;
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};
use std::sync::{Mutex, PoisonError};
use tiny_skia::{
    Color, FillRule, LineCap, Paint, PathBuilder, Pixmap, PremultipliedColorU8, Rect, Stroke, StrokeDash,
    Transform,
};

/// The widest and highest picture that is painted, in pixels: 64 MiB while it is.
const LARGEST: f64 = 4096.0;

type Rgb = (u8, u8, u8);

const INK: Rgb = (0x1b, 0x27, 0x33);
const WAY: Rgb = (0x46, 0x58, 0x6b);

/// The pictures that are kept: one for each driver, of which a server has few.
const KEPT: usize = 16;

/// Pictures that were painted. Anybody may ask for them, and to paint one takes a processor many milliseconds.
pub(super) struct Gallery(Mutex<Vec<(StateMachine, Option<Vec<u8>>)>>);

impl Gallery {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// The picture of a machine, which `paint` paints the first time.
    pub(super) fn picture(
        &self,
        machine: &StateMachine,
        paint: impl FnOnce() -> Option<Vec<u8>>,
    ) -> Option<Vec<u8>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, picture)) = kept.iter().find(|(known, _)| known == machine) {
            return picture.clone();
        }
        let picture = paint();
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((machine.clone(), picture.clone()));
        picture
    }
}

pub(super) fn paint(layout: &Layout) -> Option<Vec<u8>> {
    if layout.width > LARGEST || layout.height > LARGEST {
        return None;
    }
    let mut picture = Pixmap::new(pixels(layout.width.ceil())?, pixels(layout.height.ceil())?)?;
    picture.fill(Color::WHITE);
    for way in &layout.ways {
        let [a, b, c, d] = way.curve.map(single);
        let mut path = PathBuilder::new();
        path.move_to(a.0, a.1);
        path.cubic_to(b.0, b.1, c.0, c.1, d.0, d.1);
        let dash = if way.label.is_some() { None } else { StrokeDash::new(vec![6.0, 4.0], 0.0) };
        let stroke = Stroke { width: 1.5, line_cap: LineCap::Butt, dash, ..Stroke::default() };
        picture.stroke_path(&path.finish()?, &colour(WAY), &stroke, Transform::identity(), None);
        let [tip, left, right] = way.head.map(single);
        let mut path = PathBuilder::new();
        path.move_to(tip.0, tip.1);
        path.line_to(left.0, left.1);
        path.line_to(right.0, right.1);
        path.close();
        fill(&mut picture, path, WAY)?;
    }
    for state in &layout.states {
        let (inside, line, width) = match state.kind {
            Kind::First => ((0xe3, 0xf1, 0xe5), (0x2f, 0x7d, 0x3b), 1.5),
            Kind::Usual => ((0xea, 0xf0, 0xf8), (0x33, 0x50, 0x6f), 1.5),
            Kind::Last => ((0xf3, 0xe9, 0xe7), (0x8a, 0x3b, 0x2c), 3.0),
        };
        let path = rounded(state.centre, state.width)?;
        picture.fill_path(&path, &colour(inside), FillRule::Winding, Transform::identity(), None);
        let stroke = Stroke { width, ..Stroke::default() };
        picture.stroke_path(&path, &colour(line), &stroke, Transform::identity(), None);
        text(&mut picture, &state.name, state.centre, INK);
    }
    for (label, place) in layout.ways.iter().filter_map(|way| way.label.as_ref()) {
        let (x, y) = single(*place);
        let width = single(Point { x: text_width(label) + 6.0, y: 0.0 }).0;
        let behind = Rect::from_xywh(x - width / 2.0, y - 8.0, width, 16.0)?;
        picture.fill_rect(behind, &colour((255, 255, 255)), Transform::identity(), None);
        text(&mut picture, label, *place, WAY);
    }
    picture.encode_png().ok()
}

/// The painter's numbers have single precision, which is more than enough for pixels.
#[allow(clippy::cast_possible_truncation, reason = "bounded by the picture's size")]
fn single(point: Point) -> (f32, f32) {
    (point.x as f32, point.y as f32)
}

/// A length that is known to be within the picture.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked before")]
fn pixels(length: f64) -> Option<u32> {
    (0.0..=LARGEST).contains(&length).then_some(length as u32)
}

fn colour((red, green, blue): Rgb) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color_rgba8(red, green, blue, 255);
    paint
}

fn fill(picture: &mut Pixmap, path: PathBuilder, with: Rgb) -> Option<()> {
    picture.fill_path(&path.finish()?, &colour(with), FillRule::Winding, Transform::identity(), None);
    Some(())
}

/// A box with round ends.
fn rounded(centre: Point, width: f64) -> Option<tiny_skia::Path> {
    // The part of a radius at which the controls of a cubic stand that looks like a quarter of a circle.
    const ROUND: f32 = 0.552_28;
    let (x, y) = single(centre);
    let (half, _) = single(Point { x: width / 2.0, y: 0.0 });
    let (radius, _) = single(Point { x: HEIGHT / 2.0, y: 0.0 });
    let (left, right, straight, control) = (x - half, x + half, half - radius, radius * ROUND);
    let mut path = PathBuilder::new();
    path.move_to(x - straight, y - radius);
    path.line_to(x + straight, y - radius);
    path.cubic_to(x + straight + control, y - radius, right, y - control, right, y);
    path.cubic_to(right, y + control, x + straight + control, y + radius, x + straight, y + radius);
    path.line_to(x - straight, y + radius);
    path.cubic_to(x - straight - control, y + radius, left, y + control, left, y);
    path.cubic_to(left, y - control, x - straight - control, y - radius, x - straight, y - radius);
    path.close();
    path.finish()
}

/// Writes a text around its middle, character by character. What the font lacks is a question mark.
fn text(picture: &mut Pixmap, words: &str, middle: Point, ink: Rgb) {
    let height = RasterHeight::Size16;
    let raster = |c: char| get_raster(c, FontWeight::Regular, height);
    let Some(top) = pixels((middle.y - 8.0).round().max(0.0)) else { return };
    // Narrower than the letters for which the layout has left room.
    let step = u32::try_from(get_raster_width(FontWeight::Regular, height)).unwrap_or_default();
    let half = u32::try_from(words.chars().count()).unwrap_or_default().saturating_mul(step) / 2;
    let Some(centre) = pixels(middle.x.round().max(0.0)) else { return };
    let across = picture.width();
    for (left, character) in (centre.saturating_sub(half)..).step_by(step.max(1) as usize).zip(words.chars())
    {
        let Some(shape) = raster(character).or_else(|| raster('?')) else { continue };
        for (y, row) in (top..).zip(shape.rows()) {
            for (x, strength) in (left..).zip(row.iter()).filter(|(_, strength)| **strength > 0) {
                let place =
                    usize::try_from(u64::from(y) * u64::from(across) + u64::from(x)).unwrap_or(usize::MAX);
                if x < across
                    && let Some(pixel) = picture.pixels_mut().get_mut(place)
                {
                    *pixel = mixed(*pixel, ink, *strength);
                }
            }
        }
    }
}

/// Ink of some strength on a pixel that lets nothing shine through.
fn mixed(under: PremultipliedColorU8, (red, green, blue): Rgb, strength: u8) -> PremultipliedColorU8 {
    let mix = |under: u8, over: u8| {
        let strength = u16::from(strength);
        let sum = u16::from(under) * (255 - strength) + u16::from(over) * strength;
        // The mean of two bytes is a byte.
        u8::try_from(sum / 255).unwrap_or(u8::MAX)
    };
    let channels = (mix(under.red(), red), mix(under.green(), green), mix(under.blue(), blue));
    PremultipliedColorU8::from_rgba(channels.0, channels.1, channels.2, 255).unwrap_or(under)
}
