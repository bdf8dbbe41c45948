//! QEMU's plugin interface, version 1, as far as it is used (`qemu-plugin.h` of QEMU
//! 7.2; the functions are those of the program that loads the plugin).

use std::ffi::{c_int, c_uint, c_void};

/// A block of instructions while it is translated.
#[repr(C)]
pub(crate) struct Block {
    _opaque: [u8; 0],
}

/// An instruction while it is translated.
#[repr(C)]
pub(crate) struct Instruction {
    _opaque: [u8; 0],
}

/// What a guest's address stands for.
#[repr(C)]
pub(crate) struct Hardware {
    _opaque: [u8; 0],
}

/// What QEMU says about itself; not looked at.
#[repr(C)]
pub(crate) struct Info {
    _opaque: [u8; 0],
}

/// The plugin, to QEMU.
pub(crate) type Id = u64;
/// Facts about a memory access.
pub(crate) type Access = u32;

pub(crate) type OnBlock = extern "C" fn(Id, *mut Block);
pub(crate) type OnInstruction = extern "C" fn(c_uint, *mut c_void);
pub(crate) type OnMemory = extern "C" fn(c_uint, Access, u64, *mut c_void);
pub(crate) type OnExit = extern "C" fn(Id, *mut c_void);

/// `QEMU_PLUGIN_CB_NO_REGS`: the callback looks at no register.
pub(crate) const NO_REGISTERS: c_int = 0;
/// `QEMU_PLUGIN_MEM_RW`: all accesses. Two callbacks on one instruction, one for reads
/// and one for writes, are not told apart by QEMU 7.2.
pub(crate) const READS_AND_WRITES: c_int = 3;

unsafe extern "C" {
    pub(crate) fn qemu_plugin_register_vcpu_tb_trans_cb(id: Id, callback: OnBlock);
    pub(crate) fn qemu_plugin_register_atexit_cb(id: Id, callback: OnExit, data: *mut c_void);
    pub(crate) fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    pub(crate) fn qemu_plugin_tb_get_insn(block: *const Block, index: usize) -> *mut Instruction;
    pub(crate) fn qemu_plugin_insn_data(instruction: *const Instruction) -> *const u8;
    pub(crate) fn qemu_plugin_insn_size(instruction: *const Instruction) -> usize;
    pub(crate) fn qemu_plugin_insn_vaddr(instruction: *const Instruction) -> u64;
    pub(crate) fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut Instruction,
        callback: OnInstruction,
        flags: c_int,
        data: *mut c_void,
    );
    pub(crate) fn qemu_plugin_register_vcpu_mem_cb(
        instruction: *mut Instruction,
        callback: OnMemory,
        flags: c_int,
        accesses: c_int,
        data: *mut c_void,
    );
    pub(crate) fn qemu_plugin_mem_size_shift(access: Access) -> c_uint;
    pub(crate) fn qemu_plugin_mem_is_store(access: Access) -> bool;
    pub(crate) fn qemu_plugin_get_hwaddr(access: Access, address: u64) -> *mut Hardware;
    pub(crate) fn qemu_plugin_hwaddr_is_io(hardware: *const Hardware) -> bool;
    pub(crate) fn qemu_plugin_hwaddr_phys_addr(hardware: *const Hardware) -> u64;
}
