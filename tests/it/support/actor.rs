//! People who act through the graph.

use std::net::SocketAddr;

use frontdesk::{
    domain::users,
    kernel::{ids::TenantId, vocabulary::Role},
};
use serde_json::{Value, json};

use super::{
    Gateway, PASSWORD,
    gateway::person,
    socket::{Events, Socket},
};

/// What the graph answered.
pub type Answer = Value;

/// The code of the first error.
pub fn code(answer: &Answer) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("no error in {answer}"))
}

/// The sentence of the first error.
pub fn said(answer: &Answer) -> &str {
    answer["errors"][0]["message"].as_str().unwrap_or_else(|| panic!("no error in {answer}"))
}

/// Asks to sign in with everybody's password.
pub async fn login(gateway: &Gateway, email: &str) -> Answer {
    let document = "mutation($e: String!, $p: String!) { login(input: { email: $e, password: $p }) { accessToken } }";
    gateway.stranger().ask(document, json!({ "e": email, "p": PASSWORD })).await
}

pub struct Tenant<'g> {
    pub gateway: &'g Gateway,
    pub id: TenantId,
    pub slug: String,
}

impl<'g> Tenant<'g> {
    /// The tenant's administrator, signed in.
    pub async fn admin(&self) -> Actor<'g> {
        self.person("admin", Role::TenantAdmin).await
    }

    /// One of the tenant's staff, signed in.
    pub async fn staff(&self) -> Actor<'g> {
        self.person("staff", Role::User).await
    }

    /// Lets chats run on these websites only.
    pub async fn allow(&self, origins: &[&str]) {
        let document =
            "mutation($id: ID!, $o: [String!]!) { updateTenant(id: $id, input: { allowedOrigins: $o }) { id } }";
        let answer = self.gateway.root().await.ask(document, json!({ "id": self.id.to_string(), "o": origins })).await;
        assert!(answer.get("errors").is_none(), "{answer}");
    }

    /// Somebody who visits the tenant's website, and their conversation.
    pub async fn visitor(&self) -> (Actor<'g>, String) {
        let answer = self.gateway.stranger().visit(&self.slug).await;
        let session = &answer["data"]["startVisitorSession"];
        let token = session["accessToken"].as_str().unwrap_or_else(|| panic!("no session: {answer}"));
        let conversation = session["conversation"]["id"].as_str().expect("an id").to_owned();
        (self.gateway.stranger().with_token(token), conversation)
    }

    async fn person(&self, name: &str, role: Role) -> Actor<'g> {
        let email = format!("{name}@{}.example", self.slug);
        users::create(&self.gateway.inside(self.id), person(&email, role)).await.expect("a user");
        self.gateway.sign_in(&email).await
    }
}

#[derive(Clone)]
pub struct Actor<'g> {
    pub gateway: &'g Gateway,
    pub token: Option<String>,
    pub tenant: Option<String>,
    /// The node that they speak to, if it is not the gateway.
    pub node: Option<SocketAddr>,
    /// The website whose page they act from.
    pub origin: Option<String>,
}

impl Actor<'_> {
    /// The same person at another node.
    pub fn at(&self, node: SocketAddr) -> Self {
        Self { node: Some(node), ..self.clone() }
    }

    fn address(&self) -> SocketAddr {
        self.node.unwrap_or(self.gateway.address)
    }

    /// The same person, on a page of this website.
    pub fn on(&self, origin: &str) -> Self {
        Self { origin: Some(origin.to_owned()), ..self.clone() }
    }

    /// Opens a chat on a tenant's website.
    pub async fn visit(&self, subdomain: &str) -> Answer {
        let document = "mutation($s: String!) { startVisitorSession(input: { subdomain: $s }) \
                        { accessToken expiresIn conversation { id } } }";
        self.ask(document, json!({ "s": subdomain })).await
    }

    /// The same person, naming a tenant in `X-Tenant-Id`.
    pub fn in_tenant(&self, name: impl ToString) -> Self {
        Self { tenant: Some(name.to_string()), ..self.clone() }
    }

    /// The same person with another token.
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    pub fn post(&self, path: &str) -> reqwest::RequestBuilder {
        let mut request =
            self.gateway.http.post(format!("http://{}{path}", self.address())).header("x-request-id", "test");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(tenant) = &self.tenant {
            request = request.header("x-tenant-id", tenant);
        }
        if let Some(origin) = &self.origin {
            request = request.header("origin", origin);
        }
        request
    }

    /// Sends a document with variables.
    pub async fn ask(&self, document: &str, variables: Value) -> Answer {
        let body = json!({ "query": document, "variables": variables });
        let response = self.post("/graphql").json(&body).send().await.expect("an answer");
        response.json().await.expect("JSON")
    }

    /// Sends a document.
    pub async fn query(&self, document: &str) -> Answer {
        self.ask(document, json!({})).await
    }

    /// Sends a document that must succeed; gives its data.
    pub async fn data(&self, document: &str) -> Value {
        let answer = self.query(document).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"].clone()
    }

    /// Opens a conversation; gives its id.
    pub async fn conversation(&self) -> String {
        let data = self.data("mutation { startConversation(input: {}) { id } }").await;
        data["startConversation"]["id"].as_str().expect("an id").to_owned()
    }

    /// Follows a subscription over a WebSocket of its own.
    pub async fn subscribe(&self, document: &str, variables: Value) -> Events {
        let mut socket = Socket::open_at(self.address(), self.token.as_deref(), self.tenant.as_deref()).await;
        socket.subscribe("1", document, variables).await;
        Events::new(socket)
    }

    /// Sends a message and follows its reply.
    pub async fn chat(&self, conversation: &str, content: &str) -> Events {
        let variables = json!({ "input": { "conversationId": conversation, "content": content } });
        self.subscribe(CHAT, variables).await
    }

    /// Watches a conversation.
    pub async fn watch(&self, conversation: &str, after: Option<&str>) -> Events {
        self.subscribe(WATCH, json!({ "id": conversation, "after": after })).await
    }
}

/// All that a chat client wants to know of each event.
macro_rules! events {
    ($field:literal, $arguments:literal) => {
        concat!(
            "subscription ",
            $arguments,
            " { ",
            $field,
            " { __typename cursor conversationId ",
            "... on MessageAdded { message { id role content } } ... on ReplyStarted { message { id status } } ",
            "... on ReplyDelta { messageId text } ... on ReplySnapshot { messageId text } ",
            "... on ReplyCompleted { finishReason message { id status content } } ",
            "... on ToolCalled { messageId name } ... on ReplyFailed { code cause reason message { id status content } } } }"
        )
    };
}

pub const CHAT: &str = events!("chat(input: $input)", "($input: SendMessageInput!)");
const WATCH: &str = events!("conversationEvents(conversationId: $id, after: $after)", "($id: ID!, $after: String)");
