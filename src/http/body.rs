//! Reads GraphQL requests out of HTTP requests, to the letter of GraphQL over HTTP: only JSON bodies, known shapes, and
//! nothing guessed. Must not run them.

use async_graphql::{Request, Variables};
use axum::http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Map, Value};

/// Largest body, in bytes.
pub(super) const BODY_MAX: usize = 1024 * 1024;

/// Why a request holds no operation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadRequest {
    pub(super) status: StatusCode,
    pub(super) message: &'static str,
}

fn bad(message: &'static str) -> BadRequest {
    BadRequest { status: StatusCode::BAD_REQUEST, message }
}

/// The request of a POST.
pub(super) fn from_post(headers: &HeaderMap, body: &[u8]) -> Result<Request, BadRequest> {
    check_media_type(headers)?;
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => request(members),
        Ok(Value::Array(_)) => Err(bad("Batches are switched off; send one operation at a time.")),
        Ok(_) => Err(bad("The body must be a JSON object with a `query`.")),
        Err(_) => Err(bad("The body is not JSON.")),
    }
}

/// Anything but JSON could be sent by a page of another site without asking first.
fn check_media_type(headers: &HeaderMap) -> Result<(), BadRequest> {
    let refused = |message| BadRequest { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, message };
    let Some(media) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return Err(refused("Say `Content-Type: application/json`."));
    };
    let mut parts = media.split(';').map(|part| part.trim().to_ascii_lowercase());
    let is_json = parts.next().as_deref() == Some("application/json");
    let is_utf8 = parts
        .filter_map(|part| part.strip_prefix("charset=").map(|name| name.trim_matches('"').to_owned()))
        .all(|name| name == "utf-8" || name == "utf8");
    if is_json && is_utf8 { Ok(()) } else { Err(refused("Only `application/json` in UTF-8 is read.")) }
}

/// A page of another site can make a browser GET, but not with a header that it would have to ask for first. Browsers that tell
/// in which mode they fetch (<https://www.w3.org/TR/fetch-metadata/>) are believed: they show an answer only to whom CORS lets.
fn is_meant(headers: &HeaderMap) -> bool {
    let asked_for = [header::AUTHORIZATION.as_str(), "x-requested-with", "apollo-require-preflight"];
    if asked_for.iter().any(|name| headers.contains_key(*name)) {
        return true;
    }
    if let Some(mode) = headers.get("sec-fetch-mode") {
        return mode == "cors" || mode == "same-origin";
    }
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let own = ["application/json", "application/graphql-response+json", "text/event-stream", "multipart/mixed"];
    accepted.into_iter().any(|accept| own.iter().any(|own| accept.contains(own)))
}

/// The request of a GET: `query`, `operationName`, `variables` and `extensions` in the URL.
pub(super) fn from_get(headers: &HeaderMap, query: &str) -> Result<Request, BadRequest> {
    if !is_meant(headers) {
        return Err(bad("A GET needs an `Accept` of `application/graphql-response+json` or `application/json`."));
    }
    let mut members = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if value.is_empty() {
            continue;
        }
        let value = match name.as_ref() {
            "query" | "operationName" => Value::String(value.into_owned()),
            "variables" | "extensions" => {
                serde_json::from_str(&value).map_err(|_| bad("`variables` and `extensions` must be JSON."))?
            }
            _ => continue,
        };
        if members.insert(name.into_owned(), value).is_some() {
            return Err(bad("A parameter is given twice."));
        }
    }
    request(members)
}

/// Null counts as absent; members that the specification does not know are left alone.
pub(super) fn request(mut members: Map<String, Value>) -> Result<Request, BadRequest> {
    let query = match members.remove("query") {
        Some(Value::String(query)) if !query.trim().is_empty() => query,
        Some(Value::String(_) | Value::Null) | None => return Err(bad("`query` is missing.")),
        Some(_) => return Err(bad("`query` must be a string.")),
    };
    let operation = match members.remove("operationName") {
        Some(Value::String(name)) => Some(name).filter(|name| !name.is_empty()),
        Some(Value::Null) | None => None,
        Some(_) => return Err(bad("`operationName` must be a string.")),
    };
    let variables = match members.remove("variables") {
        Some(variables @ Value::Object(_)) => Variables::from_json(variables),
        Some(Value::Null) | None => Variables::default(),
        Some(_) => return Err(bad("`variables` must be an object.")),
    };
    if !matches!(members.remove("extensions"), Some(Value::Object(_) | Value::Null) | None) {
        return Err(bad("`extensions` must be an object."));
    }
    let request = Request::new(query).variables(variables);
    Ok(match operation {
        Some(name) => request.operation_name(name),
        None => request,
    })
}

/// Whether a method is one that the graph knows.
pub(super) fn is_known(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::POST)
}
