//! Under which names a tenant's chain may lie, the preferred one first.
//!
//! The rules are the reference's (`TenantRecorder` of halo-record 0.2.46), so that a Python recorder
//! and halod extend the same file, with two additions:
//! - The subject `local` leaves its plain name to the records of no subject, unless it is there already.
//! - A chain that lies under its digested name stays there when the plain name becomes free.

use halod_record::tenant::Tenant;

/// A file's name without `.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) stem: String,
    /// The name is taken only where a file has it that holds records of the tenant, and of nobody else.
    pub(super) only_if_ours: bool,
}

impl Name {
    fn any(stem: String) -> Self {
        Self { stem, only_if_ours: false }
    }

    fn if_ours(stem: String) -> Self {
        Self { stem, only_if_ours: true }
    }
}

/// The names to try in turn. `exists` tells whether anything has a name.
pub(super) fn names(tenant: &Tenant, exists: impl Fn(&str) -> bool) -> Vec<Name> {
    let (plain, digested) = (tenant.file_stem(), tenant.digest_stem());
    if tenant.is_named_local() {
        return vec![Name::if_ours(digested.clone()), Name::if_ours(plain), Name::any(digested)];
    }
    if plain == digested {
        // A file of before 0.2.46 is continued where the tenant has no file of today's name.
        let legacy = tenant.legacy_stem().filter(|_| !exists(&digested));
        return legacy.map(Name::if_ours).into_iter().chain([Name::any(digested)]).collect();
    }
    let moved = (!exists(&plain)).then(|| Name::if_ours(digested.clone()));
    moved.into_iter().chain([Name::any(plain), Name::any(digested)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_of(id: &str, existing: &[&str]) -> Vec<(String, bool)> {
        let names = names(&Tenant::stored(id), |stem| existing.contains(&stem));
        names.into_iter().map(|name| (name.stem, name.only_if_ours)).collect()
    }

    fn owned(names: &[(&str, bool)]) -> Vec<(String, bool)> {
        names.iter().map(|(stem, only)| ((*stem).to_owned(), *only)).collect()
    }

    #[test]
    fn a_plain_id_has_its_name_or_a_digested_one() {
        let digested = "acme~822b33ad87c148a0a20a5ba7";
        assert_eq!(names_of("acme", &["acme"]), owned(&[("acme", false), (digested, false)]));
        let free = names_of("acme", &[digested]);
        assert_eq!(free, owned(&[(digested, true), ("acme", false), (digested, false)]));
    }

    #[test]
    fn an_older_name_counts_only_without_todays_and_with_records() {
        let digested = "acme~01c375d5da75ff2f2b22bd35";
        assert_eq!(names_of("acme_", &["acme"]), owned(&[("acme", true), (digested, false)]));
        assert_eq!(names_of("acme_", &["acme", digested]), owned(&[(digested, false)]));
    }

    #[test]
    fn who_is_called_local_leaves_the_name_to_nobody() {
        let names = names_of("local", &[]);
        let digested = Tenant::stored("local").digest_stem();
        assert_eq!(names, owned(&[(&digested, true), ("local", true), (&digested, false)]));
        let nobody = names_of("", &["local"]);
        assert_eq!(nobody, owned(&[("local", false), ("local~7e9122a41e336759e942b703", false)]));
    }
}
