//! Logs: lines for people, or one JSON object a line. `RUST_LOG` filters as usual.

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

pub(super) fn start(json: bool) {
    // genai logs whole error bodies of providers, which may name keys and accounts; we log our own word on each.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,genai=off"));
    let registry = tracing_subscriber::registry().with(filter);
    if json {
        registry.with(fmt::layer().json().with_writer(std::io::stderr)).init();
    } else {
        registry.with(fmt::layer().compact().with_target(false).with_writer(std::io::stderr)).init();
    }
}
