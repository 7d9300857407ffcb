//! The tenants that an identity may write for.

use halod_record::tenant::Tenant;
use halod_record::wildcard::fits;

/// Which tenants are an identity's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantScope {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    One(Tenant),
    /// A text in which `*` stands for any other.
    Pattern(String),
}

impl TenantScope {
    /// Every tenant.
    #[must_use]
    pub fn any() -> Self {
        Self { entries: vec![Entry::Pattern("*".into())] }
    }

    #[must_use]
    pub fn only(tenant: Tenant) -> Self {
        Self { entries: vec![Entry::One(tenant)] }
    }

    /// Reads a list such as `acme,beta-*`; a name without `*` is one tenant.
    ///
    /// # Errors
    /// What is wrong with it, in words that follow `tenants`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let entries: Result<Vec<_>, String> =
            text.split(',').map(|entry| Entry::parse(entry.trim())).collect();
        Ok(Self { entries: entries? })
    }

    /// The tenant that all is for, where there is but one.
    #[must_use]
    pub fn sole(&self) -> Option<&Tenant> {
        match self.entries.as_slice() {
            [Entry::One(tenant)] => Some(tenant),
            _ => None,
        }
    }

    /// Whether a claim of this tenant counts. Nobody claims the local chain by leaving the claim out.
    #[must_use]
    pub fn includes(&self, id: &str) -> bool {
        self.entries.iter().any(|entry| match entry {
            Entry::One(tenant) => tenant.subject().unwrap_or_default() == id,
            Entry::Pattern(pattern) => id.is_empty() || fits(pattern.as_bytes(), id.as_bytes()),
        })
    }
}

impl Entry {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("has an empty entry; name each tenant, or write * for any".into());
        }
        if text.contains('*') {
            return Ok(Self::Pattern(text.to_owned()));
        }
        Tenant::claimed(text).map(Self::One).map_err(|error| format!("`{text}`: {error}"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_a_tenant_a_list_or_patterns() {
        let one = TenantScope::parse("acme").unwrap();
        assert_eq!(one.sole(), Some(&Tenant::Subject("acme".into())));
        for (scope, id, included) in [
            ("acme", "acme", true),
            ("acme", "acme2", false),
            ("acme", "ACME", false),
            ("acme", "", false),
            ("acme, beta", "beta", true),
            ("acme,team-*", "team-1", true),
            ("acme,team-*", "team", false),
            ("acme,team-*", "", true),
            ("*", "anything", true),
        ] {
            assert_eq!(TenantScope::parse(scope).unwrap().includes(id), included, "{scope}: {id}");
        }
        assert_eq!(TenantScope::parse("acme,beta").unwrap().sole(), None);
        assert_eq!(TenantScope::any().sole(), None);
        for wrong in ["", "acme,", "_local"] {
            assert!(TenantScope::parse(wrong).is_err(), "{wrong}");
        }
    }
}
