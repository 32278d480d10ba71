//! The models: whose, by which key, how much they are told, and how long they may take.

use std::time::Duration;

use secrecy::SecretString;

use crate::{
    config::reader::Reader,
    llm::{ModelSettings, Patience, Provider, RemoteSettings},
};

/// Who writes the replies.
pub(super) fn read(read: &mut Reader<'_>) -> ModelSettings {
    let open_ai = remote(
        read,
        Provider::OpenAi,
        &["OPENAI_API_KEY"],
        ("OPENAI_BASE_URL", "https://api.openai.com/v1"),
        ("OPENAI_MODEL", "gpt-4o-mini"),
    );
    let gemini = remote(
        read,
        Provider::Gemini,
        &["AI_INTEGRATIONS_GEMINI_API_KEY", "GEMINI_API_KEY"],
        ("GEMINI_BASE_URL", "https://generativelanguage.googleapis.com/v1beta"),
        ("GEMINI_MODEL", "gemini-2.5-flash"),
    );
    let with_key = |settings: &RemoteSettings| settings.key.is_some().then_some(settings.provider);
    let default = match read.text("LLM_PROVIDER").as_deref() {
        None => with_key(&open_ai).or(with_key(&gemini)),
        Some("built_in") => None,
        Some("openai") if open_ai.key.is_some() => Some(Provider::OpenAi),
        Some("gemini") if gemini.key.is_some() => Some(Provider::Gemini),
        Some("openai") => read.wrong("LLM_PROVIDER", "is `openai`, but OPENAI_API_KEY is missing", None),
        Some("gemini") => read.wrong("LLM_PROVIDER", "is `gemini`, but GEMINI_API_KEY is missing", None),
        Some(_) => read.wrong("LLM_PROVIDER", "must be `openai`, `gemini` or `built_in`", None),
    };
    let context_tokens = read.number("LLM_CONTEXT_TOKENS", 8_000, 500..=1_000_000);
    ModelSettings { default, open_ai, gemini, context_tokens }
}

/// How long they may take.
pub(super) fn patience(read: &mut Reader<'_>) -> Patience {
    let usual = Patience::default();
    let seconds = read.number("LLM_PATIENCE_SECONDS", usual.first_sign.as_secs(), 5..=240);
    Patience { first_sign: Duration::from_secs(seconds), ..usual }
}

fn remote(
    read: &mut Reader<'_>,
    provider: Provider,
    keys: &[&'static str],
    base_url: (&'static str, &str),
    model: (&'static str, &str),
) -> RemoteSettings {
    RemoteSettings {
        provider,
        base_url: read.url(base_url.0).unwrap_or_else(|| base_url.1.to_owned()),
        key: keys.iter().find_map(|name| read.text(name)).map(SecretString::from),
        model: read.text(model.0).unwrap_or_else(|| model.1.to_owned()),
    }
}
