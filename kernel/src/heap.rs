//! The heap: text, lists and boxes of the kernel itself.
//!
//! Nothing that is measured lives here. It starts in the kernel's image, since
//! reading firmware tables takes memory before it is known where memory is; once
//! the DRAM zones are open, a second part grows in addresses of its own, frame by
//! frame. What was allocated in one part is freed in it, told apart by address.
//!
//! Interrupt handlers must not allocate: they may have interrupted an
//! allocation.

use core::{
    alloc::{GlobalAlloc, Layout},
    ptr::{self, NonNull},
};

use linked_list_allocator::Heap;
use spin::{Mutex, MutexGuard};
use x86_64::VirtAddr;

use crate::mem::{MapError, Mapper};

/// Bytes of the part in the image.
const EARLY_BYTES: usize = 2 << 20;
/// Addresses that the grown part may take.
const RESERVED_BYTES: u64 = 64 << 30;

/// How often a processor tries to lock the heap: for seconds.
const POLLS: u32 = 500_000_000;

static mut EARLY: [u8; EARLY_BYTES] = [0; EARLY_BYTES];

#[global_allocator]
static HEAP: KernelHeap = KernelHeap(Mutex::new(Parts {
    early: Heap::empty(),
    grown: Heap::empty(),
    reserved: None,
}));

struct KernelHeap(Mutex<Parts>);

impl KernelHeap {
    /// Locks the heap.
    ///
    /// # Panics
    ///
    /// Panics if a processor never lets it go: it has stopped answering in the
    /// middle of a change, and what it leaves can't be trusted.
    fn parts(&self) -> MutexGuard<'_, Parts> {
        let attempt = |_| {
            let parts = self.0.try_lock();
            if parts.is_none() {
                core::hint::spin_loop();
            }
            parts
        };
        match (0..POLLS).find_map(attempt) {
            Some(parts) => parts,
            None => panic!("the heap is held by a processor that does not answer"),
        }
    }
}

struct Parts {
    early: Heap,
    grown: Heap,
    reserved: Option<VirtAddr>,
}

/// Starts the heap; there is none before.
///
/// # Safety
///
/// 1. Called once, before anything allocates.
pub(crate) unsafe fn start() {
    let bottom = (&raw mut EARLY).cast();
    let mut parts = HEAP.parts();
    // SAFETY: the array is writable, lives for ever, and by clause 1 nothing but
    // this heap uses it.
    unsafe { parts.early.init(bottom, EARLY_BYTES) };
}

/// Lets the heap grow by `len_bytes`, a multiple of 4 KiB, with frames of the
/// DRAM zones.
///
/// # Errors
///
/// Returns [`MapError`]; the heap is then as large as before.
pub(crate) fn grow(mapper: &mut Mapper<'_>, len_bytes: u64) -> Result<(), MapError> {
    let mut parts = HEAP.parts();
    let start = match parts.reserved {
        Some(start) => start,
        None => *parts.reserved.insert(mapper.reserve(RESERVED_BYTES)?),
    };
    let old_bytes = parts.grown.size();
    if old_bytes as u64 + len_bytes > RESERVED_BYTES {
        return Err(MapError::OutOfAddresses { len_bytes });
    }
    let top = start + old_bytes as u64;
    // SAFETY: reserved above and used for nothing else; only what lies below
    // `top` is mapped.
    unsafe { mapper.fill(top, len_bytes)? };
    let len_bytes = crate::arch::to_usize(len_bytes);
    if old_bytes == 0 {
        // SAFETY: just mapped, for ever, for this heap alone.
        unsafe { parts.grown.init(start.as_mut_ptr(), len_bytes) };
    } else {
        // SAFETY: the bytes from `top` are just mapped, for this heap alone.
        unsafe { parts.grown.extend(len_bytes) };
    }
    Ok(())
}

/// Returns how many bytes are in use and how many there are.
pub(crate) fn usage() -> (usize, usize) {
    let parts = HEAP.parts();
    (
        parts.early.used() + parts.grown.used(),
        parts.early.size() + parts.grown.size(),
    )
}

// SAFETY: both parts hand out distinct memory that fits the layout (their own
// contract), under one lock, and take back only what they handed out.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut parts = self.parts();
        let grown = parts.grown.allocate_first_fit(layout);
        grown
            .or_else(|()| parts.early.allocate_first_fit(layout))
            .map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let Some(block) = NonNull::new(pointer) else {
            return;
        };
        let mut parts = self.parts();
        let is_early = (parts.early.bottom()..parts.early.top()).contains(&pointer);
        let part = if is_early {
            &mut parts.early
        } else {
            &mut parts.grown
        };
        // SAFETY: the caller returns a block that `alloc` took from this part
        // with the same layout.
        unsafe { part.deallocate(block, layout) };
    }
}
