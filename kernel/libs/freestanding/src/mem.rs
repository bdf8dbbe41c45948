//! Memory operations by string instructions.
//!
//! Processors of the last ten years move strings at cache-line speed (ERMS,
//! FSRM), so one instruction is both the shortest and a fast implementation.
//! All functions follow the System V calling convention, which also guarantees
//! a clear direction flag on entry; they leave it clear.
//!
//! The symbols are exported in images only: a test program would otherwise run
//! on the very functions that it tests.

use core::arch::naked_asm;
use core::ffi::{c_char, c_int, c_void};

/// Copies `len` bytes from `src` to `dest` and returns `dest`.
///
/// # Safety
///
/// 1. `src` is readable and `dest` writable for `len` bytes.
/// 2. The two ranges do not overlap.
#[unsafe(naked)]
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn memcpy(dest: *mut c_void, src: *const c_void, len: usize) -> *mut c_void {
    naked_asm!("mov rax, rdi", "mov rcx, rdx", "rep movsb", "ret")
}

/// Copies `len` bytes from `src` to `dest`, which may overlap, and returns `dest`.
///
/// # Safety
///
/// `src` is readable and `dest` writable for `len` bytes.
#[unsafe(naked)]
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn memmove(dest: *mut c_void, src: *const c_void, len: usize) -> *mut c_void {
    naked_asm!(
        "mov rax, rdi",
        "mov rcx, rdx",
        // Forwards destroys source bytes before they are read only if `dest`
        // lies inside the source: dest - src < len, as unsigned numbers.
        "mov r8, rdi",
        "sub r8, rsi",
        "cmp r8, rdx",
        "jb 2f",
        "rep movsb",
        "ret",
        "2:",
        "lea rdi, [rdi + rdx - 1]",
        "lea rsi, [rsi + rdx - 1]",
        "std",
        "rep movsb",
        "cld",
        "ret",
    )
}

/// Sets `len` bytes at `dest` to the low byte of `value` and returns `dest`.
///
/// # Safety
///
/// `dest` is writable for `len` bytes.
#[unsafe(naked)]
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn memset(dest: *mut c_void, value: c_int, len: usize) -> *mut c_void {
    naked_asm!(
        "mov r8, rdi",
        "mov eax, esi",
        "mov rcx, rdx",
        "rep stosb",
        "mov rax, r8",
        "ret"
    )
}

/// Compares `len` bytes as unsigned numbers: negative, zero or positive.
///
/// # Safety
///
/// `left` and `right` are readable for `len` bytes.
#[unsafe(naked)]
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn memcmp(left: *const c_void, right: *const c_void, len: usize) -> c_int {
    naked_asm!(
        "xor eax, eax",
        "mov rcx, rdx",
        // `repe` with a zero count compares nothing and keeps the flags, so
        // they are made to say "equal" first.
        "cmp eax, eax",
        "repe cmpsb",
        "je 2f",
        "movzx eax, byte ptr [rdi - 1]",
        "movzx ecx, byte ptr [rsi - 1]",
        // `cmpsb` compares [rsi] with [rdi]: swap back, `left` came in rdi.
        "sub eax, ecx",
        "2:",
        "ret",
    )
}

/// Returns zero if `len` bytes are equal, anything else if not.
///
/// # Safety
///
/// As for [`memcmp`].
#[unsafe(naked)]
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn bcmp(left: *const c_void, right: *const c_void, len: usize) -> c_int {
    naked_asm!("jmp {}", sym memcmp)
}

/// Returns the number of bytes before the terminating zero.
///
/// # Safety
///
/// `string` is readable up to and including its terminating zero.
#[unsafe(naked)]
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn strlen(string: *const c_char) -> usize {
    naked_asm!(
        "xor eax, eax",
        "mov rcx, -1",
        "repne scasb",
        // The count started at -1 and also counted the zero: length = !count - 1.
        "not rcx",
        "lea rax, [rcx - 1]",
        "ret",
    )
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec::Vec;

    /// Offsets and lengths around the sizes where implementations usually break.
    const LENGTHS: [usize; 8] = [0, 1, 2, 7, 8, 9, 63, 100];

    fn pattern(len: usize) -> Vec<u8> {
        (0..len)
            .map(|i| u8::try_from(i * 7 % 251).unwrap())
            .collect()
    }

    #[test]
    fn memcpy_copies_exactly_len_bytes() {
        for len in LENGTHS {
            let src = pattern(len);
            let mut dest = std::vec![0xEE_u8; len + 2];
            // SAFETY: `dest` has room for `len` bytes from index 1; separate vectors.
            let returned =
                unsafe { memcpy(dest[1..].as_mut_ptr().cast(), src.as_ptr().cast(), len) };
            assert_eq!(returned, dest[1..].as_mut_ptr().cast());
            assert_eq!(dest[1..=len], src[..]);
            assert_eq!((dest[0], dest[len + 1]), (0xEE, 0xEE));
        }
    }

    #[test]
    fn memmove_agrees_with_copy_within_for_every_overlap() {
        for len in LENGTHS {
            for from in 0..16 {
                for to in 0..16 {
                    let mut expected = pattern(128);
                    let mut buffer = expected.clone();
                    expected.copy_within(from..from + len, to);
                    let base = buffer.as_mut_ptr();
                    let (dest, src) = (base.wrapping_add(to), base.wrapping_add(from));
                    // SAFETY: 16 + 100 bytes lie within the 128 of the buffer.
                    unsafe { memmove(dest.cast(), src.cast(), len) };
                    assert_eq!(buffer, expected, "{len} bytes from {from} to {to}");
                }
            }
        }
    }

    #[test]
    fn memset_uses_the_low_byte_and_stops_at_len() {
        for len in LENGTHS {
            let mut dest = std::vec![0xEE_u8; len + 1];
            // SAFETY: `dest` is longer than `len`.
            unsafe { memset(dest.as_mut_ptr().cast(), 0x1234, len) };
            assert!(dest[..len].iter().all(|&b| b == 0x34));
            assert_eq!(dest[len], 0xEE);
        }
    }

    #[test]
    fn memcmp_orders_like_slices_at_every_position() {
        for len in LENGTHS {
            let left = pattern(len);
            assert_eq!(compare(&left, &left), 0);
            for at in 0..len {
                let mut right = left.clone();
                right[at] = 255;
                assert!(compare(&left, &right) < 0);
                assert!(compare(&right, &left) > 0);
            }
        }
    }

    fn compare(left: &[u8], right: &[u8]) -> c_int {
        assert_eq!(left.len(), right.len());
        // SAFETY: both slices are as long as the left one.
        let ordered = unsafe { memcmp(left.as_ptr().cast(), right.as_ptr().cast(), left.len()) };
        // SAFETY: as above.
        let differs = unsafe { bcmp(left.as_ptr().cast(), right.as_ptr().cast(), left.len()) };
        assert_eq!(ordered == 0, differs == 0);
        ordered
    }

    #[test]
    fn strlen_stops_at_the_first_zero() {
        for (string, len) in [(c"", 0), (c"a", 1), (c"perennial", 9)] {
            // SAFETY: a C string literal ends with a zero.
            assert_eq!(unsafe { strlen(string.as_ptr()) }, len);
        }
    }
}
