//! One name for each provider of models: the conventions' (`gen_ai.provider.name`).

use std::borrow::Cow;

/// What senders call providers that the conventions call otherwise.
#[rustfmt::skip]
const SYNONYMS: [(&str, &str); 38] = [
    ("azure", "azure.ai.openai"),
    ("azure_openai", "azure.ai.openai"),
    ("azure-openai", "azure.ai.openai"),
    ("azureopenai", "azure.ai.openai"),
    ("az.ai.openai", "azure.ai.openai"),
    ("azure_ai", "azure.ai.inference"),
    ("az.ai.inference", "azure.ai.inference"),
    ("bedrock", "aws.bedrock"),
    ("bedrock_converse", "aws.bedrock"),
    ("amazon_bedrock", "aws.bedrock"),
    ("amazon-bedrock", "aws.bedrock"),
    ("aws_bedrock", "aws.bedrock"),
    ("gemini", "gcp.gemini"),
    ("google.generative-ai", "gcp.gemini"),
    ("googleai", "gcp.gemini"),
    ("google_genai", "gcp.gemini"),
    ("google-genai", "gcp.gemini"),
    ("vertex_ai", "gcp.vertex_ai"),
    ("vertexai", "gcp.vertex_ai"),
    ("google_vertexai", "gcp.vertex_ai"),
    ("google.vertex", "gcp.vertex_ai"),
    ("mistral", "mistral_ai"),
    ("mistralai", "mistral_ai"),
    ("xai", "x_ai"),
    ("watsonx", "ibm.watsonx.ai"),
    ("api.openai.com", "openai"),
    ("api.anthropic.com", "anthropic"),
    ("api.groq.com", "groq"),
    ("api.deepseek.com", "deepseek"),
    ("api.mistral.ai", "mistral_ai"),
    ("api.cohere.com", "cohere"),
    ("api.cohere.ai", "cohere"),
    ("api.perplexity.ai", "perplexity"),
    ("api.x.ai", "x_ai"),
    ("api.together.xyz", "together_ai"),
    ("openrouter.ai", "openrouter"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
    ("firstparty", "anthropic"),
];

/// The Vercel AI SDK names the interface of a provider too: `openai.chat`, `anthropic.messages`.
/// A provider's name never ends like that.
const INTERFACES: [&str; 7] =
    [".chat", ".responses", ".messages", ".completion", ".embedding", ".textembedding", ".generative-ai"];

/// The provider's name as the conventions have it; `None` where only the address of some host is told.
pub(crate) fn normalised(provider: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let lower: Cow<'_, str> = if provider.bytes().all(plain) {
        provider
    } else {
        let mut lower = provider.to_ascii_lowercase();
        if let Some(end) = INTERFACES.iter().find_map(|end| lower.strip_suffix(end)).map(str::len)
            && !SYNONYMS.iter().any(|(name, _)| *name == lower)
        {
            lower.truncate(end);
        }
        let host = host(&lower);
        if let Some(host) = host {
            return SYNONYMS.iter().find(|(name, _)| *name == host).map(|(_, known)| Cow::Borrowed(*known));
        }
        if lower == provider { provider } else { Cow::Owned(lower) }
    };
    if lower == "localhost" {
        return None;
    }
    Some(match SYNONYMS.iter().find(|(name, _)| *name == lower) {
        Some((_, known)) => Cow::Borrowed(known),
        None => lower,
    })
}

/// The host of what is no name but the address of a server: `127.0.0.1:8000`, `https://api.openai.com/v1`.
fn host(name: &str) -> Option<&str> {
    let (scheme, rest) = match name.split_once("://") {
        Some((_, rest)) => (true, rest),
        None => (false, name),
    };
    let host = rest.split('/').next().unwrap_or(rest);
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, true),
        _ => (host, false),
    };
    let address = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && host.contains('.');
    let known = SYNONYMS.iter().any(|(name, _)| *name == host && host.starts_with("api."));
    (scheme || port || address || known || host == "localhost").then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_has_one_name() {
        for (told, name) in [
            ("openai", Some("openai")),
            ("OpenAI", Some("openai")),
            ("openai.chat", Some("openai")),
            ("openai.responses", Some("openai")),
            ("anthropic.messages", Some("anthropic")),
            ("google.generative-ai", Some("gcp.gemini")),
            ("google.vertex.chat", Some("gcp.vertex_ai")),
            ("Azure", Some("azure.ai.openai")),
            ("AWS.Bedrock", Some("aws.bedrock")),
            ("mistralai", Some("mistral_ai")),
            ("api.openai.com", Some("openai")),
            ("https://api.openai.com/v1", Some("openai")),
            ("api.deepseek.com:443", Some("deepseek")),
            ("127.0.0.1:8001", None),
            ("localhost", None),
            ("http://models.internal/v1", None),
            ("my-own", Some("my-own")),
            ("gcp.gen_ai", Some("gcp.gen_ai")),
        ] {
            assert_eq!(normalised(told.into()).as_deref(), name, "{told}");
        }
    }
}
