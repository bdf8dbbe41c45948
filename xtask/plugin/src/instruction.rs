//! Which instructions matter, by their bytes.

use iced_x86::{Decoder, DecoderOptions, Mnemonic, OpKind};

/// What an instruction means for what is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It may access memory, like any other.
    Plain,
    /// It accesses memory in one step, and orders write-backs before it.
    Locked,
    /// It writes a line back.
    Flush,
    /// It waits for lines that are being written back.
    Fence,
}

impl Kind {
    /// Returns the kind of an instruction of 64-bit code.
    pub fn of(bytes: &[u8]) -> Self {
        let instruction = Decoder::new(64, bytes, DecoderOptions::NONE).decode();
        let exchanges_memory = instruction.mnemonic() == Mnemonic::Xchg
            && (0..2).any(|operand| instruction.op_kind(operand) == OpKind::Memory);
        match instruction.mnemonic() {
            Mnemonic::Clwb | Mnemonic::Clflushopt | Mnemonic::Clflush => Self::Flush,
            Mnemonic::Sfence | Mnemonic::Mfence => Self::Fence,
            // An exchange with memory is locked without saying so.
            _ if instruction.has_lock_prefix() || exchanges_memory => Self::Locked,
            _ => Self::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_backs_and_fences_are_told_apart() {
        // Intel SDM vol. 2: opcodes of one group, apart by prefix and ModR/M.
        for (bytes, kind) in [
            (&[0x66, 0x0f, 0xae, 0x30][..], Kind::Flush), // clwb [rax]
            (&[0x66, 0x41, 0x0f, 0xae, 0x30], Kind::Flush), // clwb [r8]
            (&[0x66, 0x0f, 0xae, 0x38], Kind::Flush),     // clflushopt [rax]
            (&[0x0f, 0xae, 0x38], Kind::Flush),           // clflush [rax]
            (&[0x0f, 0xae, 0xf8], Kind::Fence),           // sfence
            (&[0x0f, 0xae, 0xf0], Kind::Fence),           // mfence
            (&[0x0f, 0xae, 0xe8], Kind::Plain),           // lfence
            (&[0x0f, 0xae, 0x30], Kind::Plain),           // xsaveopt [rax]
        ] {
            assert_eq!(Kind::of(bytes), kind, "{bytes:x?}");
        }
    }

    #[test]
    fn an_exchange_is_locked_only_with_memory() {
        for (bytes, kind) in [
            (&[0xf0, 0x48, 0x0f, 0xb1, 0x0b][..], Kind::Locked), // lock cmpxchg [rbx],rcx
            (&[0x48, 0x0f, 0xb1, 0x0b], Kind::Plain),
            (&[0x48, 0x87, 0x0b], Kind::Locked), // xchg [rbx],rcx
            (&[0x48, 0x87, 0xcb], Kind::Plain),  // xchg rbx,rcx
            (&[0x48, 0x89, 0x0b], Kind::Plain),  // mov [rbx],rcx
        ] {
            assert_eq!(Kind::of(bytes), kind, "{bytes:x?}");
        }
    }
}
