//! Commands as a person would type them.

use std::process::Command;

/// Returns `command` as one line for a shell, quoted where it must be.
pub(crate) fn line(command: &Command) -> String {
    words(command).join(" ")
}

/// Returns `command` for a shell with one option a line.
pub(crate) fn lines(command: &Command) -> String {
    let mut text = String::new();
    for word in words(command) {
        match word.starts_with('-') {
            true => text.push_str(" \\\n    "),
            false if text.is_empty() => {}
            false => text.push(' '),
        }
        text.push_str(&word);
    }
    text
}

fn words(command: &Command) -> Vec<String> {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| quoted(&word.to_string_lossy()))
        .collect()
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=.,:/+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_blanks_and_quotes_are_quoted() {
        let mut command = Command::new("qemu");
        command.args(["-append", "seed=1 quick", "it's", ""]);
        assert_eq!(line(&command), r"qemu -append 'seed=1 quick' 'it'\''s' ''");
    }

    #[test]
    fn every_option_has_a_line_of_its_own() {
        let mut command = Command::new("qemu");
        command.args(["-m", "2G", "-no-user-config"]);
        assert_eq!(
            lines(&command),
            "qemu \\\n    -m 2G \\\n    -no-user-config"
        );
    }
}
