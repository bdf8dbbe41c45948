//! The plugin: asked when code is translated, called when it runs.
//!
//! Arguments: `module=` the file behind the module, `out=` the trace, `bytes=` the
//! length of the persistent range.
#![expect(
    unsafe_code,
    reason = "QEMU calls with its own pointers and is called back"
)]

mod qemu;

use std::{
    ffi::{CStr, c_char, c_int, c_uint, c_void},
    fs::File,
    io::{BufWriter, Write as _},
    os::unix::fs::FileExt as _,
    ptr,
    sync::{Mutex, OnceLock, PoisonError},
};

use perennial_trace::{Event, Kind, What};

/// The version of the interface that this plugin is written for.
#[unsafe(export_name = "qemu_plugin_version")]
pub(crate) static VERSION: c_int = 1;

/// The kernel's half of the addresses; loaders and firmware are in the other one.
const KERNEL: u64 = 1 << 63;
/// Where QEMU says that the module's first byte is: its memory is the first that is
/// made.
const MODULE: u64 = 0;
const WORD_BYTES: u64 = 8;

static RECORDER: OnceLock<Mutex<Recorder>> = OnceLock::new();

/// What is recorded, and what has to be remembered for it.
struct Recorder {
    file: File,
    out: BufWriter<File>,
    /// Bytes in the persistent range.
    len: u64,
    /// The address at which the kernel sees the range, by the last store to it.
    start: Option<u64>,
    cpus: [Processor; 256],
}

/// What a processor has just done.
#[derive(Clone, Copy)]
struct Processor {
    /// The end of the last instruction that has loaded, and from where it did.
    loaded: (u64, u64),
    /// Whether it has flushed since its last fence.
    flushes: bool,
}

impl Recorder {
    fn new(arguments: &[&str]) -> Option<Self> {
        let value = |key| {
            let pairs = arguments.iter().filter_map(|text| text.split_once('='));
            pairs
                .into_iter()
                .find_map(|(found, value)| (found == key).then_some(value))
        };
        let nothing = Processor {
            loaded: (0, 0),
            flushes: false,
        };
        Some(Self {
            file: File::open(value("module")?).ok()?,
            out: BufWriter::new(File::create(value("out")?).ok()?),
            len: value("bytes")?.parse().ok()?,
            start: None,
            cpus: [nothing; 256],
        })
    }

    fn say(&mut self, cpu: u8, what: What) {
        let written = self.out.write_all(&Event { cpu, what }.encode());
        written.expect("the trace can be written");
    }

    /// Returns where in the range an address lies.
    fn offset(&self, address: u64) -> Option<u32> {
        let offset = address.checked_sub(self.start?)?;
        u32::try_from(offset).ok().filter(|_| offset < self.len)
    }

    /// Some bytes have been stored to the range.
    fn stored(&mut self, cpu: u8, offset: u64, bytes: u64) {
        let first = offset / WORD_BYTES;
        for word in first..(offset + bytes).div_ceil(WORD_BYTES) {
            let offset = word * WORD_BYTES;
            let mut value = [0; 8];
            let read = self.file.read_exact_at(&mut value, offset);
            read.expect("the range is in the file");
            let offset = u32::try_from(offset).expect("ranges are shorter than 4 GiB");
            let value = u64::from_le_bytes(value);
            self.say(cpu, What::Store { offset, value });
        }
    }

    /// A line is being written back by the instruction at this address.
    fn flushed(&mut self, cpu: u8, at: u64) {
        let Processor { loaded, flushes } = &mut self.cpus[usize::from(cpu)];
        *flushes = true;
        let (end, address) = *loaded;
        if end != at {
            return self.say(cpu, What::Unpaired);
        }
        if let Some(offset) = self.offset(address) {
            self.say(cpu, What::Flush { offset });
        }
    }
}

