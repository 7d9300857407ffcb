//! Logs that are followed: whatever is done to their files, each line is sealed once, or its loss is told.

mod basics;
mod cases;
mod fixture;
mod matrix;
