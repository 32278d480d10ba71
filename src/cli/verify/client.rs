//! Asks a graph over HTTP, as any frontend would: a document, its variables, a token, the name of a tenant. Everything that
//! can go wrong on the way is a sentence. Must not know what is being checked.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use crate::cli::{http, verify::report::Verdict};

/// Most characters of an answer that a sentence repeats.
const SHOWN: usize = 240;

/// A server's graph, and a secret that none of its answers may hold.
pub(super) struct Graph {
    http: reqwest::Client,
    url: String,
    /// To be given to the server, and never to come back.
    pub(super) secret: String,
    /// Who got it back all the same, and by which question.
    spilt: Mutex<Vec<String>>,
}

impl Graph {
    pub(super) fn new(url: &str, secret: String) -> anyhow::Result<Self> {
        let http = http::client(url).timeout(Duration::from_secs(30)).build().context("making an HTTP client")?;
        let url = format!("{}/graphql", url.trim_end_matches('/').trim_end_matches("/graphql"));
        Ok(Self { http, url, secret, spilt: Mutex::default() })
    }

    /// Somebody without a token.
    pub(super) fn stranger(&self) -> Caller<'_> {
        Caller { graph: self, who: "somebody without a token".to_owned(), token: None, tenant: None, origin: None }
    }

    /// Signs in; gives the whole answer, for whoever wants to see it refused.
    pub(super) async fn login(&self, email: &str, password: &str) -> Verdict<Answer> {
        let login = "mutation($input: LoginInput!) { login(input: $input) { accessToken user { id role } } }";
        self.stranger().ask(login, json!({ "input": { "email": email, "password": password } })).await
    }

    /// A person, signed in. `who` is what sentences call them.
    pub(super) async fn sign_in(&self, who: &str, email: &str, password: &str) -> Verdict<Caller<'_>> {
        let answer = self.login(email, password).await?;
        if let Some(error) = answer.errors().first() {
            return Err(format!("{email} can't sign in: {}", message(error)));
        }
        let token = answer.text("/login/accessToken")?;
        Ok(Caller { token: Some(token), who: who.to_owned(), ..self.stranger() })
    }

    /// The global administrator, signed in.
    pub(super) async fn administrator(&self, email: &str, password: &SecretString) -> Verdict<Caller<'_>> {
        let caller = self.sign_in("the administrator", email, password.expose_secret()).await?;
        let answer = caller.ask("{ me { role } }", json!({})).await?;
        match answer.text("/me/role")?.as_str() {
            "ADMIN" => Ok(caller),
            role => {
                Err(format!("{email} is no global administrator but {role}; the checks make tenants, and need one"))
            }
        }
    }

    /// Who was shown the secret, and by which question.
    pub(super) fn spilt(&self) -> Vec<String> {
        self.spilt.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Somebody who asks.
#[derive(Clone)]
pub(super) struct Caller<'g> {
    graph: &'g Graph,
    /// What sentences call them.
    pub(super) who: String,
    /// Their access token.
    pub(super) token: Option<String>,
    tenant: Option<String>,
    origin: Option<String>,
}

impl Caller<'_> {
    /// The same person, on a page of this website.
    pub(super) fn on(&self, origin: &str) -> Self {
        Self { who: format!("{} on {origin}", self.who), origin: Some(origin.to_owned()), ..self.clone() }
    }

    /// The same person, naming a tenant in `X-Tenant-Id`.
    pub(super) fn naming(&self, tenant: &str) -> Self {
        Self { who: format!("{} naming {tenant}", self.who), tenant: Some(tenant.to_owned()), ..self.clone() }
    }

    /// The same person with another token.
    pub(super) fn with_token(&self, who: &str, token: String) -> Self {
        Self { who: who.to_owned(), token: Some(token), ..self.clone() }
    }

    /// Sends a document with its variables.
    pub(super) async fn ask(&self, document: &str, variables: Value) -> Verdict<Answer> {
        let graph = self.graph;
        let mut request = graph.http.post(&graph.url).json(&json!({ "query": document, "variables": variables }));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(tenant) = &self.tenant {
            request = request.header("x-tenant-id", tenant);
        }
        if let Some(origin) = &self.origin {
            request = request.header("origin", origin);
        }
        let unreachable = |error: reqwest::Error| {
            let cause = anyhow::Error::new(error);
            let cause = cause.root_cause();
            format!("{} can't be reached ({cause}); is the server up, and the URL right?", graph.url)
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let text = response.text().await.map_err(unreachable)?;
        if text.contains(&graph.secret) {
            let mut spilt = graph.spilt.lock().unwrap_or_else(PoisonError::into_inner);
            spilt.push(format!("{} by `{document}`", self.who));
        }
        match serde_json::from_str(&text) {
            Ok(Value::Object(body)) if body.contains_key("data") || body.contains_key("errors") => {
                Ok(Answer { who: self.who.clone(), body })
            }
            _ => Err(format!(
                "{} answered with status {status} and no GraphQL ({}); is the URL a Frontdesk server's?",
                graph.url,
                shortened(&text)
            )),
        }
    }
}

