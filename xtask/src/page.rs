//! Parts of the documentation that programs write.
//!
//! A figure that somebody has typed is one that nobody can trust. Tables of what
//! was measured lie between two comments, which name the command that writes them.

use std::fs;

use anyhow::{Context as _, Result};

use crate::workspace;

/// A part of a page.
pub(crate) struct Part {
    /// Its name on the page.
    pub(crate) name: &'static str,
    /// The command that writes it.
    pub(crate) command: &'static str,
}

/// The page that has all of them.
const PAGE: &str = "docs/reliability.md";

impl Part {
    /// Puts `text` where the page has this part.
    ///
    /// # Errors
    ///
    /// Returns an error where the page has no such part or can't be written.
    pub(crate) fn write(&self, text: &str) -> Result<()> {
        let path = workspace::root().join(PAGE);
        let page = fs::read_to_string(&path).with_context(|| format!("cannot read {PAGE}"))?;
        let page = self.replaced(&page, text)?;
        fs::write(&path, page).with_context(|| format!("cannot write {PAGE}"))
    }

    fn replaced(&self, page: &str, text: &str) -> Result<String> {
        let (begin, end) = self.marks();
        let missing = |mark: &str| format!("{PAGE} has no {mark}");
        let (before, rest) = page.split_once(&begin).with_context(|| missing(&begin))?;
        let (_, after) = rest.split_once(&end).with_context(|| missing(&end))?;
        Ok(format!(
            "{before}{begin}\n{}\n{end}{after}",
            text.trim_end()
        ))
    }

    fn marks(&self) -> (String, String) {
        let Self { name, command } = self;
        (
            format!("<!-- {name}: written by `{command}` -->"),
            format!("<!-- end of {name} -->"),
        )
    }

    /// Whether the page has this part.
    #[cfg(test)]
    pub(crate) fn exists(&self) -> bool {
        let page = fs::read_to_string(workspace::root().join(PAGE)).expect("the page exists");
        self.replaced(&page, "").is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PART: Part = Part {
        name: "sums",
        command: "add",
    };

    #[test]
    fn a_part_is_replaced_and_nothing_else() {
        let page = "a\n<!-- sums: written by `add` -->\nold\n<!-- end of sums -->\nb\n";
        let new = PART.replaced(page, "new\n").expect("the page has the part");
        assert_eq!(new, page.replace("old", "new"));
    }

    #[test]
    fn a_page_without_the_part_is_an_error() {
        assert!(
            PART.replaced("<!-- sums: written by `add` -->", "")
                .is_err()
        );
        assert!(!PART.exists());
    }
}
