//! Which requests are an agent's.

use super::path::{Target, percent_decoded};
use super::row::Row;
use halod_record::wildcard::fits;
use std::borrow::Cow;
use std::collections::HashMap;

/// Which requests become records; the others are counted as filtered. A request that names a model or a
/// tool in a field of its own is an agent's by every rule.
#[derive(Clone, Debug)]
pub struct Rules {
    all: bool,
    /// Patterns that are met at a path's start.
    start: Tree,
    /// Patterns that are met anywhere in a path.
    anywhere: Tree,
}

/// Runs of segments of a path, in small letters; in each `*` stands for any text. Every line of a log is held
/// against all of them, so what they have in common is looked at once.
#[derive(Clone, Debug, Default)]
struct Tree {
    /// A pattern ends here: what follows does not matter.
    end: bool,
    literal: HashMap<Box<str>, Tree>,
    wild: Vec<(Box<str>, Tree)>,
}

/// Model APIs and MCP endpoints, wherever a gateway mounts them.
const KNOWN: [&str; 76] = [
    // The OpenAI API and what is alike. The short ones are LiteLLM's.
    "chat/completions",
    "v1/completions",
    "v1/responses",
    "v1/embeddings",
    "v1/moderations",
    "v1/images",
    "v1/audio",
    "v1/videos",
    "v1/realtime",
    "v1/assistants",
    "v1/threads",
    "v1/files",
    "v1/batches",
    "v1/fine_tuning",
    "v1/vector_stores",
    "v1/conversations",
    "v1/containers",
    "v1/evals",
    "engines/*/completions",
    "engines/*/embeddings",
    "/completions",
    "/embeddings",
    "/responses",
    "/moderations",
    "/rerank",
    "/realtime",
    // Azure, and its Foundry.
    "openai/deployments",
    "openai/responses",
    "openai/realtime",
    "openai/threads",
    "openai/assistants",
    "openai/files",
    "openai/batches",
    "models/embeddings",
    "models/images",
    // Anthropic.
    "v1/messages",
    "v1/complete",
    // Google.
    "models/*:generate*",
    "models/*:stream*",
    "models/*:*embed*",
    "models/*:count*",
    "models/*:*predict*",
    "models/*:bidi*",
    "models/*:batch*",
    "tunedmodels/*:*generate*",
    "endpoints/*:*generate*",
    "endpoints/*:*predict*",
    "v1beta/interactions",
    // Bedrock.
    "model/*/invoke*",
    "model/*/converse*",
    "model/*/count-tokens",
    "agents/*/agentaliases",
    "knowledgebases/*/retrieve",
    "retrieveandgenerate*",
    "guardrail/*/version/*/apply",
    // Cohere, Mistral, Voyage, Jina, Ollama, vLLM, Workers AI, Replicate.
    "v1/chat",
    "v2/chat",
    "v1/embed",
    "v2/embed",
    "v1/rerank",
    "v2/rerank",
    "v1/generate",
    "v1/classify",
    "v1/ocr",
    "v1/fim",
    "v1/agents",
    "v1/score",
    "v1/pooling",
    "api/generate",
    "api/embed*",
    "ai/run",
    // MCP and A2A.
    "mcp",
    "/sse",
    "/messages",
    "a2a",
    "message:*",
];

impl Default for Rules {
    fn default() -> Self {
        // The list is tested.
        Self::new(&KNOWN).unwrap_or_else(|_| Self::all())
    }
}

impl Rules {
    /// Every request.
    #[must_use]
    pub fn all() -> Self {
        Self { all: true, start: Tree::default(), anywhere: Tree::default() }
    }

    /// Requests for paths of these patterns. `v1/chat` is met by those segments anywhere in a path,
    /// `/v1/chat` at its start; `*` in a segment stands for any text; what follows does not matter.
    ///
    /// # Errors
    /// Which pattern (from 0) is none, and why.
    pub fn new(patterns: &[impl AsRef<str>]) -> Result<Self, (usize, &'static str)> {
        let mut rules = Self { all: false, start: Tree::default(), anywhere: Tree::default() };
        for (at, pattern) in patterns.iter().enumerate() {
            let pattern = pattern.as_ref();
            if pattern.contains(['?', '#', '%']) {
                return Err((at, "a pattern is of a path alone, decoded and without a query"));
            }
            if segments(pattern).next().is_none() {
                return Err((at, "a pattern needs a segment of a path"));
            }
            let tree = if pattern.starts_with('/') { &mut rules.start } else { &mut rules.anywhere };
            tree.grow(pattern);
        }
        Ok(rules)
    }

    pub(super) fn agent(&self, row: &Row<'_>, target: &Target<'_>) -> bool {
        self.all
            || row.model.is_some()
            || row.tool.is_some()
            || target.path.as_deref().is_some_and(|path| self.meets(path))
    }

