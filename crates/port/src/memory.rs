//! In-memory fakes of the ports, and the contract that every journal must keep.
