//! Reads GraphQL requests out of HTTP requests, to the letter of GraphQL over HTTP: only JSON bodies, known shapes, and
//! nothing guessed. Must not run them.

use std::borrow::Cow;

use async_graphql::Variables;
use axum::http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Map, Value};

use crate::{
    graph::{Asked, DocumentId},
    kernel::failure::{ErrorCode, Refusal},
};

/// Largest body, in bytes.
pub(super) const BODY_MAX: usize = 1024 * 1024;

/// Why a request holds no operation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadRequest {
    pub(super) status: StatusCode,
    pub(super) message: Cow<'static, str>,
}

impl BadRequest {
    /// What its sender is told.
    pub(super) fn refusal(&self) -> Refusal {
        let is_large = self.status == StatusCode::PAYLOAD_TOO_LARGE;
        let code = if is_large { ErrorCode::QueryTooComplex } else { ErrorCode::BadUserInput };
        Refusal::new(code, self.message.clone())
    }
}

/// What can't be read as it is.
pub(super) fn bad(message: impl Into<Cow<'static, str>>) -> BadRequest {
    BadRequest { status: StatusCode::BAD_REQUEST, message: message.into() }
}

/// What a POST asks for.
pub(super) enum Posted {
    One(Asked),
    /// In their order.
    Batch(Vec<Result<Asked, BadRequest>>),
}

/// Reads a POST. `batch` is how many operations may come at once; none, if it is zero.
pub(super) fn from_post(headers: &HeaderMap, body: &[u8], batch: usize) -> Result<Posted, BadRequest> {
    check_media_type(headers)?;
    let of_one = |one| match one {
        Value::Object(members) => asked(members),
        _ => Err(bad("The body must be a JSON object with a `query`.")),
    };
    match serde_json::from_slice(body) {
        Ok(Value::Array(_)) if batch == 0 => Err(bad("Batches are switched off; send one operation at a time.")),
        Ok(Value::Array(all)) if all.is_empty() => Err(bad("The batch is empty.")),
        Ok(Value::Array(all)) if all.len() > batch => {
            Err(bad(format!("A batch holds {batch} operations at most; send the rest in another.")))
        }
        Ok(Value::Array(all)) => Ok(Posted::Batch(all.into_iter().map(of_one).collect())),
        Ok(one) => Ok(Posted::One(of_one(one)?)),
        Err(_) => Err(bad("The body is not JSON.")),
    }
}

/// Anything but JSON could be sent by a page of another site without asking first.
fn check_media_type(headers: &HeaderMap) -> Result<(), BadRequest> {
    let refused =
        |message: &'static str| BadRequest { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, message: message.into() };
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

/// Reads a GET: `query` or `documentId`, `operationName`, `variables` and `extensions` in the URL.
pub(super) fn from_get(headers: &HeaderMap, query: &str) -> Result<Asked, BadRequest> {
    if !is_meant(headers) {
        return Err(bad("A GET needs an `Accept` of `application/graphql-response+json` or `application/json`."));
    }
    let mut members = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if value.is_empty() {
            continue;
        }
        let value = match name.as_ref() {
            "query" | "documentId" | "operationName" => Value::String(value.into_owned()),
            "variables" | "extensions" => {
                serde_json::from_str(&value).map_err(|_| bad("`variables` and `extensions` must be JSON."))?
            }
            _ => continue,
        };
        if members.insert(name.into_owned(), value).is_some() {
            return Err(bad("A parameter is given twice."));
        }
    }
    asked(members)
}

/// Null counts as absent, and so do an empty name, and an empty document beside an id; members that the specification does not
/// know are left alone.
pub(super) fn asked(mut members: Map<String, Value>) -> Result<Asked, BadRequest> {
    let mut text = |name: &str, wrong: &'static str| match members.remove(name) {
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Null) | None => Ok(None),
        Some(_) => Err(bad(wrong)),
    };
    let query = text("query", "`query` must be a string.")?;
    let operation = text("operationName", "`operationName` must be a string.")?;
    let operation = operation.filter(|name| !name.is_empty());
    let named = text("documentId", "`documentId` must be a string.")?.map(DocumentId::Named);
    let variables = match members.remove("variables") {
        Some(variables @ Value::Object(_)) => Variables::from_json(variables),
        Some(Value::Null) | None => Variables::default(),
        Some(_) => return Err(bad("`variables` must be an object.")),
    };
    let hash = match members.remove("extensions") {
        Some(Value::Object(extensions)) => hash(&extensions)?.map(DocumentId::Hash),
        Some(Value::Null) | None => None,
        Some(_) => return Err(bad("`extensions` must be an object.")),
    };
    let id = named.or(hash);
    let query = query.filter(|query| id.is_none() || !query.trim().is_empty());
    if query.is_none() && id.is_none() {
        return Err(bad("`query` is missing."));
    }
    Ok(Asked { query, id, operation, variables })
}

/// The hash of an automatic persisted query.
fn hash(extensions: &Map<String, Value>) -> Result<Option<String>, BadRequest> {
    let Some(said) = extensions.get("persistedQuery").filter(|said| !said.is_null()) else { return Ok(None) };
    match (said.get("version").and_then(Value::as_u64), said.get("sha256Hash").and_then(Value::as_str)) {
        (Some(1), Some(hash)) => Ok(Some(hash.to_owned())),
        _ => Err(bad("`extensions.persistedQuery` must be of version 1, with a `sha256Hash`.")),
    }
}

/// Whether a method is one that the graph knows.
pub(super) fn is_known(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::POST)
}