    /// Whether a path meets a pattern, however it is spelled: a server decodes it before it looks.
    fn meets(&self, path: &str) -> bool {
        let path = plain(path);
        let mut rest = path.as_ref();
        if self.start.meets(rest) {
            return true;
        }
        while let Some((_, after)) = segment(rest) {
            if self.anywhere.meets(rest) {
                return true;
            }
            rest = after;
        }
        false
    }
}

impl Tree {
    fn grow(&mut self, pattern: &str) {
        let mut tree = self;
        for part in segments(pattern) {
            let part = part.to_ascii_lowercase().into_boxed_str();
            tree = if part.contains('*') {
                let at = tree.wild.iter().position(|(known, _)| *known == part).unwrap_or_else(|| {
                    tree.wild.push((part, Self::default()));
                    tree.wild.len() - 1
                });
                &mut tree.wild[at].1
            } else {
                tree.literal.entry(part).or_default()
            };
        }
        tree.end = true;
    }

    /// Whether a path's next segments are a pattern's.
    fn meets(&self, path: &str) -> bool {
        if self.end {
            return true;
        }
        let Some((segment, after)) = segment(path) else { return false };
        self.literal.get(segment).is_some_and(|tree| tree.meets(after))
            || self
                .wild
                .iter()
                .any(|(pattern, tree)| fits(pattern.as_bytes(), segment.as_bytes()) && tree.meets(after))
    }
}

/// A path's first segment, and what follows it.
fn segment(path: &str) -> Option<(&str, &str)> {
    let path = path.trim_start_matches('/');
    let end = memchr::memchr(b'/', path.as_bytes()).unwrap_or(path.len());
    (end > 0).then(|| path.split_at(end))
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// A path as a server may understand it: decoded, in small letters, without dots.
fn plain(path: &str) -> Cow<'_, str> {
    let mut before = 0;
    let odd = |b: u8| {
        let dots = b == b'.' && before == b'/';
        before = b;
        dots || b.is_ascii_uppercase() || matches!(b, b'%' | b'\\')
    };
    if !path.bytes().any(odd) {
        return Cow::Borrowed(path);
    }
    let decoded = percent_decoded(path).to_ascii_lowercase().replace('\\', "/");
    let mut parts: Vec<&str> = Vec::new();
    for part in segments(&decoded) {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Cow::Owned(parts.join("/"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn known_paths_are_agent_traffic_wherever_they_are_mounted() {
        let rules = Rules::default();
        assert!(!rules.all, "the list of known paths has a pattern that is none");
        for path in [
            "/v1/chat/completions",
            "/dead/v1/chat/completions",
            "/openai/deployments/gpt-4o/chat/completions",
            "/v1beta/models/gemini-2.5-flash:generateContent",
            "/v1beta/models/g:streamGenerateContent",
            "/model/anthropic.claude/invoke-with-response-stream",
            "/v1/messages",
            "/v1/messages/count_tokens",
            "/api/generate",
            "/mcp",
            "/servers/kb/mcp/",
            "/v1/CHAT/Completions",
            "//v1//chat//completions",
            "/v1/ch%61t/completions",
            "/v1/chat%2Fcompletions",
            "/x/../v1/./responses",
            "/embeddings",
            "/v1/projects/p/locations/l/publishers/google/models/text-embedding-005:predict",
        ] {
            assert!(rules.meets(path), "{path}");
        }
        for path in [
            "/",
            "",
            "*",
            "/v1/models",
            "/health",
            "/favicon.ico",
            "/v1/chatter",
            "/blog/embeddings",
            "/v1x/chat",
            "/v1/coffee",
            "/chat",
            "/models/x:delete",
            "/..",
            "/mcpx",
        ] {
            assert!(!rules.meets(path), "{path}");
        }
    }

    #[test]
    fn patterns_of_ones_own() {
        let rules = Rules::new(&["/llm/*/ask*", "tools"]).unwrap();
        assert!(rules.meets("/llm/a/ask-now/x") && rules.meets("/x/tools"));
        assert!(
            !rules.meets("/x/llm/a/ask") && !rules.meets("/llm/ask") && !rules.meets("/v1/chat/completions")
        );
        assert!(Rules::new(&["x", "/"]).is_err_and(|(at, _)| at == 1));
        assert!(Rules::new(&["/a?b"]).is_err());
    }

    #[test]
    fn globs() {
        for (pattern, text, met) in [
            ("a*b", "ab", true),
            ("a*b", "axxb", true),
            ("a*b", "a", false),
            ("*:x*", "m:xy", true),
            ("a*a", "a", false),
            ("*", "", true),
            ("*a*b*", "xaxb", true),
            ("*a*b*", "xbxa", false),
        ] {
            assert_eq!(fits(pattern.as_bytes(), text.as_bytes()), met, "{pattern} {text}");
        }
    }
}
