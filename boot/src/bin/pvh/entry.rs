//! From the PVH entry, in 32-bit protected mode without paging, to Rust.
//!
//! The monitor finds the entry point in an ELF note. The code clears `.bss` (a
//! guest reset runs the stub again, in memory it has used), maps the first 4 GiB
//! one to one, and turns on what Rust expects: long mode and SSE.
//!
//! Source: Xen, `docs/misc/pvh.pandoc`; Intel SDM vol. 3A, 10.8.5.

use core::arch::global_asm;

global_asm!(
    // Note name, type XEN_ELFNOTE_PHYS32_ENTRY, the entry point as 64 bits.
    ".pushsection .note.Xen, \"a\", @note",
    ".p2align 2",
    ".long 4, 8, 18",
    ".asciz \"Xen\"",
    ".quad pvh_entry",
    ".popsection",
    //
    ".pushsection .text.pvh_entry, \"ax\", @progbits",
    ".code32",
    ".global pvh_entry",
    "pvh_entry:",
    "cld",
    // ebx: start information, kept until the call.
    "mov edi, offset pvh_bss_start",
    "mov ecx, offset pvh_bss_end",
    "sub ecx, edi",
    "xor eax, eax",
    "rep stosb",
    // 2048 entries of 2 MiB: present, writable, large.
    "mov edi, offset pvh_level2",
    "mov eax, 0x83",
    "2:",
    "mov [edi], eax",
    "add edi, 8",
    "add eax, 0x200000",
    "jnc 2b",
    // Four tables of them; present, writable.
    "mov edi, offset pvh_level3",
    "mov eax, offset pvh_level2 + 3",
    "mov ecx, 4",
    "3:",
    "mov [edi], eax",
    "add edi, 8",
    "add eax, 0x1000",
    "loop 3b",
    "mov eax, offset pvh_level3 + 3",
    "mov [pvh_level4], eax",
    // CR4: PAE, OSFXSR, OSXMMEXCPT.
    "mov eax, 0x620",
    "mov cr4, eax",
    "mov eax, offset pvh_level4",
    "mov cr3, eax",
    // EFER: LME.
    "mov ecx, 0xc0000080",
    "rdmsr",
    "or eax, 0x100",
    "wrmsr",
    // CR0: PG, NE, MP, PE; not EM, not TS.
    "mov eax, 0x80000023",
    "mov cr0, eax",
    "lgdt [pvh_segment_pointer]",
    "ljmp 0x8, offset pvh_long_mode",
    //
    ".code64",
    "pvh_long_mode:",
    "mov eax, 0x10",
    "mov ds, eax",
    "mov es, eax",
    "mov ss, eax",
    "lea rsp, [rip + pvh_stack_top]",
    "mov edi, ebx",
    "xor ebp, ebp",
    "call {start}",
    "ud2",
    ".popsection",
    //
    ".pushsection .rodata.pvh_segments, \"a\", @progbits",
    ".p2align 3",
    // Null, 64-bit code, data; accessed bits set, as they can not be written.
    "pvh_segments:",
    ".quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff",
    "pvh_segment_pointer:",
    ".word . - pvh_segments - 1",
    ".quad pvh_segments",
    ".popsection",
    //
    ".pushsection .bss.pvh_tables, \"aw\", @nobits",
    ".p2align 12",
    "pvh_level4: .skip 0x1000",
    "pvh_level3: .skip 0x1000",
    "pvh_level2: .skip 0x4000",
    ".skip {stack_len}",
    "pvh_stack_top:",
    ".popsection",
    start = sym super::start,
    stack_len = const STACK_LEN,
);

/// The memory map in the making is the largest thing on it.
const STACK_LEN: usize = 128 << 10;
