//! What those see who read chains: questions, pages, links, exports, policies. A reader changes no chain.

pub mod access;
pub mod cell;
pub mod dumps;
pub mod export;
pub mod policy;
pub mod print;
pub mod query;
pub mod records;
pub mod report;
pub mod serve;
pub mod subjects;
mod temporary;
pub mod when;
pub mod window;
