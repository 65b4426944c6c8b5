//! Runs pipelines: graph execution, DVC-compatible cache and lock, environments.
