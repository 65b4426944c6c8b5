//! The one binary: command line, HTTP server, wiring.
fn main() {}
