//! The driver: command, decide, append, evolve, effects. Sans-I/O.
