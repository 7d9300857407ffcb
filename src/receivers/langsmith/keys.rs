//! Who sends: LangSmith's API keys, in the header `x-api-key`.

use crate::auth::secrets::Secrets;
use crate::net::status::Fault;
use halod_record::tenant::Tenant;
use http::HeaderMap;

/// What the operator says of keys. Without any, every sender is taken, with or without a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    pub tenants: Secrets<Tenant>,
    /// Whether a sender needs one of them.
    pub required: bool,
}

const HEADER: &str = "x-api-key";

const UNKNOWN: Fault = Fault::Unauthenticated(
    "send an API key that receivers.langsmith.keys of this halod's configuration lists",
);

impl Keys {
    /// Whether the sender shows a key that the operator knows.
    pub(super) fn vouch(&self, headers: &HeaderMap) -> bool {
        headers.get(HEADER).is_some_and(|key| self.tenants.find(key.as_bytes().trim_ascii()).is_some())
    }

    /// The tenant that the request's key stands for.
    ///
    /// # Errors
    /// A key is needed, and the request has none that is known.
    pub(super) fn tenant(&self, headers: &HeaderMap) -> Result<Option<Tenant>, Fault> {
        let key = headers.get(HEADER).map(|value| value.as_bytes().trim_ascii());
        match key.and_then(|key| self.tenants.find(key)) {
            Some(tenant) => Ok(Some(tenant.clone())),
            None if self.required => Err(UNKNOWN),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use halod_record::hash::sha256;
    use http::HeaderValue;

    fn ask(keys: &Keys, key: Option<&str>) -> Result<Option<Tenant>, Fault> {
        let value = |key: &str| (HEADER.parse().unwrap(), HeaderValue::from_bytes(key.as_bytes()).unwrap());
        keys.tenant(&key.map(value).into_iter().collect())
    }

    #[test]
    fn a_key_stands_for_its_tenant() {
        let acme = Tenant::Subject("acme".into());
        let of = [("lsv2_pt_a", acme.clone()), ("lsv2_pt_b", Tenant::Local)];
        let of = of.map(|(key, tenant)| (sha256(key.as_bytes()), tenant));
        for required in [false, true] {
            let keys = Keys { tenants: Secrets::new(of.to_vec()), required };
            assert_eq!(ask(&keys, Some("lsv2_pt_a")), Ok(Some(acme.clone())));
            assert_eq!(ask(&keys, Some("lsv2_pt_b")), Ok(Some(Tenant::Local)));
            let strangers = if required { Err(UNKNOWN) } else { Ok(None) };
            for stranger in
                [None, Some(""), Some("lsv2_pt_"), Some("lsv2_pt_aa"), Some("LSV2_PT_A"), Some("é")]
            {
                assert_eq!(ask(&keys, stranger), strangers, "{stranger:?}");
            }
            let hash = format!("{:?}", sha256(b"lsv2_pt_a"));
            assert!(!format!("{keys:?}").contains(&hash));
        }
        assert_eq!(ask(&Keys::default(), Some("lsv2_pt_a")), Ok(None));
    }
}
