//! Numbers only: e-processes, intervals, distances, resampling. No domain noun, no I/O.
