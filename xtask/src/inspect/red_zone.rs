//! Accesses below the stack pointer, found by disassembly.
//!
//! The System V ABI lets a leaf function use 128 bytes below the stack pointer.
//! Code that takes interrupts on the same stack must not, so every explicit
//! memory operand based on `rsp` with a negative displacement is a finding.
//!
//! With an index, too, the displacement may be negative for an array above the
//! stack pointer (`array[i - 1]`). Such an operand is a finding only where nothing
//! else can be meant: in a function that calls nobody and makes no room.

use anyhow::Result;
use iced_x86::{
    Decoder, DecoderOptions, Formatter as _, Instruction, IntelFormatter, Mnemonic, OpKind,
    Register,
};
use object::endian::LittleEndian as LE;
use object::read::elf::ElfFile64;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionKind, SymbolKind};

use super::Finding;

/// Functions of the precompiled `core` that use the red zone, by parts of their
/// mangled names. They can be lived with where nothing interrupts them on their own
/// stack: the kernel takes interrupts on stacks of their own, and the loader has
/// them off while it runs. Code that is ours to compile has no such excuse.
const ACCEPTED: [[&str; 3]; 2] = [
    // Iterator::last of core::char::ToUppercase and of what it is made of; both
    // copy a few characters below the stack pointer. As of Rust 1.95.
    ["4core4char", "11ToUppercase", "4last"],
    ["4core4char", "15CaseMappingIter", "4last"],
];

/// A symbol of the file: where a function begins.
struct Function<'a> {
    start: u64,
    name: &'a str,
}

/// Disassembles an ELF file's code.
pub(super) fn inspect(file: &[u8]) -> Result<Vec<Finding>> {
    let elf = ElfFile64::<LE>::parse(file)?;
    let mut functions: Vec<_> = elf
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_definition())
        .filter_map(|symbol| {
            let (start, name) = (symbol.address(), symbol.name().ok()?);
            Some(Function { start, name })
        })
        .collect();
    functions.sort_by_key(|function| function.start);
    let mut findings = Vec::new();
    for section in elf
        .sections()
        .filter(|section| section.kind() == SectionKind::Text)
    {
        inspect_section(
            section.data()?,
            section.address(),
            &functions,
            &mut findings,
        );
    }
    Ok(findings)
}

/// Cuts a section at the symbols, so that data or code of another mode between
/// functions can not put the decoder out of step for long.
fn inspect_section(
    code: &[u8],
    address: u64,
    functions: &[Function<'_>],
    findings: &mut Vec<Finding>,
) {
    let end = address + code.len() as u64;
    let inside = |function: &&Function<'_>| (address..end).contains(&function.start);
    let first = Function {
        start: address,
        name: "code before the first symbol",
    };
    let mut functions = std::iter::once(&first)
        .chain(functions.iter().filter(inside))
        .peekable();
    while let Some(function) = functions.next() {
        let until = functions.peek().map_or(end, |next| next.start);
        let part = |at: u64| usize::try_from(at - address).unwrap_or(usize::MAX);
        let accesses = below_stack(&code[part(function.start)..part(until)], function.start);
        if !is_accepted(function.name) {
            findings.extend(
                accesses
                    .into_iter()
                    .map(|(address, instruction)| Finding::RedZone {
                        function: function.name.to_owned(),
                        address,
                        instruction,
                    }),
            );
        }
    }
}

fn is_accepted(name: &str) -> bool {
    ACCEPTED
        .iter()
        .any(|parts| parts.iter().all(|part| name.contains(part)))
}

/// Returns the address and text of each instruction that accesses memory below
/// the stack pointer.
fn below_stack(code: &[u8], address: u64) -> Vec<(u64, String)> {
    let decode = || Decoder::with_ip(64, code, address, DecoderOptions::NONE).into_iter();
    let has_frame = decode().any(|instruction| makes_frame(&instruction));
    decode()
        .filter(is_below_stack)
        .filter(|instruction| instruction.memory_index() == Register::None || !has_frame)
        .map(|instruction| {
            let mut text = String::new();
            IntelFormatter::new().format(&instruction, &mut text);
            (instruction.ip(), text)
        })
        .collect()
}

/// Whether a function with this instruction has its variables above the stack
/// pointer: it calls another one, or moves the stack pointer to make room.
fn makes_frame(instruction: &Instruction) -> bool {
    let moves = matches!(instruction.mnemonic(), Mnemonic::Sub | Mnemonic::Add)
        && instruction.op0_register() == Register::RSP;
    moves || instruction.mnemonic() == Mnemonic::Call
}

fn is_below_stack(instruction: &Instruction) -> bool {
    let has_memory =
        (0..instruction.op_count()).any(|op| instruction.op_kind(op) == OpKind::Memory);
    // These compute an address or ignore it.
    let accesses = !matches!(instruction.mnemonic(), Mnemonic::Lea | Mnemonic::Nop);
    let displacement = instruction.memory_displacement64().cast_signed();
    has_memory && accesses && instruction.memory_base() == Register::RSP && displacement < 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_functions_known_from_core_are_accepted() {
        let of_core = "_RNvXsE_NtCsgEmfK2I1SDS_4core4charNtB5_11ToUppercase\
                       NtNtNtNtB7_4iter6traits8iterator8Iterator4last";
        assert!(is_accepted(of_core));
        assert!(!is_accepted(&of_core.replace("4last", "4next")));
        assert!(!is_accepted("_RNvCs1234_6kernel4last"));
    }

    /// Positive control: a leaf function as compilers make it with a red zone.
    #[test]
    fn a_store_below_the_stack_pointer_is_found() {
        // mov [rsp-8], rdi; ret
        let code = [0x48, 0x89, 0x7c, 0x24, 0xf8, 0xc3];
        let found = below_stack(&code, 0x1000);
        assert_eq!(found, [(0x1000, "mov [rsp-8],rdi".to_owned())]);
    }

    /// Positive control: loads, vector registers, large displacements.
    #[test]
    fn every_kind_of_access_below_the_stack_pointer_is_found() {
        for code in [
            // mov rax, [rsp-16]
            &[0x48, 0x8b, 0x44, 0x24, 0xf0][..],
            // movaps [rsp-24], xmm0
            &[0x0f, 0x29, 0x44, 0x24, 0xe8],
            // add dword ptr [rsp-0x80000000], 1
            &[0x83, 0x84, 0x24, 0x00, 0x00, 0x00, 0x80, 0x01],
            // mov [rsp+rcx*8-8], rax
            &[0x48, 0x89, 0x44, 0xcc, 0xf8],
        ] {
            assert_eq!(below_stack(code, 0).len(), 1, "{code:x?}");
        }
    }

    #[test]
    fn ordinary_use_of_the_stack_is_no_finding() {
        for code in [
            // push rdi
            &[0x57][..],
            // mov [rsp+8], rdi
            &[0x48, 0x89, 0x7c, 0x24, 0x08],
            // lea rax, [rsp-8]
            &[0x48, 0x8d, 0x44, 0x24, 0xf8],
            // mov [rbp-8], rdi
            &[0x48, 0x89, 0x7d, 0xf8],
            // call +0
            &[0xe8, 0, 0, 0, 0],
            // sub rsp, 64; mov [rsp+rcx*8-8], rax: an array, indexed from one
            &[0x48, 0x83, 0xec, 0x40, 0x48, 0x89, 0x44, 0xcc, 0xf8],
        ] {
            assert_eq!(below_stack(code, 0), [], "{code:x?}");
        }
    }
}
