//! Witnesses: halod's client at strangers' witnesses, strangers' clients at `halod witness`, and whoever lies.

pub mod anchors;
mod client;
mod doors;
mod hostile;
mod logs;
pub mod stage;
mod verb;
