//! How another processor gets from real mode to Rust.
//!
//! It starts with 16-bit code at the beginning of a page below 1 MiB and must end
//! up as the boot processor is: long mode, the same control registers, the same
//! number of page table levels. The page holds the code and, at a fixed place, a
//! [`Handoff`] with everything that it needs. The root page table is a copy in
//! low memory, since CR3 is loaded in 32-bit mode; it maps the page at its
//! physical address too, for the instructions around the switch.
//!
//! Processors start one at a time. A ticket makes sure of it: a processor that
//! answers after its time is up finds no ticket and halts.

use core::{
    arch::global_asm,
    mem::offset_of,
    sync::atomic::{AtomicU32, Ordering},
};

use frame::{FRAME_SIZE, PhysAddr};
use x86_64::registers::{
    control::{Cr0, Cr0Flags, Cr4, Cr4Flags},
    model_specific::{Efer, EferFlags},
};

/// Where the [`Handoff`] is in the page.
const HANDOFF: usize = 0xF00;

/// Segment selectors of the trampoline's own GDT.
const CODE_32: u16 = 0x08;
const DATA: u16 = 0x10;
const CODE_64: u16 = 0x18;

/// Offset of the last byte of that GDT.
const GDT_LIMIT: u16 = 31;

/// What the starting processor finds in the page.
#[repr(C)]
struct Handoff {
    /// 1 for the processor that may go on; whoever takes it leaves 0.
    ticket: AtomicU32,
    cr0: u32,
    cr3: u32,
    cr4: u32,
    efer: u32,
    far_32: FarPointer,
    far_64: FarPointer,
    padding: u16,
    gdt_limit: u16,
    gdt_base: u32,
    gdt: [u64; 4],
    stack: u64,
    entry: u64,
    argument: u64,
}

const _: () = assert!(HANDOFF + size_of::<Handoff>() <= FRAME_SIZE);
const _: () = assert!(GDT_LIMIT as usize == size_of::<[u64; 4]>() - 1);
const _: () = assert!(HANDOFF.is_multiple_of(align_of::<Handoff>()));
const _: () = assert!(offset_of!(Handoff, gdt_base) == offset_of!(Handoff, gdt_limit) + 2);

#[repr(C)]
struct FarPointer {
    offset: u32,
    selector: u16,
    padding: u16,
}

/// The function that a processor starts in; it never returns.
pub(crate) type Entry = extern "C" fn(argument: u64) -> !;

global_asm!(
    r#"
    .pushsection .rodata.trampoline, "a", @progbits
    .code16
    trampoline_start:
        cli
        cld
        movw %cs, %ax
        movw %ax, %ds
        movzwl %ax, %ebx
        shll $4, %ebx
        xorl %eax, %eax
        xchgl %eax, {ticket}
        testl %eax, %eax
        jz 2f
        lgdtl {gdt}
        movl %cr0, %eax
        orl $1, %eax
        movl %eax, %cr0
        ljmpl *{far_32}
    2:
        hlt
        jmp 2b

    .code32
    trampoline_32:
        movw ${data}, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %ss
        movl {cr4}(%ebx), %eax
        movl %eax, %cr4
        movl {cr3}(%ebx), %eax
        movl %eax, %cr3
        movl ${efer_msr}, %ecx
        rdmsr
        movl {efer}(%ebx), %eax
        wrmsr
        movl {cr0}(%ebx), %eax
        movl %eax, %cr0
        ljmpl *{far_64}(%ebx)

    .code64
    trampoline_64:
        movl %ebx, %ebx
        movq {stack}(%rbx), %rsp
        movq {argument}(%rbx), %rdi
        movq {entry}(%rbx), %rax
        xorl %ebp, %ebp
        callq *%rax
        ud2
    trampoline_end:
    .popsection
    "#,
    ticket = const HANDOFF + offset_of!(Handoff, ticket),
    gdt = const HANDOFF + offset_of!(Handoff, gdt_limit),
    far_32 = const HANDOFF + offset_of!(Handoff, far_32),
    far_64 = const HANDOFF + offset_of!(Handoff, far_64),
    cr0 = const HANDOFF + offset_of!(Handoff, cr0),
    cr3 = const HANDOFF + offset_of!(Handoff, cr3),
    cr4 = const HANDOFF + offset_of!(Handoff, cr4),
    efer = const HANDOFF + offset_of!(Handoff, efer),
    stack = const HANDOFF + offset_of!(Handoff, stack),
    argument = const HANDOFF + offset_of!(Handoff, argument),
    entry = const HANDOFF + offset_of!(Handoff, entry),
    data = const DATA,
    efer_msr = const 0xC000_0080_u32,
    options(att_syntax)
);

unsafe extern "C" {
    static trampoline_start: u8;
    static trampoline_32: u8;
    static trampoline_64: u8;
    static trampoline_end: u8;
}

/// The page in which processors start.
#[derive(Debug)]
pub(crate) struct Trampoline {
    page: PhysAddr,
    handoff: *mut Handoff,
}

