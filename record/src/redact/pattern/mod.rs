//! The matchers of the table's rows, by hand: the reference's expressions need look-arounds and
//! Python's notion of letters, digits and spaces, and its backtracking is not linear. Each walks the
//! text once; a part of it is read again only within a bound that the sender doesn't choose.

pub(super) mod assigned;
pub(super) mod extra;
pub(super) mod flags;
pub(super) mod number;
pub(super) mod pem;
pub(super) mod people;
mod prefixes;
pub(super) mod secret;
pub(super) mod token;
pub(super) mod url;
