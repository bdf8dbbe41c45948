//! Mistakes made on purpose: a fuzzer that does not find them finds nothing.

use crate::Target;

/// A panic behind four bytes that have to be found one after the other.
pub(crate) const PANICS: Target = Target {
    name: "control-panic",
    control: true,
    max_len: 64,
    run: panics,
    seeds: Vec::new,
};

/// A loop that never ends, behind two bytes.
pub(crate) const HANGS: Target = Target {
    name: "control-hang",
    control: true,
    max_len: 64,
    run: hangs,
    seeds: Vec::new,
};

/// One comparison after the other, as parsers have them.
fn panics(data: &[u8]) {
    if data.first() == Some(&b'N')
        && data.get(1) == Some(&b'F')
        && data.get(2) == Some(&b'I')
        && data.get(3) == Some(&b'T')
    {
        panic!("the planted panic");
    }
}

fn hangs(data: &[u8]) {
    if let [b'0', 0xff, ..] = data {
        loop {
            std::hint::spin_loop();
        }
    }
}