fn record(with: impl FnOnce(&mut Recorder)) {
    if let Some(recorder) = RECORDER.get() {
        with(&mut recorder.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// There are no more processors than ledgers have lines for, 128.
fn number(cpu: c_uint) -> u8 {
    u8::try_from(cpu).expect("at most 256 processors")
}

extern "C" fn translate(_: qemu::Id, block: *mut qemu::Block) {
    // SAFETY: QEMU's block, valid during this call.
    let count = unsafe { qemu::qemu_plugin_tb_n_insns(block) };
    for index in 0..count {
        // SAFETY: as above; the index is less than the count.
        let instruction = unsafe { qemu::qemu_plugin_tb_get_insn(block, index) };
        instrument(instruction);
    }
}

/// Has calls made where an instruction does what matters.
fn instrument(instruction: *mut qemu::Instruction) {
    // SAFETY: QEMU's instruction, valid while its block is translated.
    let address = unsafe { qemu::qemu_plugin_insn_vaddr(instruction) };
    if address < KERNEL {
        return;
    }
    // SAFETY: as above.
    let size = unsafe { qemu::qemu_plugin_insn_size(instruction) };
    // SAFETY: as above.
    let data = unsafe { qemu::qemu_plugin_insn_data(instruction) };
    // SAFETY: QEMU keeps the bytes of an instruction, so many, with its block.
    let bytes = unsafe { std::slice::from_raw_parts(data, size) };
    let here = pointer(address);
    match Kind::of(bytes) {
        // SAFETY: the instruction as above; the callback lives as long as this
        // library, which is never unloaded, and takes the data as a number.
        Kind::Flush => unsafe {
            qemu::qemu_plugin_register_vcpu_insn_exec_cb(
                instruction,
                on_flush,
                qemu::NO_REGISTERS,
                here,
            );
        },
        // SAFETY: as above.
        Kind::Fence => unsafe {
            qemu::qemu_plugin_register_vcpu_insn_exec_cb(
                instruction,
                on_fence,
                qemu::NO_REGISTERS,
                here,
            );
        },
        Kind::Locked => watch(instruction, on_locked, here),
        Kind::Plain => {
            let end = pointer(address.wrapping_add(size as u64));
            watch(instruction, on_access, end);
        }
    }
}

fn watch(instruction: *mut qemu::Instruction, callback: qemu::OnMemory, data: *mut c_void) {
    // SAFETY: as in `instrument`, which is the only caller.
    unsafe {
        qemu::qemu_plugin_register_vcpu_mem_cb(
            instruction,
            callback,
            qemu::NO_REGISTERS,
            qemu::READS_AND_WRITES,
            data,
        );
    }
}

/// Returns a number as data for a callback, which makes a number of it again.
fn pointer(number: u64) -> *mut c_void {
    ptr::without_provenance_mut(usize::try_from(number).expect("a 64-bit host"))
}

/// Returns where in the module an access goes, if it does.
fn place(access: qemu::Access, address: u64, len: u64) -> Option<u64> {
    // SAFETY: called from a callback of this very access, as QEMU asks for.
    let hardware = unsafe { qemu::qemu_plugin_get_hwaddr(access, address) };
    if hardware.is_null() {
        return None;
    }
    // SAFETY: QEMU's own, valid until this thread asks for another one.
    if unsafe { qemu::qemu_plugin_hwaddr_is_io(hardware) } {
        return None;
    }
    // SAFETY: as above.
    let physical = unsafe { qemu::qemu_plugin_hwaddr_phys_addr(hardware) };
    physical.checked_sub(MODULE).filter(|&offset| offset < len)
}

fn store(recorder: &mut Recorder, cpu: u8, access: qemu::Access, address: u64) -> Option<u64> {
    let offset = place(access, address, recorder.len)?;
    recorder.start = Some(address.wrapping_sub(offset));
    // SAFETY: a pure function of the number.
    let shift = unsafe { qemu::qemu_plugin_mem_size_shift(access) };
    recorder.stored(cpu, offset, 1 << shift);
    Some(offset)
}

/// Returns whether an access is a store: then it has been made.
fn is_store(access: qemu::Access) -> bool {
    // SAFETY: a pure function of the number.
    unsafe { qemu::qemu_plugin_mem_is_store(access) }
}

extern "C" fn on_access(cpu: c_uint, access: qemu::Access, address: u64, end: *mut c_void) {
    let cpu = number(cpu);
    record(|recorder| {
        if is_store(access) {
            store(recorder, cpu, access, address);
        } else {
            recorder.cpus[usize::from(cpu)].loaded = (end.addr() as u64, address);
        }
    });
}

extern "C" fn on_locked(cpu: c_uint, access: qemu::Access, address: u64, _: *mut c_void) {
    let cpu = number(cpu);
    if !is_store(access) {
        return;
    }
    record(|recorder| {
        if recorder.cpus[usize::from(cpu)].flushes {
            let offset = place(access, address, recorder.len);
            let offset = offset.and_then(|offset| u32::try_from(offset).ok());
            recorder.say(cpu, What::Locked { offset });
        }
        store(recorder, cpu, access, address);
    });
}

extern "C" fn on_flush(cpu: c_uint, at: *mut c_void) {
    record(|recorder| recorder.flushed(number(cpu), at.addr() as u64));
}

extern "C" fn on_fence(cpu: c_uint, _: *mut c_void) {
    let cpu = number(cpu);
    record(|recorder| {
        recorder.cpus[usize::from(cpu)].flushes = false;
        recorder.say(cpu, What::Fence);
    });
}

extern "C" fn on_exit(_: qemu::Id, _: *mut c_void) {
    record(|recorder| recorder.out.flush().expect("the trace can be written"));
}

/// Called by QEMU when it loads the plugin; returns 0 where all is well.
///
/// # Safety
///
/// 1. `arguments` are `count` pointers to strings that end with a zero byte.
#[unsafe(export_name = "qemu_plugin_install")]
pub(crate) unsafe extern "C" fn install(
    id: qemu::Id,
    _: *const qemu::Info,
    count: c_int,
    arguments: *const *const c_char,
) -> c_int {
    let count = usize::try_from(count).unwrap_or(0);
    let mut texts = Vec::new();
    for index in 0..count {
        // SAFETY: clause 1; the index is less than the count.
        let argument = unsafe { arguments.add(index) };
        // SAFETY: clause 1.
        let argument = unsafe { *argument };
        // SAFETY: clause 1; the text is copied before this function returns.
        texts.push(unsafe { CStr::from_ptr(argument) }.to_string_lossy());
    }
    let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    let Some(recorder) = Recorder::new(&texts) else {
        eprintln!("trace plugin: module=, out= and bytes= are needed, given were {texts:?}");
        return 1;
    };
    if RECORDER.set(Mutex::new(recorder)).is_err() {
        return 1;
    }
    // SAFETY: QEMU's own identity for this plugin; the callback is never unloaded.
    unsafe { qemu::qemu_plugin_register_vcpu_tb_trans_cb(id, translate) };
    // SAFETY: as above; there is no data.
    unsafe { qemu::qemu_plugin_register_atexit_cb(id, on_exit, ptr::null_mut()) };
    0
}
