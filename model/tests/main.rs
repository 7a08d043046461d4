//! The model held against other people's implementations (`oracle`) and against its own promises (`promise`).

mod oracle;
mod promise;
