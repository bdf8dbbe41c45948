//! The two 8259 interrupt controllers of a PC, silenced.
//!
//! Firmware may leave its timer running through them. Their vectors would land
//! among the processor's exceptions, where a timer tick looks like a double
//! fault. Masking alone does not help against their spurious interrupts, so the
//! vectors are moved out of the way first.

use super::port::out8;

/// First of the 16 vectors where what they still send lands.
const FIRST_VECTOR: u8 = 0x20;

const COMMAND: [u16; 2] = [0x20, 0xA0];
const DATA: [u16; 2] = [0x21, 0xA1];
/// Initialise, edge-triggered, cascaded, with a fourth word (8259A data sheet, ICW1).
const INITIALISE: u8 = 0x11;
/// How the two are wired: the second hangs on input 2 of the first (ICW3).
const WIRING: [u8; 2] = [1 << 2, 2];
/// 8086 mode (ICW4).
const MODE_8086: u8 = 0x01;

/// Moves the vectors above the exceptions and masks every input.
pub(crate) fn silence() {
    for (chip, first_vector) in [FIRST_VECTOR, FIRST_VECTOR + 8].into_iter().enumerate() {
        let words = [
            (COMMAND[chip], INITIALISE),
            (DATA[chip], first_vector),
            (DATA[chip], WIRING[chip]),
            (DATA[chip], MODE_8086),
            (DATA[chip], 0xFF),
        ];
        for (port, word) in words {
            // SAFETY: the ports belong to the 8259s or to nothing, and neither
            // touches memory.
            unsafe { out8(port, word) };
        }
    }
}
