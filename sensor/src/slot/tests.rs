//! The slot: what is loaded, what is kept, what is freed where.
