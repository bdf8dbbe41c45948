//! Text on a framebuffer, for machines without a serial port.
//!
//! Writing pixels is slow and reading them back is slower, so the text is kept
//! in memory and the framebuffer is only written. A full screen moves up by half
//! its height: a line then costs a few lines' worth of pixels, not a whole screen.

use alloc::{vec, vec::Vec};

use bootloader_api::info::{FrameBuffer, FrameBufferInfo, PixelFormat};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

const HEIGHT: RasterHeight = RasterHeight::Size16;
const WEIGHT: FontWeight = FontWeight::Regular;
const CELL_HEIGHT: usize = HEIGHT.val();
const CELL_WIDTH: usize = get_raster_width(WEIGHT, HEIGHT);

/// A screen of text.
pub(super) struct Screen {
    pixels: &'static mut [u8],
    info: FrameBufferInfo,
    columns: usize,
    rows: usize,
    text: Vec<u8>,
    row: usize,
    column: usize,
    paused: bool,
}

impl Screen {
    /// Takes the framebuffer and clears it; `None` if it has no room for text.
    pub(super) fn new(framebuffer: FrameBuffer) -> Option<Self> {
        let info = framebuffer.info();
        let (columns, rows) = (info.width / CELL_WIDTH, info.height / CELL_HEIGHT);
        let fits = info.width <= info.stride && (1..=4).contains(&info.bytes_per_pixel);
        if columns == 0 || rows < 2 || !fits {
            return None;
        }
        let screen = Self {
            pixels: framebuffer.into_buffer(),
            info,
            columns,
            rows,
            text: vec![b' '; columns * rows],
            row: 0,
            column: 0,
            paused: false,
        };
        screen.pixels.fill(0);
        Some(screen)
    }

    /// Writes text; control characters other than a line break are blanks.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match byte {
                b'\n' => self.break_line(),
                b'\r' => {}
                _ => self.put(byte),
            }
        }
    }

    /// Stops drawing.
    pub(super) fn pause(&mut self) {
        self.paused = true;
    }

    /// Draws again, and what has come since [`Screen::pause`].
    pub(super) fn resume(&mut self) {
        if core::mem::take(&mut self.paused) {
            self.draw_all();
        }
    }

    fn put(&mut self, byte: u8) {
        if self.column == self.columns {
            self.break_line();
        }
        self.text[self.row * self.columns + self.column] = byte;
        self.draw(self.row, self.column);
        self.column += 1;
    }

    fn break_line(&mut self) {
        self.column = 0;
        self.row += 1;
        if self.row == self.rows {
            self.move_up();
        }
    }

    fn move_up(&mut self) {
        let kept = self.rows / 2;
        let cut = (self.rows - kept) * self.columns;
        self.text.copy_within(cut.., 0);
        self.text[kept * self.columns..].fill(b' ');
        self.row = kept;
        self.draw_all();
    }

    fn draw_all(&mut self) {
        for row in 0..self.rows {
            for column in 0..self.columns {
                self.draw(row, column);
            }
        }
    }

    fn draw(&mut self, row: usize, column: usize) {
        if self.paused {
            return;
        }
        let byte = self.text[row * self.columns + column];
        let shown = if byte.is_ascii_graphic() { byte } else { b' ' };
        let Some(raster) = get_raster(char::from(shown), WEIGHT, HEIGHT) else {
            return;
        };
        let width = self.info.bytes_per_pixel;
        for (y, line) in raster.rows().enumerate() {
            let first = (row * CELL_HEIGHT + y) * self.info.stride + column * CELL_WIDTH;
            let line_bytes = first * width..(first + CELL_WIDTH) * width;
            let Some(target) = self.pixels.get_mut(line_bytes) else {
                return;
            };
            for (pixel, &grey) in target.chunks_exact_mut(width).zip(line.iter()) {
                paint(pixel, self.info.pixel_format, grey);
            }
        }
    }
}

/// Paints a grey: the same in every colour, so their order does not matter.
fn paint(pixel: &mut [u8], format: PixelFormat, grey: u8) {
    match format {
        PixelFormat::Unknown {
            red_position,
            green_position,
            blue_position,
        } => {
            pixel.fill(0);
            for position in [red_position, green_position, blue_position] {
                if let Some(byte) = pixel.get_mut(usize::from(position / 8)) {
                    *byte = grey;
                }
            }
        }
        _ => pixel.fill(grey),
    }
}
