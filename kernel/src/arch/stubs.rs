//! The first instructions of every interrupt.
//!
//! Stable Rust has no calling convention for interrupts, and the processor does
//! not tell a handler which vector it came through. So there is one stub a
//! vector; it makes all stack frames alike and names its vector. The common part
//! saves everything that compiled code may change, SSE registers included, since
//! the precompiled library uses them.

use core::arch::{global_asm, naked_asm};

use x86_64::VirtAddr;

/// Bytes from one stub to the next.
const STRIDE: u64 = 16;

/// What a stub and the processor push, in ascending order of addresses.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Frame {
    /// `r15` up to `rax`, of use in a crash dump only.
    pub(crate) registers: [u64; 15],
    /// The vector that the stub stands for.
    pub(crate) vector: u64,
    /// The processor's error code, or 0 where the vector has none.
    pub(crate) error: u64,
    /// The instruction that was interrupted.
    pub(crate) rip: u64,
    /// Its code segment.
    pub(crate) cs: u64,
    /// Its flags.
    pub(crate) rflags: u64,
    /// Its stack.
    pub(crate) rsp: u64,
    /// Its stack segment.
    pub(crate) ss: u64,
}

// Vectors with an error code: Intel SDM vol. 3A, table 6-1, and AMD APM vol. 2,
// table 8-1 (29, 30).
global_asm!(
    r#"
    .pushsection .text.interrupt_stubs, "ax", @progbits
    .balign {stride}
    interrupt_stubs:
    .set stub_vector, 0
    .rept 256
        .balign {stride}
        .if stub_vector == 8 || (stub_vector >= 10 && stub_vector <= 14) || stub_vector == 17 || stub_vector == 21 || stub_vector == 29 || stub_vector == 30
        .else
        pushq $0
        .endif
        pushq $stub_vector
        jmp {common}
        .set stub_vector, stub_vector + 1
    .endr
    .popsection
    "#,
    stride = const STRIDE,
    common = sym common,
    options(att_syntax)
);

unsafe extern "C" {
    /// The stub of vector 0; only its address means something.
    static interrupt_stubs: u8;
}

/// Returns the address of a vector's stub.
pub(crate) fn address(vector: u8) -> VirtAddr {
    let first = VirtAddr::from_ptr(&raw const interrupt_stubs);
    first + STRIDE * u64::from(vector)
}

/// Saves the context, calls [`super::idt::dispatch`] and resumes.
#[unsafe(naked)]
unsafe extern "C" fn common() {
    naked_asm!(
        "push rax",
        "push rcx",
        "push rdx",
        "push rbx",
        "push rbp",
        "push rsi",
        "push rdi",
        "push r8",
        "push r9",
        "push r10",
        "push r11",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        // The calling convention wants a forward direction and an aligned stack;
        // rbp, preserved by the callee, remembers the frame.
        "cld",
        "mov rdi, rsp",
        "mov rbp, rsp",
        "sub rsp, 512",
        "and rsp, -16",
        "fxsave64 [rsp]",
        "call {dispatch}",
        "fxrstor64 [rsp]",
        "mov rsp, rbp",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop r11",
        "pop r10",
        "pop r9",
        "pop r8",
        "pop rdi",
        "pop rsi",
        "pop rbp",
        "pop rbx",
        "pop rdx",
        "pop rcx",
        "pop rax",
        // Vector and error code.
        "add rsp, 16",
        "iretq",
        dispatch = sym super::idt::dispatch,
    )
}
