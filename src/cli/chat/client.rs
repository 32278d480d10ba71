//! A visitor's side of the graph: documents over HTTP, replies over Server-Sent Events. What went wrong is a sentence, and
//! whether another try may mend it. Must not know the terminal.

use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use crate::cli::http;

const START: &str = "mutation($tenant: String!) { startVisitorSession(input: { subdomain: $tenant }) { accessToken } }";
const CHAT: &str = "subscription($input: SendMessageInput!) { chat(input: $input) { __typename \
    ... on ReplyStarted { message { id } } ... on ReplyDelta { text } ... on ReplySnapshot { messageId text } \
    ... on ReplyCompleted { message { id } } ... on ReplyFailed { reason } } }";
const STOP: &str = "mutation($id: ID!) { stopReply(messageId: $id) { id } }";

/// Why something did not go through.
pub(super) enum Trouble {
    /// The line broke; it may be there again in a moment.
    Broken(String),
    /// The server said no, and perhaps when to ask again.
    Refused(String, Option<u64>),
}

/// A visitor of one tenant's website.
pub(super) struct Visitor {
    http: reqwest::Client,
    url: String,
    origin: Option<String>,
    token: Option<String>,
}

impl Visitor {
    /// Opens a session.
    pub(super) async fn start(url: &str, tenant: &str, origin: Option<String>) -> anyhow::Result<Self> {
        // The server says something every few seconds, if only that it is there.
        let http = http::client(url).read_timeout(Duration::from_secs(40)).build();
        let http = http.context("making an HTTP client")?;
        let mut visitor = Self { http, url: url.trim_end_matches('/').to_owned(), origin, token: None };
        match visitor.ask(START, json!({ "tenant": tenant })).await {
            Ok(data) => {
                let token = data.pointer("/startVisitorSession/accessToken").and_then(Value::as_str);
                visitor.token = Some(token.context("the server gave no token")?.to_owned());
                Ok(visitor)
            }
            Err(Trouble::Broken(what)) => anyhow::bail!("{url} can't be reached ({what}); is the server up?"),
            Err(Trouble::Refused(why, _)) => anyhow::bail!("{why}"),
        }
    }

    /// Sends a message; its events follow. Sent again under the same id, it is the same message.
    pub(super) async fn chat(&self, content: &str, id: &str) -> Result<Events, Trouble> {
        let input = json!({ "input": { "content": content, "clientMessageId": id } });
        let response = self.post("/graphql/stream", CHAT, input).await?;
        Ok(Events { response, read: Vec::new() })
    }

    /// Stops a reply.
    pub(super) async fn stop(&self, reply: &str) -> Result<(), Trouble> {
        self.ask(STOP, json!({ "id": reply })).await.map(drop)
    }

    async fn ask(&self, document: &str, variables: Value) -> Result<Value, Trouble> {
        let response = self.post("/graphql", document, variables).await?;
        let answer: Value = response.json().await.map_err(|error| broken(&error))?;
        data(answer)
    }

    async fn post(&self, path: &str, document: &str, variables: Value) -> Result<reqwest::Response, Trouble> {
        let body = json!({ "query": document, "variables": variables });
        let mut request = self.http.post(format!("{}{path}", self.url)).json(&body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(origin) = &self.origin {
            request = request.header("origin", origin);
        }
        request.send().await.map_err(|error| broken(&error))
    }
}

/// The events of one reply.
pub(super) struct Events {
    response: reqwest::Response,
    read: Vec<u8>,
}

impl Events {
    /// The next event; `None` when there are no more.
    pub(super) async fn next(&mut self) -> Result<Option<Value>, Trouble> {
        loop {
            while let Some(end) = self.read.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = self.read.drain(..end + 2).collect();
                let event = String::from_utf8_lossy(&event);
                let part = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                match part("event:") {
                    Some("complete") => return Ok(None),
                    Some("next") => {
                        let answer = serde_json::from_str(part("data:").unwrap_or_default());
                        let answer = answer.map_err(|error| Trouble::Broken(error.to_string()))?;
                        return data(answer).map(|mut data| data.get_mut("chat").map(Value::take));
                    }
                    // A comment, to keep the line alive.
                    _ => {}
                }
            }
            match self.response.chunk().await.map_err(|error| broken(&error))? {
                Some(more) => self.read.extend_from_slice(&more),
                None => return Err(Trouble::Broken("it ended in mid-reply".to_owned())),
            }
        }
    }
}

fn data(mut answer: Value) -> Result<Value, Trouble> {
    let Some(error) = answer.pointer("/errors/0") else {
        return answer.get_mut("data").map(Value::take).ok_or_else(|| Trouble::Broken("this is no GraphQL".to_owned()));
    };
    let message = error.get("message").and_then(Value::as_str).unwrap_or("no message");
    let code = error.pointer("/extensions/code").and_then(Value::as_str).unwrap_or("no code");
    let wait = error.pointer("/extensions/retryAfter").and_then(Value::as_u64);
    Err(Trouble::Refused(format!("{message} ({code})"), wait))
}

fn broken(error: &reqwest::Error) -> Trouble {
    Trouble::Broken(http::cause(error))
}
