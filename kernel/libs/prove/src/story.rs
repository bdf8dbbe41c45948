//! What happened in a run, for the reader of a fault.

use std::cell::RefCell;

thread_local! {
    static STORY: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Starts to write down what happens on this thread of the host.
pub(crate) fn begin() {
    STORY.set(Some(Vec::new()));
}

/// Returns what has happened since, and stops writing.
pub(crate) fn end() -> Vec<String> {
    STORY.take().unwrap_or_default()
}

/// Writes something down, if somebody wants to know.
pub(crate) fn tell(line: impl FnOnce() -> String) {
    STORY.with_borrow_mut(|story| {
        if let Some(story) = story {
            story.push(line());
        }
    });
}
