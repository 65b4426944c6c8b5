//! Journal on SQLite, transparency log, blobs, lake, keys.
