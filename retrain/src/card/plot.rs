//! A small picture: grouped bars and curves with labels, drawn into pixels and packed as PNG.

use embedded_graphics::mono_font::ascii::{FONT_6X13, FONT_9X15_BOLD};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Line, PrimitiveStyle, Rectangle};
use embedded_graphics::text::{Alignment, Text};
use std::convert::Infallible;

const INK: Rgb888 = Rgb888::new(40, 44, 52);
const PAPER: Rgb888 = Rgb888::new(255, 255, 255);
const GRID: Rgb888 = Rgb888::new(222, 226, 230);
/// Champion and challenger.
const COLOURS: [Rgb888; 2] = [Rgb888::new(140, 150, 165), Rgb888::new(20, 110, 180)];

/// Left, top, width, height.
pub(super) type Frame = (i32, i32, i32, i32);

pub(super) struct Plot {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl OriginDimensions for Plot {
    fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }
}

impl DrawTarget for Plot {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(point, colour) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(point.x), u32::try_from(point.y)) else { continue };
            if x < self.width && y < self.height {
                let at = (y * self.width + x) as usize * 3;
                self.pixels[at..at + 3].copy_from_slice(&[colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}

impl Plot {
    pub(super) fn new(width: u32, height: u32) -> Plot {
        let mut plot = Plot { width, height, pixels: vec![0; (width * height * 3) as usize] };
        plot.rectangle((0, 0, width as i32, height as i32), PAPER);
        plot
    }

    fn rectangle(&mut self, (left, top, width, height): Frame, colour: Rgb888) {
        let size = Size::new(width.max(0) as u32, height.max(0) as u32);
        let drawn = Rectangle::new(Point::new(left, top), size)
            .into_styled(PrimitiveStyle::with_fill(colour))
            .draw(self);
        match drawn {
            Ok(()) => {}
        }
    }

    fn line(&mut self, from: (i32, i32), to: (i32, i32), colour: Rgb888, width: u32) {
        let drawn = Line::new(Point::new(from.0, from.1), Point::new(to.0, to.1))
            .into_styled(PrimitiveStyle::with_stroke(colour, width))
            .draw(self);
        match drawn {
            Ok(()) => {}
        }
    }

    fn text(&mut self, text: &str, at: (i32, i32), font: &'static MonoFont<'static>, alignment: Alignment) {
        // The font is ASCII: other letters would be boxes.
        let plain: String = text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
        let style = MonoTextStyle::new(font, INK);
        match Text::with_alignment(&plain, Point::new(at.0, at.1), style, alignment).draw(self) {
            Ok(_) => {}
        }
    }

    pub(super) fn title(&mut self, title: &str) {
        self.text(title, (20, 28), &FONT_9X15_BOLD, Alignment::Left);
    }

    /// A pair of bars each, from 0 to 1.
    pub(super) fn bars(&mut self, (left, top, width, height): Frame, pairs: &[(String, f64, f64)]) {
        for tick in 0..=4 {
            let y = top + height - height * tick / 4;
            self.line((left, y), (left + width, y), GRID, 1);
            let label = format!("{:.2}", f64::from(tick) / 4.0);
            self.text(&label, (left - 6, y + 4), &FONT_6X13, Alignment::Right);
        }
        let slot = width / pairs.len().max(1) as i32;
        for (place, (label, champion, new)) in pairs.iter().enumerate() {
            let x = left + slot * place as i32;
            for (which, value) in [champion, new].into_iter().enumerate() {
                let tall = (f64::from(height) * value.clamp(0.0, 1.0)) as i32;
                let bar = x + slot / 8 + which as i32 * slot * 3 / 8;
                self.rectangle((bar, top + height - tall, slot * 3 / 8 - 2, tall), COLOURS[which]);
                let middle = bar + slot * 3 / 16;
                self.text(
                    &format!("{value:.3}"),
                    (middle, top + height - tall - 4),
                    &FONT_6X13,
                    Alignment::Center,
                );
            }
            self.text(label, (x + slot / 2, top + height + 16), &FONT_6X13, Alignment::Center);
        }
    }

    /// Curves of (false positive rate, true positive rate).
    pub(super) fn roc(&mut self, (left, top, width, height): Frame, curves: [&[[f64; 2]]; 2]) {
        for tick in 0..=4 {
            let (x, y) = (left + width * tick / 4, top + height - height * tick / 4);
            self.line((left, y), (left + width, y), GRID, 1);
            self.line((x, top), (x, top + height), GRID, 1);
        }
        let place = |[x, y]: [f64; 2]| {
            (left + (x * f64::from(width)) as i32, top + height - (y * f64::from(height)) as i32)
        };
        for (curve, colour) in curves.into_iter().zip(COLOURS) {
            for pair in curve.windows(2) {
                self.line(place(pair[0]), place(pair[1]), colour, 2);
            }
        }
        let below = (left + width / 2, top + height + 16);
        self.text("ROC: false positive rate, recall", below, &FONT_6X13, Alignment::Center);
    }

    pub(super) fn legend(&mut self, (x, y): (i32, i32), names: [&str; 2]) {
        for (place, (name, colour)) in names.into_iter().zip(COLOURS).enumerate() {
            let x = x + 120 * place as i32;
            self.rectangle((x, y - 9, 10, 10), colour);
            self.text(name, (x + 16, y), &FONT_6X13, Alignment::Left);
        }
    }

    /// The picture packed.
    pub(super) fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_is_a_png_that_shows_both() {
        let mut plot = Plot::new(300, 200);
        plot.bars((40, 20, 200, 140), &[("F1".to_owned(), 0.5, 1.0)]);
        plot.roc((200, 20, 80, 80), [&[[0.0, 0.0], [1.0, 1.0]], &[[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]]]);
        let bytes = plot.png().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let of = |colour: Rgb888| {
            pixels.chunks_exact(3).filter(|p| **p == [colour.r(), colour.g(), colour.b()]).count()
        };
        let (champion, new) = (of(COLOURS[0]), of(COLOURS[1]));
        assert!(champion > 1000 && new > champion * 3 / 2, "{champion} {new}: the taller bar has more ink");
    }
}
