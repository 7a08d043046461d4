//! How a step ends well: the outcomes that a workflow branches on, their exit codes, and `--outcome-file`.

use crate::failure::{Failure, write_file};
use std::path::Path;
use std::process::ExitCode;

/// What came of a step. Faults are [`Failure`]s; these are answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// The step did what it is for.
    Done,
    /// There is nothing to retrain for.
    NoDrift,
    /// People have labelled too little to judge or to learn by.
    TooFewLabels,
    /// A retrain has succeeded a short while ago.
    CoolingDown,
    /// The new model is not better, or a check of its data fails.
    Refused,
}

impl Outcome {
    /// The word in `--outcome-file` and in JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::NoDrift => "no-drift",
            Outcome::TooFewLabels => "too-few-labels",
            Outcome::CoolingDown => "cooling-down",
            Outcome::Refused => "refused",
        }
    }

    /// The exit code when no outcome file is asked for.
    pub(crate) fn code(self) -> u8 {
        match self {
            Outcome::Done => 0,
            Outcome::NoDrift => 10,
            Outcome::TooFewLabels => 11,
            Outcome::CoolingDown => 12,
            Outcome::Refused => 13,
        }
    }

    /// Writes the word to the outcome file and succeeds, or tells by the exit code.
    pub(crate) fn tell(self, file: Option<&Path>) -> Result<ExitCode, Failure> {
        let Some(file) = file else { return Ok(ExitCode::from(self.code())) };
        write_file(file, format!("{}\n", self.as_str()).as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}
