//! The progress bar of a replay: drawn on standard error, and only where somebody can see it.

use indicatif::{ProgressBar, ProgressStyle};

use crate::source::Progress;

/// A bar over the bytes on disk, or a count where the size is unknown (standard input).
pub(super) fn bar(progress: &Progress) -> ProgressBar {
    // indicatif draws nothing when standard error is no terminal.
    let (bar, template) = match progress.total() {
        0 => (ProgressBar::new_spinner(), "{spinner} {bytes} read ({bytes_per_sec})"),
        total => {
            (ProgressBar::new(total), "{wide_bar} {percent} % of {total_bytes} ({bytes_per_sec}, {eta} left)")
        }
    };
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}
