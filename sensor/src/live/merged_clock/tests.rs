//! Clocks of several rings in one: skews, steps and stragglers.
