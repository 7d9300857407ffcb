//! What those see who read chains: questions, pages, links, exports, policies. A reader changes no chain.

pub mod dumps;
pub mod export;
pub mod policy;
pub mod records;
pub mod window;
