//! The only module that calls the firmware.
//!
//! Firmware runs timer interrupts on the caller's stack. The loader is compiled
//! without a red zone, but the precompiled `core` is not, so interrupts are on
//! only while the firmware itself runs: every call goes through [`call`], and
//! whatever closes a file or a protocol is dropped inside it.

use core::fmt::{self, Write as _};
use core::slice;
use core::time::Duration;

use boot::load::Screen;
use boot::regions::{self, KEPT, Map};
use boot::{PAGE_SIZE, pages, serial};
use bootloader_api::info::{FrameBufferInfo, PixelFormat};
use frame::{PhysAddr, PhysRange};
use uefi::boot::{AllocateType, MemoryType, OpenProtocolAttributes, OpenProtocolParams};
use uefi::mem::memory_map::{MemoryMap, MemoryMapOwned};
use uefi::proto::console::gop::{self, GraphicsOutput};
use uefi::proto::media::file::{File as _, FileAttribute, FileMode, RegularFile};
use uefi::runtime::VariableVendor;
use uefi::table::cfg::ConfigTableEntry;
use uefi::{CStr16, Status, cstr16};
use x86_64::instructions::interrupts;

use crate::error::BootError;

/// Processors that start in real mode reach their page tables by 32 bits.
const LOW: u64 = (4 << 30) - 1;

/// How long an error stays on the screen before the firmware goes on.
const READING_TIME: Duration = Duration::from_secs(5);

/// The firmware's boot services, while they exist.
pub(crate) struct Firmware(());

/// Memory that outlives the loader: pages that begin with `len` bytes of interest.
pub(crate) struct Kept {
    pages: &'static mut [u8],
    len: usize,
}

/// The state of Secure Boot, for the reader of the console.
pub(crate) struct SecureBoot {
    enforced: Option<bool>,
    setup_mode: Option<bool>,
}

/// Runs one or more firmware calls with interrupts on.
fn call<R>(services: impl FnOnce() -> R) -> R {
    interrupts::enable();
    let result = services();
    interrupts::disable();
    result
}

impl Firmware {
    /// Begins to use the boot services; they exist when an application is entered.
    pub(crate) fn enter() -> Self {
        interrupts::disable();
        Self(())
    }

    /// Returns to the firmware once the error could be read.
    pub(crate) fn leave(self) -> Status {
        call(|| uefi::boot::stall(READING_TIME));
        interrupts::enable();
        Status::LOAD_ERROR
    }

    /// Writes a line to the console.
    pub(crate) fn say(&self, text: fmt::Arguments<'_>) {
        call(|| {
            uefi::system::with_stdout(|stdout| {
                // Nowhere is left to complain about a console that does not work.
                let _ = stdout.write_fmt(format_args!("{text}\n"));
            });
        });
    }

    /// Writes an error to the console, and to the serial port: it may be the only
    /// one that anybody watches. Where the two are the same, it appears twice.
    pub(crate) fn complain(&self, error: &BootError) {
        serial::line(format_args!("boot: {error}"));
        self.say(format_args!("boot: {error}"));
    }

    /// Keeps the firmware from resetting a machine that boots for five minutes.
    pub(crate) fn disable_watchdog(&self) {
        // Firmware without a watchdog refuses, and is right.
        let _ = call(|| uefi::boot::set_watchdog_timer(0, 0x1_0000, None));
    }

    /// Returns what the firmware's variables say about Secure Boot.
    pub(crate) fn secure_boot(&self) -> SecureBoot {
        SecureBoot {
            enforced: flag(cstr16!("SecureBoot")),
            setup_mode: flag(cstr16!("SetupMode")),
        }
    }

    /// Reads a file from the volume that the loader came from, or `None` if there
    /// is no such file.
    pub(crate) fn read(&self, path: &'static CStr16) -> Result<Option<Kept>, BootError> {
        call(|| match open(path) {
            Ok(mut file) => read_all(&mut file).map(Some),
            Err(error) if error.status() == Status::NOT_FOUND => Ok(None),
            Err(error) => Err(error.status()),
        })
        .map_err(|status| BootError::File { path, status })
    }

    /// Returns memory below 4 GiB for what the kernel starts with.
    pub(crate) fn allocate_low(&self, len_bytes: u64) -> Result<Kept, BootError> {
        call(|| allocate(AllocateType::MaxAddress(LOW), len_bytes)).map_err(|status| {
            BootError::Firmware {
                service: "memory below 4 GiB for the kernel",
                status,
            }
        })
    }

    /// Returns the framebuffer, if there is one whose pixels can be written.
    pub(crate) fn screen(&self) -> Option<Screen> {
        call(|| {
            let handle = uefi::boot::get_handle_for_protocol::<GraphicsOutput>().ok()?;
            let params = OpenProtocolParams {
                handle,
                agent: uefi::boot::image_handle(),
                controller: None,
            };
            // SAFETY: the protocol is only asked for its current mode; nobody
            // removes it meanwhile. An exclusive opening would take the screen
            // away from the console.
            let gop = unsafe {
                uefi::boot::open_protocol::<GraphicsOutput>(
                    params,
                    OpenProtocolAttributes::GetProtocol,
                )
            };
            screen(&mut *gop.ok()?)
        })
    }

    /// Returns the address of the ACPI root pointer, the newer one if there are two.
    pub(crate) fn rsdp(&self) -> Option<PhysAddr> {
        uefi::system::with_config_table(|tables| {
            [ConfigTableEntry::ACPI2_GUID, ConfigTableEntry::ACPI_GUID]
                .iter()
                .find_map(|guid| tables.iter().find(|table| table.guid == *guid))
                .map(|table| PhysAddr(table.address.addr() as u64))
        })
    }

