//! How the outside reaches the server, how many may do so at once, which pages may call it, and the addresses of ours that go
//! into providers' portals.

use url::{Host, Url};

use crate::{
    cli::{
        doctor::{
            Means, is_production,
            report::{Area, Webhook},
        },
        files,
    },
    config::Config,
};

pub(super) fn look(area: &mut Area<'_>, config: &Config, means: &Means) {
    public_url(area, config);
    cors(area, config);
    open_files(area, config, means);
    if !is_production(config) {
        return;
    }
    if config.http.trusted_proxies == 0 {
        let found = "TRUSTED_PROXIES is 0: behind a proxy, all visitors count as one address.";
        area.note("no-trusted-proxies", found, "Set it to how many proxies of your own stand before the server.");
    }
    if config.http.metrics_token.is_none() {
        let found = "METRICS_TOKEN is not set: /metrics is shown to the server's own network.";
        area.note("metrics-without-token", found, "Set it to `openssl rand -hex 32`.");
    }
    if config.http.address.ip().is_loopback() {
        let found = "HOST is a loopback address: only this machine reaches the server.";
        area.note("listens-on-loopback", found, "Set HOST=0.0.0.0, unless a proxy on this machine passes requests on.");
    }
}

fn public_url(area: &mut Area<'_>, config: &Config) {
    let text = &config.http.public_url;
    let url = Url::parse(text).ok();
    if !is_production(config) {
        area.ok("public-url", format!("{}.", shown(text)));
        return;
    }
    let mend = "Set PUBLIC_URL to https:// and the name by which the outside reaches the server.";
    if url.as_ref().is_none_or(is_local) {
        area.must_mend("public-url-local", "PUBLIC_URL leads to this machine, where no provider can post.", mend);
    } else if url.as_ref().is_some_and(|url| url.scheme() != "https") {
        area.must_mend("public-url-without-tls", "PUBLIC_URL is not https.", mend);
    } else if url.as_ref().is_some_and(|url| !is_plain(url)) {
        let found = "PUBLIC_URL has a login, a query or a fragment; no path can be added to it.";
        area.must_mend("public-url-not-plain", found, mend);
    } else {
        area.ok("public-url", format!("{text}."));
    }
}

fn cors(area: &mut Area<'_>, config: &Config) {
    let mut is_right = true;
    for listed in &config.http.cors_origins {
        if is_production(config) && listed.starts_with("http://") {
            is_right = false;
            let found = format!("BACKEND_CORS_ORIGINS holds {listed}, whose pages anybody in between can change.");
            let is_here = Url::parse(listed).is_ok_and(|url| is_local(&url));
            area.judge(!is_here, "cors-without-tls", found, "Serve that frontend by https, and list it so.");
        }
    }
    if config.http.cors_origins.is_empty() && is_production(config) {
        let found =
            "BACKEND_CORS_ORIGINS is empty: no frontend on another origin may call, but tenants' allowedOrigins.";
        area.note("cors-empty", found, "List your frontends' origins, if they have others than PUBLIC_URL.");
    } else if is_right {
        let found = match config.http.cors_origins.len() {
            0 => "Development: every origin may call.".to_owned(),
            all => format!("{all} origin(s) may call."),
        };
        area.ok("cors", found);
    }
}

fn open_files(area: &mut Area<'_>, config: &Config, means: &Means) {
    if let Some(found) = files::shortage(config, means.files) {
        area.note("open-files-few", found, files::MEND);
    } else {
        let connections = config.http.connections;
        area.ok("open-files", format!("There is room for {connections} connection(s), and for what else is open."));
    }
}

/// An address with whatever is a secret in it left out: somebody may have pasted one with a login.
fn shown(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return "…".to_owned() };
    if is_plain(&url) {
        return text.to_owned();
    }
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

fn is_plain(url: &Url) -> bool {
    let has_login = !url.username().is_empty() || url.password().is_some();
    !has_login && url.query().is_none() && url.fragment().is_none()
}

/// Whether only this machine gets there.
fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => address.is_loopback() || address.is_unspecified(),
        None => true,
    }
}

/// Every address that goes into a portal. Those with a tenant in them are the tenant's own; the graph shows them filled in
/// (`tenant { voice { webhookUrls { url } } }`).
pub(super) fn webhooks(config: &Config) -> Vec<Webhook> {
    let assistant = "Telnyx, AI assistant (one for each tenant)";
    let at = |portal, field, path: &str| {
        let base = shown(&config.http.public_url);
        Webhook { portal, field, url: format!("{}/api/v1/{path}", base.trim_end_matches('/')) }
    };
    let of_tenant = |field, path: &str| at(assistant, field, &format!("telnyx/{path}?tenant_id=<number>"));
    vec![
        at("Telnyx, messaging profile", "inbound webhook", "telnyx/sms"),
        of_tenant("dynamic variables", "dynamic-variables"),
        of_tenant("tool get-classes", "tools/get-classes"),
        of_tenant("tool get-available-slots", "tools/get-available-slots"),
        of_tenant("tool book-meeting", "tools/book-meeting"),
        of_tenant("tool send-link", "tools/send-link"),
        of_tenant("insights, call completed", "ai-call-complete"),
        at("Twilio, phone number", "a message comes in (POST)", "twilio/sms"),
        at("Google, Pub/Sub push subscription", "endpoint", "email/pubsub"),
        Webhook { portal: "Google, Pub/Sub push subscription", field: "audience", url: config.google.audience.clone() },
        Webhook { portal: "Google, OAuth client", field: "redirect URI", url: shown(&config.google.redirect_uri) },
    ]
}
