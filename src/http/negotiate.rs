//! Which media type answers a request: `Accept` with its weights (RFC 9110, section 12.5.1).

use axum::http::{HeaderMap, header};

/// How a range is noted that asks for Apollo's subscriptions.
const SUBSCRIPTIONS: &str = "multipart/mixed;subscriptionspec=1.0";

/// A form of answer that the graph has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `application/json`: status 200 for all that GraphQL has to say, as old clients expect.
    Json,
    /// `application/graphql-response+json`: the status tells whether anything was executed.
    GraphqlResponse,
    /// `text/event-stream`: GraphQL over SSE.
    Events,
    /// `multipart/mixed` with `subscriptionSpec=1.0`: Apollo's subscriptions over HTTP.
    Parts,
}

impl Form {
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Events => "text/event-stream; charset=utf-8",
            Self::Parts => "multipart/mixed; boundary=\"graphql\"; subscriptionSpec=1.0",
        }
    }

    fn fits(self, range: &str) -> Option<u8> {
        let own = match self {
            Self::Json => "application/json",
            Self::GraphqlResponse => "application/graphql-response+json",
            Self::Events => "text/event-stream",
            Self::Parts => SUBSCRIPTIONS,
        };
        match range {
            range if range == own => Some(3),
            "application/*" if !self.is_stream() => Some(2),
            "text/*" if self == Self::Events => Some(2),
            "*/*" if !self.is_stream() => Some(1),
            _ => None,
        }
    }

    /// Whether it takes several answers.
    pub(super) fn is_stream(self) -> bool {
        matches!(self, Self::Events | Self::Parts)
    }
}

/// The form that the client likes best; `None` when it takes none of ours.
pub(super) fn form(headers: &HeaderMap) -> Option<Form> {
    best(headers, &[Form::Json, Form::GraphqlResponse, Form::Events, Form::Parts])
}

/// The form that the client likes best of those for several answers.
pub(super) fn stream(headers: &HeaderMap) -> Option<Form> {
    best(headers, &[Form::Events, Form::Parts]).filter(|form| form.is_stream())
}

fn best(headers: &HeaderMap, forms: &[Form]) -> Option<Form> {
    let accepted: Vec<_> = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let accepted = accepted.join(",");
    if accepted.trim().is_empty() {
        return Some(Form::Json);
    }
    let ranges: Vec<(String, f32)> = accepted.split(',').map(range).collect();
    let weight = |form: Form| {
        ranges
            .iter()
            .filter_map(|(range, weight)| form.fits(range).map(|precision| (precision, *weight)))
            .max_by_key(|(precision, _)| *precision)
            .map_or(0.0, |(_, weight)| weight)
    };
    // Of equals the first wins: old clients send `*/*` and expect plain JSON.
    forms
        .iter()
        .map(|form| (*form, place(&ranges, *form), weight(*form)))
        .filter(|(_, _, weight)| *weight > 0.0)
        .reduce(|best, next| {
            let better = next.2 > best.2 || (next.2 >= best.2 && next.1 < best.1);
            if better { next } else { best }
        })
        .map(|(form, ..)| form)
}

/// Where the client named it: of forms that it likes equally, the one named first.
fn place(ranges: &[(String, f32)], form: Form) -> usize {
    ranges.iter().position(|(range, _)| form.fits(range).is_some()).unwrap_or(usize::MAX)
}

fn range(text: &str) -> (String, f32) {
    let mut parts = text.split(';').map(str::trim);
    let mut name = parts.next().unwrap_or_default().to_ascii_lowercase();
    // Of the parts that there are in the world, only those of this one are ours.
    if name == "multipart/mixed" {
        let is_spec = |part: &str| part.replace('"', "").eq_ignore_ascii_case("subscriptionSpec=1.0");
        name = if parts.clone().any(is_spec) { SUBSCRIPTIONS.to_owned() } else { name };
    }
    let weight = parts
        .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
        .map_or(1.0, |weight| weight.trim().parse().unwrap_or(0.0));
    (name, weight)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_client_gets_the_form_that_it_likes_best() {
        let chosen = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            form(&headers)
        };
        assert_eq!(form(&HeaderMap::new()), Some(Form::Json));
        for (accept, expected) in [
            ("*/*", Some(Form::Json)),
            ("application/json", Some(Form::Json)),
            ("application/*", Some(Form::Json)),
            ("application/graphql-response+json", Some(Form::GraphqlResponse)),
            ("application/graphql-response+json, application/json;q=0.9", Some(Form::GraphqlResponse)),
            (
                "application/graphql-response+json; charset=utf-8, application/json; charset=utf-8",
                Some(Form::GraphqlResponse),
            ),
            ("application/json, application/graphql-response+json", Some(Form::Json)),
            ("application/json;q=0.5, application/graphql-response+json", Some(Form::GraphqlResponse)),
            ("text/event-stream", Some(Form::Events)),
            ("text/event-stream, application/json;q=0.1", Some(Form::Events)),
            ("text/html", None),
            (
                "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/graphql-response+json,application/json;q=0.9",
                Some(Form::Parts),
            ),
            ("multipart/mixed; subscriptionSpec=\"1.0\", text/event-stream", Some(Form::Parts)),
            ("text/event-stream, multipart/mixed;subscriptionSpec=1.0", Some(Form::Events)),
            ("multipart/mixed, application/json", Some(Form::Json)),
            ("multipart/mixed;deferSpec=20220824, application/json", Some(Form::Json)),
            ("multipart/mixed;subscriptionSpec=2.0", None),
            ("application/json;q=0", None),
            ("text/html, */*;q=0.1", Some(Form::Json)),
        ] {
            assert_eq!(chosen(accept), expected, "{accept}");
        }
    }
}
