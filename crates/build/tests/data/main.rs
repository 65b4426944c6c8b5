//! Data commands in folders of their own: beside real DVC, and when things go wrong.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod clouds;
mod commands;
mod differential;
mod full_disk;
mod killed;
mod manage;
mod oracle;
mod remotes;
mod s3;
mod server;
mod world;
