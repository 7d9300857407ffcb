//! Whose content a record keeps as hashes alone: by tool, agent and tenant.

use super::tenant::Tenant;
use super::vocabulary::Words;
use super::wildcard::fits;
use crate::event::{Action, Agent};

/// The longest name with wildcards, in bytes.
pub const MAX_NAME: usize = 256;

/// What the records of no tenant are called by here: no tenant may be called so.
pub const LOCAL: &str = "_local";

/// Records of this tool, this agent and this tenant, as far as it names them. In a name, `*` stands for any text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashOnlyFor {
    tool: Option<String>,
    agent: Option<String>,
    tenant: Option<String>,
}

impl HashOnlyFor {
    /// `None` where nothing is named.
    #[must_use]
    pub fn new(tool: Option<String>, agent: Option<String>, tenant: Option<String>) -> Option<Self> {
        let named = tool.is_some() || agent.is_some() || tenant.is_some();
        named.then_some(Self { tool, agent, tenant })
    }

    fn covers(&self, of: &Of<'_>) -> bool {
        let named = |wanted: &Option<String>, names: &[Option<&str>], unsaid: bool| {
            wanted.as_ref().is_none_or(|wanted| {
                unsaid || names.iter().flatten().any(|name| fits(wanted.as_bytes(), name.as_bytes()))
            })
        };
        named(&self.tool, &of.tools, of.tool_unsaid)
            && named(&self.agent, &of.agents, of.agent_unsaid)
            && named(&self.tenant, &[Some(of.tenant)], false)
    }
}

/// Whose record it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Of<'r> {
    pub(super) tools: [Option<&'r str>; 2],
    /// It tells only what an action was given or answered, not which tool's action it is: so it may be any.
    pub(super) tool_unsaid: bool,
    pub(super) agents: [Option<&'r str>; 2],
    pub(super) agent_unsaid: bool,
    pub(super) tenant: &'r str,
}

impl<'r> Of<'r> {
    /// `words` are those of `action`.
    pub(super) fn event(
        action: &'r Action<'_>,
        words: &'r Words<'_>,
        agent: &'r Agent<'_>,
        tenant: &'r Tenant,
    ) -> Self {
        // A decision is about the tool.
        let decided = match action {
            Action::Decide { tool, .. } => Some(&**tool),
            _ => None,
        };
        let apart = matches!(action, Action::Boundary { verb: "content" });
        let agents = [agent.name.as_deref(), agent.id.as_deref()];
        Self {
            tools: [Some(&words.tool), decided],
            tool_unsaid: apart,
            agents,
            agent_unsaid: apart && agents == [None, None],
            tenant: tenant.subject().unwrap_or(LOCAL),
        }
    }
}

/// Whether one of `all` covers a record.
pub(super) fn covered(all: &[HashOnlyFor], of: &Of<'_>) -> bool {
    all.iter().any(|one| one.covers(of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (wanted, name, same) in [
            ("pay", "pay", true),
            ("pay", "pays", false),
            ("pay", "Pay", false),
            ("mcp__bank__*", "mcp__bank__pay", true),
            ("mcp__bank__*", "mcp__bank__", true),
            ("mcp__bank__*", "mcp__bankx__pay", false),
            ("*pay*", "a pay b", true),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1b2b3", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("**", "a", true),
        ] {
            assert_eq!(fits(wanted.as_bytes(), name.as_bytes()), same, "{wanted} {name}");
        }
        let (wanted, name) = ("*a".repeat(100), "a".repeat(99));
        assert!(!fits(wanted.as_bytes(), name.as_bytes()));
    }

    #[test]
    fn all_that_an_entry_names_has_to_fit() {
        let text = |text: &str| Some(text.to_owned());
        let both = HashOnlyFor::new(text("pay*"), None, text("acme")).into_iter().collect::<Vec<_>>();
        let of = |tool, unsaid, tenant| Of {
            tools: [Some(tool), None],
            tool_unsaid: unsaid,
            agents: [None, None],
            agent_unsaid: false,
            tenant,
        };
        assert!(covered(&both, &of("pay_out", false, "acme")));
        assert!(
            !covered(&both, &of("pay_out", false, "other")) && !covered(&both, &of("look", false, "acme"))
        );
        assert!(covered(&both, &of("agent.content", true, "acme")));
        assert!(!covered(&both, &of("agent.content", true, "other")));
        assert!(HashOnlyFor::new(None, None, None).is_none());
        let local = HashOnlyFor::new(None, None, text(LOCAL)).into_iter().collect::<Vec<_>>();
        assert!(covered(&local, &of("x", false, Tenant::Local.subject().unwrap_or(LOCAL))));
    }
}
