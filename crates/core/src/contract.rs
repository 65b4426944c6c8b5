//! (owned by its part)
