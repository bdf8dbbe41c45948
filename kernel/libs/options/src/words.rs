//! A text as a sequence of words.

/// Returns the words of `text` as key and, where there is a `=`, value.
pub(crate) fn words(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    // A byte order mark is what some editors put in front of a text file.
    text.trim_start_matches('\u{feff}')
        .lines()
        .map(|line| line.split('#').next().unwrap_or(""))
        // Firmware and loaders pad their buffers with NUL.
        .flat_map(|line| line.split(|c: char| c.is_whitespace() || c == '\0'))
        .filter(|word| !word.is_empty())
        .map(|word| match word.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (word, None),
        })
}
