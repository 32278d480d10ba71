//! Where passages are looked for: OpenAI's embeddings, Pinecone.

use std::{net::SocketAddr, time::Duration};

use crate::{
    config::reader::Reader,
    retrieval::{EmbeddingSettings, PineconeSettings, RetrieverSettings},
};

/// How long a look for passages may take: a reply's lease is renewed before it and after it, and lasts longer.
const PATIENCE: Duration = Duration::from_secs(4);

pub(super) fn read(read: &mut Reader<'_>, is_production: bool) -> RetrieverSettings {
    // What is wrong with OPENAI_BASE_URL is said where the model is read.
    let base_url = read.text("OPENAI_BASE_URL").unwrap_or_else(|| "https://api.openai.com/v1".to_owned());
    let model = read.text("OPENAI_EMBEDDING_MODEL").unwrap_or_else(|| "text-embedding-3-small".to_owned());
    let embeddings = read.text("OPENAI_API_KEY").map(|key| EmbeddingSettings { base_url, key: key.into(), model });
    let pinecone = PineconeSettings {
        controller: controller(read, is_production),
        api_version: word(read, "PINECONE_API_VERSION").unwrap_or_else(|| "2025-04".to_owned()),
        project: word(read, "PINECONE_PROJECT_ID"),
        stand_ins: stand_ins(read, is_production),
    };
    RetrieverSettings { embeddings, pinecone, patience: PATIENCE }
}

fn controller(read: &mut Reader<'_>, is_production: bool) -> String {
    let default = "https://api.pinecone.io".to_owned();
    match read.url("PINECONE_CONTROLLER_HOST") {
        Some(url) if is_production && !url.starts_with("https://") => {
            read.wrong("PINECONE_CONTROLLER_HOST", "must be an https URL in production: keys are sent there", default)
        }
        Some(url) => url,
        None => default,
    }
}

fn word(read: &mut Reader<'_>, name: &str) -> Option<String> {
    let text = read.text(name)?;
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        Some(text)
    } else {
        read.wrong(name, "must be letters, digits and dashes", None)
    }
}

fn stand_ins(read: &mut Reader<'_>, is_production: bool) -> Vec<SocketAddr> {
    let Some(text) = read.text("PINECONE_ALLOWED_HOSTS") else { return Vec::new() };
    if is_production {
        return read.wrong("PINECONE_ALLOWED_HOSTS", "is for development alone", Vec::new());
    }
    let read_one = |text: &str| text.trim().parse().ok().filter(|address: &SocketAddr| address.ip().is_loopback());
    let addresses: Option<Vec<_>> = text.split(',').map(read_one).collect();
    addresses.unwrap_or_else(|| {
        read.wrong("PINECONE_ALLOWED_HOSTS", "must hold addresses on loopback such as 127.0.0.1:5081", Vec::new())
    })
}
