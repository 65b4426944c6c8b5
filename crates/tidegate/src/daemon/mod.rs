//! The running workspace: control thread, data plane, telemetry, sealing, pages, and the loop that uses them.

pub mod access;
pub mod api;
mod checking;
pub mod control;
pub mod events;
pub mod evidence;
mod freezer;
mod hooks;
pub mod offer;
pub mod owner;
mod people;
pub mod plane;
pub mod play;
pub mod release_view;
pub mod replay;
pub mod seal;
pub mod start;
pub mod steer;
pub mod story;
pub mod telemetry;
pub mod ticks;
pub mod trainer;
mod training;
pub mod versions;
pub mod views;
pub mod watchman;
pub mod window;
