//! The seeded world: drives the real engine on fakes and virtual time.
