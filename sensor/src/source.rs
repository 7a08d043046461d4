//! Where frames come from: capture files of any kind, merged by time.

pub mod capture_file;
pub mod filter;
pub mod merge;
mod opened;
mod pcapng;
#[cfg(test)]
mod reading;
mod window;

pub use capture_file::{CaptureError, CaptureFile};
pub use merge::MergedFiles;
pub use opened::{Progress, open, unpacked};
