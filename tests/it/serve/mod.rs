//! `halod serve`, `grant`, `revoke` and `viewers`: who gets in, what they get, and that the reference's files, links and grants are
//! the same.

mod access;
mod browser;
mod data;
mod files;
mod gate;
mod reference;
mod stage;
mod verbs;
