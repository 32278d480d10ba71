//! The limit: what a good engineer writes who needs just these four answers. axum, prepared statements, rows read into structs, JSON
//! by serde. No guard: it verifies no token, believes the tenant in the path, signs in as PostgreSQL's owner, limits, counts and logs
//! nothing. Must not know the library next door.
//!
//! As many connections as the server's pool has; requests take them in turn without waiting for each other, since a connection
//! carries several at once (pipelining), and each request is one statement. Nothing faster was found.

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::header::CONTENT_TYPE,
    response::IntoResponse,
    routing::get,
    serve::ListenerExt,
};
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize, Serializer};
use tokio::net::TcpListener;
use tokio_postgres::{Client, Row, Statement};

use crate::{data, processes, workloads::Workload};

/// As `DATABASE_POOL_SIZE` is when nobody sets it.
const LANES: usize = 16;

/// A connection and its prepared statements.
struct Lane {
    client: Client,
    lead: Statement,
    leads: Statement,
    nested: Statement,
    create: Statement,
}

#[derive(Clone)]
struct Lanes {
    lanes: Arc<[Lane]>,
    next: Arc<AtomicUsize>,
}

impl Lanes {
    fn next(&self) -> &Lane {
        &self.lanes[self.next.fetch_add(1, Ordering::Relaxed) % LANES]
    }
}

/// Serves at `BENCH_PORT` what is at `BARE_DATABASE_URL`, until killed.
pub async fn serve() {
    let url = SecretString::from(env::var("BARE_DATABASE_URL").expect("a URL"));
    let mut lanes = Vec::new();
    for _ in 0..LANES {
        let client = data::connect(&url).await;
        let [lead, leads, nested, create] = Workload::ALL.map(|workload| {
            let (client, sql) = (&client, workload.prepared());
            async move { client.prepare(&sql).await.expect("a statement") }
        });
        let (lead, leads, nested, create) = (lead.await, leads.await, nested.await, create.await);
        lanes.push(Lane { client, lead, leads, nested, create });
    }
    let port = processes::port_of_this_part();
    let routes = Router::new()
        .route("/healthz", get(|| async {}))
        .route("/tenants/{tenant}/leads/{lead}", get(lead))
        .route("/tenants/{tenant}/leads", get(leads).post(create))
        .route("/tenants/{tenant}/conversations", get(nested))
        .with_state(Lanes { lanes: lanes.into(), next: Arc::default() });
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a listener");
    let listener = listener.tap_io(|socket| socket.set_nodelay(true).expect("a socket"));
    axum::serve(listener, routes).await.expect("serving");
}

/// A global id, written without a string in between.
struct Id(&'static str, i64);

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{}_{}", self.0, self.1))
    }
}

#[derive(Serialize)]
struct Data<T> {
    data: T,
}

#[derive(Serialize)]
struct Nodes<T> {
    nodes: Vec<T>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Lead<'a> {
    id: Id,
    name: Option<&'a str>,
    email: Option<&'a str>,
    phone: Option<&'a str>,
    status: &'a str,
    created_at: DateTime<Utc>,
}

impl<'a> Lead<'a> {
    fn of(row: &'a Row) -> Self {
        Self {
            id: Id("lead", row.get(0)),
            name: row.get(1),
            email: row.get(2),
            phone: row.get(3),
            status: row.get(4),
            created_at: row.get(5),
        }
    }
}

#[derive(Serialize)]
struct OneLead<'a> {
    lead: Option<Lead<'a>>,
}

#[derive(Serialize)]
struct Leads<'a> {
    leads: Nodes<Lead<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created<'a> {
    create_lead: Lead<'a>,
}

#[derive(Serialize)]
struct Person<'a> {
    id: Id,
    name: Option<&'a str>,
    email: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    id: Id,
    role: &'a str,
    content: &'a str,
    created_at: DateTime<Utc>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Conversation<'a> {
    id: Id,
    channel: &'a str,
    status: &'a str,
    created_at: DateTime<Utc>,
    lead: Option<Person<'a>>,
    messages: Nodes<Message<'a>>,
}

#[derive(Serialize)]
struct Inbox<'a> {
    conversations: Nodes<Conversation<'a>>,
}

#[derive(Deserialize)]
struct Form {
    actor: i64,
    name: String,
    email: String,
}

fn answer<T: Serialize>(data: T) -> impl IntoResponse + use<T> {
    let json = serde_json::to_vec(&Data { data }).expect("JSON");
    ([(CONTENT_TYPE, "application/json")], json)
}

async fn lead(State(lanes): State<Lanes>, Path((tenant, id)): Path<(i64, i64)>) -> impl IntoResponse {
    let lane = lanes.next();
    let row = lane.client.query_opt(&lane.lead, &[&tenant, &id]).await.expect("a row or none");
    answer(OneLead { lead: row.as_ref().map(Lead::of) }).into_response()
}

async fn leads(State(lanes): State<Lanes>, Path(tenant): Path<i64>) -> impl IntoResponse {
    let lane = lanes.next();
    let rows = lane.client.query(&lane.leads, &[&tenant]).await.expect("rows");
    answer(Leads { leads: Nodes { nodes: rows.iter().map(Lead::of).collect() } }).into_response()
}

async fn nested(State(lanes): State<Lanes>, Path(tenant): Path<i64>) -> impl IntoResponse {
    let lane = lanes.next();
    let rows = lane.client.query(&lane.nested, &[&tenant]).await.expect("rows");
    let mut nodes: Vec<Conversation> = Vec::new();
    for row in &rows {
        // Rows of one conversation follow each other, one for each message.
        let id = row.get(0);
        if nodes.last().is_none_or(|last| last.id.1 != id) {
            let lead = row.get::<_, Option<i64>>(4).map(|id| Person {
                id: Id("lead", id),
                name: row.get(5),
                email: row.get(6),
            });
            nodes.push(Conversation {
                id: Id("conversation", id),
                channel: row.get(1),
                status: row.get(2),
                created_at: row.get(3),
                lead,
                messages: Nodes { nodes: Vec::new() },
            });
        }
        if let (Some(last), Some(id)) = (nodes.last_mut(), row.get::<_, Option<i64>>(7)) {
            let message =
                Message { id: Id("message", id), role: row.get(8), content: row.get(9), created_at: row.get(10) };
            last.messages.nodes.push(message);
        }
    }
    answer(Inbox { conversations: Nodes { nodes } }).into_response()
}

async fn create(State(lanes): State<Lanes>, Path(tenant): Path<i64>, Json(form): Json<Form>) -> impl IntoResponse {
    let lane = lanes.next();
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&tenant, &form.actor, &form.name, &form.email];
    let row = lane.client.query_one(&lane.create, &values).await.expect("a new lead");
    answer(Created { create_lead: Lead::of(&row) }).into_response()
}
