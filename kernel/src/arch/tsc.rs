//! Time, from the processor's time stamp counter.
//!
//! The counter is the only clock fine enough for an allocation, and it is only
//! as good as what is known about it: its frequency, and whether it keeps it. The
//! frequency comes from the processor or its hypervisor; where they are silent,
//! it is measured against the interval timer that every PC has. Whether figures
//! mean anything is said apart.

use core::{
    arch::x86_64::{_mm_lfence, _rdtsc},
    fmt, hint,
    sync::atomic::{Ordering, fence},
    time::Duration,
};

use raw_cpuid::{CpuId, Hypervisor};

use super::port::{in8, out8};

/// Frequency of the interval timer in Hz (8254, channel 2).
const PIT_HZ: u64 = 1_193_182;
/// Counts of one measurement, 20 ms.
const PIT_COUNTS: u16 = 23_864;
/// The port of the interval timer's channel 2, and the one that commands it.
const PIT_CHANNEL_2: u16 = 0x42;
const PIT_COMMAND: u16 = 0x43;
/// Speaker control: bit 0 gates channel 2, bit 5 is its output.
const SPEAKER: u16 = 0x61;
/// What is assumed where nothing answers: too fast rather than too slow, so that
/// waits are long enough.
const FALLBACK_HZ: u64 = 5_000_000_000;
/// Ticks after which a measurement is given up: more than a second.
const GIVE_UP_TICKS: u64 = 10_000_000_000;

/// Returns the time stamp counter.
pub(crate) fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has the instruction, and it touches no
    // memory.
    unsafe { _rdtsc() }
}

/// As [`ticks`], after all earlier memory accesses and before all later ones.
pub(crate) fn ticks_fenced() -> u64 {
    // Stores wait in a buffer that LFENCE does not empty (Intel SDM vol. 2B,
    // RDTSC: MFENCE and LFENCE around it).
    fence(Ordering::SeqCst);
    lfence();
    let now = ticks();
    lfence();
    now
}

/// Lets no later instruction begin before all earlier ones are complete.
pub(super) fn lfence() {
    // SAFETY: every x86-64 processor has SSE2.
    unsafe { _mm_lfence() };
}

/// The time stamp counter, and what is known about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    hz: u64,
    source: Source,
    invariant: bool,
    emulated: bool,
}

/// Where the frequency comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The processor states it (CPUID 15h, 16h).
    Processor,
    /// The hypervisor states it (CPUID 40000010h).
    Hypervisor,
    /// Measured against the interval timer.
    Measured,
    /// Nothing answered.
    Assumed,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Processor => "stated by the processor",
            Self::Hypervisor => "stated by the hypervisor",
            Self::Measured => "measured",
            Self::Assumed => "assumed",
        })
    }
}

impl Clock {
    /// Finds out about the counter.
    pub(crate) fn find() -> Self {
        let cpuid = CpuId::new();
        let (hz, source) = stated(&cpuid)
            .or_else(|| measure().map(|hz| (hz, Source::Measured)))
            .unwrap_or((FALLBACK_HZ, Source::Assumed));
        Self {
            hz,
            source,
            invariant: cpuid
                .get_advanced_power_mgmt_info()
                .is_some_and(|info| info.has_invariant_tsc()),
            emulated: cpuid
                .get_hypervisor_info()
                .is_some_and(|info| info.identify() == Hypervisor::QEMU),
        }
    }

    /// Returns ticks in a second, or 0 if that is only assumed.
    pub(crate) fn hz(&self) -> u64 {
        match self.source {
            Source::Assumed => 0,
            _ => self.hz,
        }
    }

    /// Returns whether times are more than functional.
    pub(crate) fn is_trustworthy(&self) -> bool {
        self.invariant && !self.emulated && self.source != Source::Assumed
    }

