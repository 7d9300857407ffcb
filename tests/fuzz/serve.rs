//! The body of the fuzz target of what readers send to `halod serve`, and of the list of whom a chain is shared with; a test of the
//! usual suite runs this body as well. Whatever the bytes are: a range is within the file, what was not signed is no session, and a
//! list that can't be read admits nobody.

use halod::reader::access::ChainKey;
use halod::reader::access::list::AccessList;
use halod::reader::access::recipient::{Address, Recipient};
use halod::reader::access::secret::Secret;
use halod::reader::serve::form::{Wanted, cookie, field, is_token, range};
use halod::reader::serve::session::says_something;

/// How many of the parsers took it.
pub(crate) fn serve(data: &[u8], secret: &Secret) -> usize {
    let mut taken = 0;
    if let Ok(list) = AccessList::parse(data) {
        taken += 1;
        for (key, shared) in list.all() {
            let _ = list.bar(&key);
            let stranger: Address = "nobody@fuzz.invalid".parse().expect("an address");
            let may = |name: &str| name.parse::<Recipient>().is_ok_and(|who| who.includes(&stranger));
            assert!(
                !list.admits(&key, &stranger) || shared.iter().any(|one| may(&one.recipient) && !one.is_over)
            );
        }
        assert!(!list.admits(&ChainKey::File(String::new()), &"a@b.example".parse().expect("an address")));
    }
    let Ok(text) = std::str::from_utf8(data) else { return taken };
    for length in [0, 1, 1000, u64::MAX] {
        if let Wanted::Part(part) = range(Some(text), length) {
            assert!(part.start < part.end && part.end <= length);
            taken += 1;
        }
    }
    assert!(!says_something(text, secret, "s:acme"), "a session that nobody signed");
    taken += usize::from(cookie(text, "halo_x").is_some_and(|value| !value.contains(';')));
    taken += usize::from(field(text, "email").is_some());
    taken += usize::from(is_token(text));
    if let Ok(recipient) = text.parse::<Recipient>() {
        let again: Recipient = recipient.to_string().parse().expect("what was read is read again");
        assert_eq!(again, recipient);
        assert!(recipient.to_string().bytes().all(|byte| byte.is_ascii_graphic()));
        taken += 1;
    }
    taken
}