    /// Returns the memory map as it is now.
    pub(crate) fn memory_map(&self) -> Result<Map, BootError> {
        call(|| {
            let descriptors = uefi::boot::memory_map(MemoryType::LOADER_DATA).map_err(|error| {
                BootError::Firmware {
                    service: "memory map",
                    status: error.status(),
                }
            })?;
            convert(&descriptors)
        })
    }

    /// Ends the boot services and returns the final memory map. If the map changes
    /// while the firmware is leaving, it is asked again.
    pub(crate) fn exit(self) -> Result<Map, BootError> {
        let descriptors = call(|| {
            // SAFETY: everything obtained from the boot services is closed, save
            // for memory that the map says is kept; `self` can not be used again.
            unsafe { uefi::boot::exit_boot_services(Some(MemoryType::LOADER_DATA)) }
        });
        convert(&descriptors)
    }
}

fn convert(descriptors: &MemoryMapOwned) -> Result<Map, BootError> {
    let mut map = Map::default();
    for descriptor in descriptors.entries() {
        let len_bytes = descriptor.page_count.saturating_mul(PAGE_SIZE);
        let kind = regions::kind_of_uefi(descriptor.ty.0, descriptor.att.bits());
        map.report(descriptor.phys_start, len_bytes, kind)?;
    }
    Ok(map)
}

fn open(path: &CStr16) -> uefi::Result<RegularFile> {
    let mut volume = uefi::boot::get_image_file_system(uefi::boot::image_handle())?;
    let file = volume
        .open_volume()?
        .open(path, FileMode::Read, FileAttribute::empty())?;
    file.into_regular_file().ok_or(Status::NOT_FOUND.into())
}

fn read_all(file: &mut RegularFile) -> Result<Kept, Status> {
    let status = |error: uefi::Error| error.status();
    file.set_position(RegularFile::END_OF_FILE)
        .map_err(status)?;
    let len_bytes = file.get_position().map_err(status)?;
    file.set_position(0).map_err(status)?;
    let kept = allocate(AllocateType::AnyPages, len_bytes)?;
    let mut done = 0;
    while done < kept.len {
        match file.read(&mut kept.pages[done..kept.len]).map_err(status)? {
            0 => return Err(Status::END_OF_FILE),
            more => done += more,
        }
    }
    Ok(kept)
}

fn allocate(place: AllocateType, len_bytes: u64) -> Result<Kept, Status> {
    let len = usize::try_from(len_bytes).map_err(|_| Status::OUT_OF_RESOURCES)?;
    // Not none: an empty file still has an address.
    let count = usize::try_from(pages(len_bytes).max(1)).map_err(|_| Status::OUT_OF_RESOURCES)?;
    let start = uefi::boot::allocate_pages(place, MemoryType::custom(KEPT), count)
        .map_err(|error| error.status())?;
    let bytes = count * frame::FRAME_SIZE;
    // SAFETY: whole pages that are ours alone from now on, writable and mapped at
    // their physical address (UEFI 2.10, 2.3.4).
    unsafe { start.write_bytes(0, bytes) };
    // SAFETY: as above, and now initialised. They are never given back.
    let pages = unsafe { slice::from_raw_parts_mut(start.as_ptr(), bytes) };
    Ok(Kept { pages, len })
}

fn screen(gop: &mut GraphicsOutput) -> Option<Screen> {
    let mode = gop.current_mode_info();
    let pixel_format = match mode.pixel_format() {
        gop::PixelFormat::Rgb => PixelFormat::Rgb,
        gop::PixelFormat::Bgr => PixelFormat::Bgr,
        gop::PixelFormat::Bitmask => unusual(mode.pixel_bitmask()?),
        gop::PixelFormat::BltOnly => return None,
    };
    let (width, height) = mode.resolution();
    let mut pixels = gop.frame_buffer();
    Some(Screen {
        start: PhysAddr(pixels.as_mut_ptr().addr() as u64),
        info: FrameBufferInfo {
            byte_len: pixels.size(),
            width,
            height,
            pixel_format,
            // In every format that UEFI has (UEFI 2.10, 12.9.2).
            bytes_per_pixel: 4,
            stride: mode.stride(),
        },
    })
}

fn unusual(mask: gop::PixelBitmask) -> PixelFormat {
    // At most 32, which the mask of an absent colour gives.
    let position = |mask: u32| mask.trailing_zeros().try_into().unwrap_or(u8::MAX);
    PixelFormat::Unknown {
        red_position: position(mask.red),
        green_position: position(mask.green),
        blue_position: position(mask.blue),
    }
}

/// Returns a variable that holds one byte, zero or one.
fn flag(name: &CStr16) -> Option<bool> {
    let mut buffer = [0];
    let vendor = VariableVendor::GLOBAL_VARIABLE;
    let value = call(|| uefi::runtime::get_variable(name, &vendor, &mut buffer).map(|_| ()));
    value.ok().map(|()| buffer[0] == 1)
}

impl Kept {
    /// Returns the bytes of interest.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.pages[..self.len]
    }

    /// Returns where the bytes of interest are.
    pub(crate) fn range(&self) -> PhysRange {
        let start = PhysAddr(self.pages.as_ptr().addr() as u64);
        PhysRange::new(start, self.len as u64).unwrap_or_default()
    }

    /// Gives the whole pages away, for good.
    pub(crate) fn into_bytes(self) -> &'static mut [u8] {
        self.pages
    }
}

impl fmt::Display for SecureBoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |flag| match flag {
            Some(true) => "on",
            Some(false) => "off",
            None => "unknown",
        };
        let (enforced, setup_mode) = (word(self.enforced), word(self.setup_mode));
        write!(f, "secure boot {enforced}, setup mode {setup_mode}")
    }
}