/// What the graph answered, and to whom.
pub(super) struct Answer {
    who: String,
    body: Map<String, Value>,
}

impl Answer {
    /// The data of an answer without errors.
    pub(super) fn data(&self) -> Verdict<&Value> {
        match self.body.get("data") {
            Some(data) if self.errors().is_empty() => Ok(data),
            _ => Err(self.instead("an answer without errors")),
        }
    }

    /// The text at a place of the data, such as `/tenant/id`.
    pub(super) fn text(&self, place: &str) -> Verdict<String> {
        let text = self.data()?.pointer(place).and_then(Value::as_str);
        text.map(str::to_owned).ok_or_else(|| self.instead(&format!("a text at {place}")))
    }

    /// The items at a place of the data.
    pub(super) fn items(&self, place: &str) -> Verdict<&Vec<Value>> {
        let items = self.data()?.pointer(place).and_then(Value::as_array);
        items.ok_or_else(|| self.instead(&format!("a list at {place}")))
    }

    /// At this place of the data stands exactly this.
    pub(super) fn is(&self, place: &str, wanted: &Value) -> Verdict {
        match self.data()?.pointer(place) {
            Some(found) if found == wanted => Ok(()),
            _ => Err(self.instead(&format!("{wanted} at {place}"))),
        }
    }

    /// The data holds this text somewhere.
    pub(super) fn holds(&self, text: &str) -> Verdict {
        let found = self.data()?.to_string().contains(text);
        found.then_some(()).ok_or_else(|| self.instead(&format!("an answer that holds {text}")))
    }

    /// The answer, errors included, holds this text nowhere.
    pub(super) fn lacks(&self, text: &str) -> Verdict {
        let found = Value::from(self.body.clone()).to_string().contains(text);
        (!found).then_some(()).ok_or_else(|| self.instead(&format!("an answer without {text}")))
    }

    /// Refused with one of these codes, and nothing given beside it.
    pub(super) fn refused(&self, codes: &[&str]) -> Verdict {
        let nothing = match self.body.get("data") {
            None | Some(Value::Null) => true,
            Some(Value::Object(fields)) => fields.values().all(Value::is_null),
            Some(_) => false,
        };
        let mut errors = self.errors().iter();
        let fits = |error: &Value| code(error).is_some_and(|code| codes.contains(&code));
        if nothing && !self.errors().is_empty() && errors.all(fits) {
            return Ok(());
        }
        Err(self.instead(&format!("refused with {}, and given nothing", codes.join(" or "))))
    }

    /// The errors as they would be whichever request and id they were about.
    pub(super) fn errors_about(&self, id: &str) -> Value {
        let mut errors = self.errors().to_vec();
        for error in &mut errors {
            if let Some(extensions) = error.get_mut("extensions").and_then(Value::as_object_mut) {
                extensions.remove("requestId");
            }
        }
        let text = Value::from(errors).to_string().replace(id, "ID");
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    }

    fn errors(&self) -> &[Value] {
        self.body.get("errors").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// What was seen, and what should have been.
    pub(super) fn instead(&self, wanted: &str) -> String {
        let seen = match self.errors().first() {
            Some(error) => {
                format!("{} ({})", code(error).unwrap_or("no code"), message(error))
            }
            None => self.body.get("data").map_or_else(String::new, Value::to_string),
        };
        format!("{} saw {}; should have been {wanted}", self.who, shortened(&seen))
    }
}

fn code(error: &Value) -> Option<&str> {
    error.pointer("/extensions/code").and_then(Value::as_str)
}

fn message(error: &Value) -> &str {
    error.get("message").and_then(Value::as_str).unwrap_or("no message")
}

fn shortened(text: &str) -> String {
    match text.trim().char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.trim().get(..end).unwrap_or_default()),
        None => text.trim().to_owned(),
    }
}
