//! One type for zones of all persistence domains.
//!
//! In Rust the domain is a type, so that what it does not need is not even
//! compiled. C chooses it at run time: here each domain keeps its own code, and a
//! call branches once, the same way every time.

use llfree::{Local, Zone};
#[cfg(target_arch = "x86_64")]
use persist::Adr;
use persist::{Eadr, Volatile};

/// A zone of some domain, in memory that is lent for as long as it exists.
pub(crate) enum AnyZone {
    Volatile(Zone<'static, Volatile>),
    Eadr(Zone<'static, Eadr>),
    #[cfg(target_arch = "x86_64")]
    Adr(Zone<'static, Adr>),
}

/// A handle on an [`AnyZone`].
pub(crate) enum AnyLocal {
    Volatile(Local<'static, 'static, Volatile>),
    Eadr(Local<'static, 'static, Eadr>),
    #[cfg(target_arch = "x86_64")]
    Adr(Local<'static, 'static, Adr>),
}

// What the obligations of the C functions rely on: zones are shared by processors,
// handles may be opened on one and used on another.
const _: () = {
    const fn shared<T: Sync>() {}
    const fn sent<T: Send>() {}
    shared::<AnyZone>();
    sent::<AnyLocal>();
};

/// Evaluates an expression with what is inside an [`AnyZone`] or [`AnyLocal`],
/// whatever its domain.
macro_rules! inside {
    ($kind:ident, $any:expr, $name:ident => $body:expr) => {
        match $any {
            $kind::Volatile($name) => $body,
            $kind::Eadr($name) => $body,
            #[cfg(target_arch = "x86_64")]
            $kind::Adr($name) => $body,
        }
    };
}

pub(crate) use inside;

impl AnyZone {
    /// Returns the handle of a processor.
    pub(crate) fn local(&'static self, cpu: usize) -> Result<AnyLocal, llfree::LocalError> {
        match self {
            Self::Volatile(zone) => zone.local(cpu).map(AnyLocal::Volatile),
            Self::Eadr(zone) => zone.local(cpu).map(AnyLocal::Eadr),
            #[cfg(target_arch = "x86_64")]
            Self::Adr(zone) => zone.local(cpu).map(AnyLocal::Adr),
        }
    }
}
