//! Loads and runs model files; applies transforms. Knows tensors and files, nothing of releases.
