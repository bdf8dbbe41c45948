//! The kernel's command line, as a run writes it.

use crate::options::{Fault, Size, name_of};

/// What a run asks of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandLine {
    /// Seed of everything random.
    pub(crate) seed: u64,
    /// Crash cycles.
    pub(crate) cycles: u32,
    /// Seconds that a processor may take for a job.
    pub(crate) patience: Option<u32>,
    /// Whether to run the small sizes.
    pub(crate) quick: bool,
    /// The parts of the job, all where empty.
    pub(crate) parts: String,
    /// What may be formatted.
    pub(crate) format: Permission,
    /// DRAM that stands in for persistent memory: size and address.
    pub(crate) emulate: Option<(Size, Size)>,
    /// A fault to commit.
    pub(crate) fault: Option<Fault>,
    /// Further words, which win over those before.
    pub(crate) further: Vec<String>,
}

/// What the kernel may format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    /// Nothing: the file was given by the user.
    None,
    /// Blank regions: the file was made by this run.
    Blank,
    /// What inspection has found in the user's file, and the user said may go: the
    /// words that permit it.
    Tokens(Vec<String>),
}

impl CommandLine {
    fn words(&self) -> Vec<String> {
        let mut words = vec![
            format!("seed={}", self.seed),
            format!("cycles={}", self.cycles),
        ];
        if let Some(seconds) = self.patience {
            words.push(format!("patience={seconds}"));
        }
        if self.quick {
            words.push("quick".into());
        }
        if !self.parts.is_empty() {
            words.push(format!("run={}", self.parts));
        }
        match &self.format {
            Permission::None => {}
            Permission::Blank => words.push("pmem.format=blank".into()),
            Permission::Tokens(tokens) => words.extend_from_slice(tokens),
        }
        if let Some((size, address)) = self.emulate {
            words.push(format!("pmem.emulate={size}@{address}"));
        }
        if let Some(fault) = self.fault {
            words.push(format!("break={}", name_of(&fault)));
        }
        words.extend_from_slice(&self.further);
        words
    }

    /// Nothing but a permission, to be filled in.
    pub(crate) fn nothing(format: Permission) -> Self {
        Self {
            seed: 0,
            cycles: 0,
            quick: false,
            parts: String::new(),
            format,
            patience: None,
            emulate: None,
            fault: None,
            further: Vec::new(),
        }
    }

    /// The words on one line.
    pub(crate) fn line(&self) -> String {
        self.words().join(" ")
    }

    /// The words as a file that a person can edit.
    pub(crate) fn text(&self) -> String {
        let words = self.words().join("\n");
        format!(
            "# What Perennial does, one word a line; `#` starts a comment.\n\
             # It names the words that it knows where it meets one that it does not.\n\
             {words}\n"
        )
    }
}

/// The stand-in for persistent memory in so much DRAM: an eighth of it, above
/// the first quarter, where neither firmware nor kernel lie.
pub(crate) fn stand_in(memory: Size) -> (Size, Size) {
    const HUGE_PAGE: u64 = 2 << 20;
    let part = |divisor: u64| {
        let bytes = memory.as_bytes() / divisor;
        Size::bytes(bytes - bytes % HUGE_PAGE)
    };
    (part(8), part(4))
}

#[cfg(test)]
mod tests {
    use options::{Options, Standing, Token};

    use super::*;

    const TOKEN: Token = Token {
        region: 1,
        digest: 2,
    };

    fn everything() -> CommandLine {
        CommandLine {
            seed: u64::MAX,
            cycles: 7,
            patience: Some(9),
            quick: true,
            parts: "crash,bench".into(),
            format: Permission::Tokens(vec![
                format!("pmem.format={TOKEN}"),
                "pmem.overwrite=gpt,ext4".into(),
            ]),
            emulate: Some(stand_in(Size::mib(2048))),
            fault: Some(Fault::Hang),
            further: vec!["powercut".into(), "seed=5".into()],
        }
    }

    #[test]
    fn the_kernel_understands_every_word() {
        let line = everything().line();
        let read = Options::parse(&line, |word| panic!("{word:?} in {line}"));
        assert_eq!((read.seed, read.cycles, read.quick), (5, 7, true));
        assert!(read.powercut);
        assert!(read.permits.contains(TOKEN) && read.permits.overwrite.contains("ext4"));
        assert_eq!(read.permits.standing, Standing::Nothing);
        assert_eq!(read.patience, 9);
        assert!(read.run.crash && read.run.bench && !read.run.selftest);
        assert_eq!(read.fault, options::Fault::Hang);
        assert!(read.emulate.is_some());
    }

    #[test]
    fn the_file_and_the_line_say_the_same() {
        let read = |text: &str| Options::parse(text, |word| panic!("{word:?} in {text}"));
        assert_eq!(read(&everything().text()), read(&everything().line()));
    }

    #[test]
    fn a_file_of_the_users_is_never_formatted_unasked() {
        let line = CommandLine {
            format: Permission::None,
            ..everything()
        }
        .line();
        let read = Options::parse(&line, |word| panic!("{word:?} in {line}"));
        assert_eq!(read.permits, options::Permits::default());
    }

    #[test]
    fn the_stand_in_of_the_default_machine_is_a_quarter_gibibyte() {
        let (size, address) = stand_in(Size::mib(2048));
        assert_eq!((size, address), (Size::mib(256), Size::mib(512)));
    }
}