impl Trampoline {
    /// Fills the page at `page`, which `pointer` points to. `root` is the
    /// physical address of the page tables to start with.
    ///
    /// # Safety
    ///
    /// 1. The page lies below 1 MiB and `root` below 4 GiB; `pointer` is valid for
    ///    reads and writes of the whole page, and nothing else uses it.
    /// 2. The page tables at `root` map what the kernel's do, and the page at its
    ///    physical address, executable.
    pub(crate) unsafe fn install(page: PhysAddr, pointer: *mut u8, root: PhysAddr) -> Self {
        let start = &raw const trampoline_start;
        let len_bytes = distance(&raw const trampoline_end);
        assert!(len_bytes <= HANDOFF, "trampoline has {len_bytes} bytes");
        // SAFETY: the code is that long, and the page is unused (clause 1).
        unsafe { pointer.copy_from_nonoverlapping(start, len_bytes) };
        let handoff: *mut Handoff = pointer.wrapping_add(HANDOFF).cast();
        // SAFETY: within the page (asserted above), aligned, unused.
        unsafe { handoff.write(Handoff::new(low(page), low(root))) };
        Self { page, handoff }
    }

    /// Returns the number of the page, as the startup signal wants it.
    pub(crate) fn page_number(&self) -> u8 {
        let number = self.page.0 / FRAME_SIZE as u64;
        u8::try_from(number).unwrap_or_else(|_| panic!("{:?} is not below 1 MiB", self.page))
    }

    /// Lets the next processor call `entry(argument)` on the stack that ends at
    /// `stack`.
    ///
    /// # Safety
    ///
    /// 1. The stack is writable and used by nothing else.
    /// 2. `argument` is what `entry` wants.
    pub(crate) unsafe fn issue(&mut self, stack: u64, entry: Entry, argument: u64) {
        // The callee expects the stack as a call leaves it, so it ends aligned.
        debug_assert!(stack.is_multiple_of(16));
        let fields = [
            (offset_of!(Handoff, stack), stack),
            (offset_of!(Handoff, entry), entry as usize as u64),
            (offset_of!(Handoff, argument), argument),
        ];
        for (offset, value) in fields {
            let field: *mut u64 = self.handoff.wrapping_byte_add(offset).cast();
            // SAFETY: a field of the page; no processor reads it without the
            // ticket, which nobody has now.
            unsafe { field.write_volatile(value) };
        }
        // Pairs with the locked exchange in the page: whoever takes the ticket
        // sees the fields.
        self.ticket().store(1, Ordering::Release);
    }

    /// Takes the ticket back: a processor that comes late finds none.
    pub(crate) fn revoke(&mut self) {
        self.ticket().store(0, Ordering::Release);
    }

    fn ticket(&self) -> &AtomicU32 {
        // SAFETY: the page outlives the trampoline, and the ticket is accessed
        // atomically only.
        unsafe { &(*self.handoff).ticket }
    }
}

impl Handoff {
    fn new(page: u32, root: u32) -> Self {
        let target = |symbol, selector| FarPointer {
            offset: page + low(PhysAddr(distance(symbol) as u64)),
            selector,
            padding: 0,
        };
        // Only what means the same before long mode: PCIDE, for one, would fault.
        let cr4 = Cr4::read()
            & (Cr4Flags::PHYSICAL_ADDRESS_EXTENSION
                | Cr4Flags::L5_PAGING
                | Cr4Flags::PAGE_GLOBAL
                | Cr4Flags::PAGE_SIZE_EXTENSION
                | Cr4Flags::MACHINE_CHECK_EXCEPTION
                | Cr4Flags::OSFXSR
                | Cr4Flags::OSXMMEXCPT_ENABLE);
        let cr4 = cr4 | Cr4Flags::OSFXSR | Cr4Flags::OSXMMEXCPT_ENABLE;
        let cr0 = Cr0::read() & !(Cr0Flags::EMULATE_COPROCESSOR | Cr0Flags::TASK_SWITCHED);
        let efer = Efer::read() & (EferFlags::LONG_MODE_ENABLE | EferFlags::NO_EXECUTE_ENABLE);
        Self {
            ticket: AtomicU32::new(0),
            cr0: low(PhysAddr((cr0 | Cr0Flags::MONITOR_COPROCESSOR).bits())),
            cr3: root,
            cr4: low(PhysAddr(cr4.bits())),
            efer: low(PhysAddr(efer.bits())),
            far_32: target(&raw const trampoline_32, CODE_32),
            far_64: target(&raw const trampoline_64, CODE_64),
            padding: 0,
            gdt_limit: GDT_LIMIT,
            gdt_base: page + low(PhysAddr((HANDOFF + offset_of!(Handoff, gdt)) as u64)),
            gdt: [
                0,
                // Flat 4 GiB: 32-bit code, data; then 64-bit code. Marked as
                // accessed, or the processor would do so, in a read-only page.
                0x00CF_9B00_0000_FFFF,
                0x00CF_9300_0000_FFFF,
                0x00AF_9B00_0000_FFFF,
            ],
            stack: 0,
            entry: 0,
            argument: 0,
        }
    }
}

/// Bytes from the start of the code to `symbol`.
fn distance(symbol: *const u8) -> usize {
    symbol.addr() - (&raw const trampoline_start).addr()
}

/// The low half of a value whose high half is zero.
fn low(value: PhysAddr) -> u32 {
    u32::try_from(value.0).unwrap_or_else(|_| panic!("{value:?} does not fit in 32 bits"))
}
