//! Permission to format, as it is typed.
//!
//! A word that permitted to format in general would still be there when the
//! memory holds something else. So permission is a token: it names one region, and
//! carries a digest of what was seen there when the token was printed.

use core::fmt;

/// Most tokens on a command line.
pub const MOST_TOKENS: usize = 16;
/// Most bytes of names: enough for all that there are.
pub const NAME_BYTES: usize = 512;

/// Why a word that would permit something is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// It is not written as it should be.
    Unreadable,
    /// It is, but no more are kept.
    NoRoom,
}

/// What permits to format one region, for as long as it holds what it held.
///
/// Written as two hexadecimal numbers of 16 digits with a `-` in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Identity of the region.
    pub region: u64,
    /// Digest of what was seen there.
    pub digest: u64,
}

impl Token {
    /// Reads a token exactly as it is written.
    pub fn parse(text: &str) -> Option<Self> {
        let (region, digest) = text.split_once('-')?;
        Some(Self {
            region: hex16(region)?,
            digest: hex16(digest)?,
        })
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:016x}", self.region, self.digest)
    }
}

fn hex16(text: &str) -> Option<u64> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (text.len() == 16 && is_hex).then(|| u64::from_str_radix(text, 16).ok())?
}

/// What may be formatted on machines whose persistent memory is scratch, such as
/// virtual machines on files made for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Nothing.
    #[default]
    Nothing,
    /// What is blank, or was left unfinished by us (`pmem.format=blank`).
    Blank,
    /// Also data of others in which no mark is known by name (`pmem.format=any`).
    Any,
}

/// What may be formatted. A region that is ready and ours never is: it is
/// recovered, whatever the command line says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permits {
    tokens: [Option<Token>; MOST_TOKENS],
    /// What may be formatted without a token.
    pub standing: Standing,
    /// Foreign marks that may be overwritten, in addition to a token.
    pub overwrite: Names,
}

impl Permits {
    /// Returns whether the token is among them.
    pub fn contains(&self, token: Token) -> bool {
        self.tokens.contains(&Some(token))
    }

    /// Returns whether there is any token for a region, valid or not.
    pub fn speaks_of(&self, region: u64) -> bool {
        let mut tokens = self.tokens.iter().flatten();
        tokens.any(|token| token.region == region)
    }

    /// Adds what a word says: a token, a standing permission, or `none`, which takes
    /// all of them back.
    ///
    /// # Errors
    ///
    /// Returns [`Rejected`] if it is none of them, or one token too many.
    pub(crate) fn add(&mut self, value: Option<&str>) -> Result<(), Rejected> {
        match value.ok_or(Rejected::Unreadable)? {
            "none" => {
                self.tokens = [None; MOST_TOKENS];
                self.standing = Standing::Nothing;
            }
            "blank" => self.standing = Standing::Blank,
            "any" => self.standing = Standing::Any,
            token => {
                let token = Token::parse(token).ok_or(Rejected::Unreadable)?;
                let free = self.tokens.iter_mut().find(|slot| slot.is_none());
                *free.ok_or(Rejected::NoRoom)? = Some(token);
            }
        }
        Ok(())
    }
}

/// Some names, separated by commas.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Names {
    bytes: [u8; NAME_BYTES],
    len: usize,
}

impl Names {
    /// Returns whether a name is among them.
    pub fn contains(&self, name: &str) -> bool {
        self.as_str().split(',').any(|known| known == name)
    }

    fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.len]).unwrap_or("")
    }

    /// Reads names.
    ///
    /// # Errors
    ///
    /// Returns [`Rejected`] if there are none, or more than [`NAME_BYTES`] of them.
    pub(crate) fn named(value: Option<&str>) -> Result<Self, Rejected> {
        let value = value.filter(|value| !value.is_empty());
        let value = value.ok_or(Rejected::Unreadable)?;
        let mut names = Self::default();
        let room = names.bytes.get_mut(..value.len());
        room.ok_or(Rejected::NoRoom)?
            .copy_from_slice(value.as_bytes());
        names.len = value.len();
        Ok(names)
    }
}

impl Default for Names {
    fn default() -> Self {
        Self {
            bytes: [0; NAME_BYTES],
            len: 0,
        }
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}