    /// Returns the number of ticks that `span` takes.
    pub(crate) fn ticks_in(&self, span: Duration) -> u64 {
        let ticks = span.as_nanos() * u128::from(self.hz) / 1_000_000_000;
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    /// Returns how long `ticks` take, in microseconds.
    pub(crate) fn micros(&self, ticks: u64) -> u64 {
        let micros = u128::from(ticks) * 1_000_000 / u128::from(self.hz.max(1));
        u64::try_from(micros).unwrap_or(u64::MAX)
    }

    /// Spins for `span`.
    pub(crate) fn wait(&self, span: Duration) {
        self.wait_until(span, || false);
    }

    /// Spins until `arrived` or until `span` has passed; returns the last answer
    /// of `arrived`.
    pub(crate) fn wait_until(&self, span: Duration, mut arrived: impl FnMut() -> bool) -> bool {
        let (start, bound) = (ticks(), self.ticks_in(span));
        loop {
            if arrived() {
                return true;
            }
            if ticks().wrapping_sub(start) >= bound {
                return arrived();
            }
            hint::spin_loop();
        }
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mhz, khz) = (self.hz / 1_000_000, self.hz / 1000 % 1000);
        let invariant = if self.invariant {
            "invariant"
        } else {
            "not invariant"
        };
        let meaning = if self.is_trustworthy() {
            "times count"
        } else {
            "times are functional only"
        };
        write!(
            f,
            "{mhz}.{khz:03} MHz {}, {invariant}: {meaning}",
            self.source
        )
    }
}

fn stated(cpuid: &CpuId<raw_cpuid::CpuIdReaderNative>) -> Option<(u64, Source)> {
    let crystal = cpuid
        .get_tsc_info()
        .and_then(|info| info.tsc_frequency())
        .filter(|hz| *hz > 0);
    let base = || {
        // The base frequency is that of the counter only where leaf 15h exists,
        // without a crystal frequency (Intel SDM vol. 3B, 18.7.3).
        let ratio = cpuid.get_tsc_info()?;
        let exists = ratio.numerator() > 0 && ratio.denominator() > 0;
        let mhz = cpuid
            .get_processor_frequency_info()?
            .processor_base_frequency();
        (exists && mhz > 0).then(|| u64::from(mhz) * 1_000_000)
    };
    let hypervisor = || {
        let khz = cpuid.get_hypervisor_info()?.tsc_frequency()?;
        (khz > 0).then(|| (u64::from(khz) * 1000, Source::Hypervisor))
    };
    crystal
        .or_else(base)
        .map(|hz| (hz, Source::Processor))
        .or_else(hypervisor)
}

/// What one measurement found.
struct Measured {
    hz: u64,
    /// Ticks between the last look before an edge and the first one after it.
    uncertain_ticks: u64,
}

/// Measures a few times and believes the result that is least uncertain: an
/// interruption, by firmware or by a hypervisor, shows at the edges.
fn measure() -> Option<u64> {
    const TRIES: usize = 3;
    let tries = (0..TRIES).map_while(|_| measure_once());
    let best = tries.min_by_key(|measured| measured.uncertain_ticks)?;
    Some(best.hz)
}

/// Counts ticks while the interval timer's channel 2 runs down once.
fn measure_once() -> Option<Measured> {
    const OUTPUT: u8 = 1 << 5;
    const GATE: u8 = 1 << 0;
    const LOUD: u8 = 1 << 1;
    /// Channel 2, low byte then high byte, interrupt on terminal count, binary.
    const ONE_SHOT: u8 = 0b1011_0000;

    let [low, high] = PIT_COUNTS.to_le_bytes();
    // SAFETY: the speaker port has no effect on memory.
    let speaker = unsafe { in8(SPEAKER) };
    let set_up = [
        (SPEAKER, (speaker & !LOUD) | GATE),
        (PIT_COMMAND, ONE_SHOT),
        (PIT_CHANNEL_2, low),
    ];
    for (port, value) in set_up {
        // SAFETY: the gate and channel 2 drive only the speaker, which is silent.
        unsafe { out8(port, value) };
    }
    let before_start = ticks();
    // SAFETY: as above; the second byte starts the count.
    unsafe { out8(PIT_CHANNEL_2, high) };
    let start = ticks();
    let mut before_end = start;
    let end = loop {
        // SAFETY: as above.
        let done = unsafe { in8(SPEAKER) } & OUTPUT != 0;
        let now = ticks();
        if done {
            break now;
        }
        if now.wrapping_sub(start) > GIVE_UP_TICKS {
            return None;
        }
        before_end = now;
    };
    // SAFETY: as above; this restores what was there.
    unsafe { out8(SPEAKER, speaker) };
    let passed = u128::from(end.wrapping_sub(start));
    let hz = passed * u128::from(PIT_HZ) / u128::from(PIT_COUNTS);
    Some(Measured {
        hz: u64::try_from(hz).ok().filter(|hz| *hz > 1_000_000)?,
        uncertain_ticks: (start.wrapping_sub(before_start)) + end.wrapping_sub(before_end),
    })
}
