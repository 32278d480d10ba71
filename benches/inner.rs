//! The inner costs of a request, each alone: what is done thousands of times a second. By criterion,
//! whose reports are in target/criterion. Only finding out who somebody is asks a database. The whole of a request is measured in
//! benches/graph.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench says what it found and stops where it can't go on"
)]

#[path = "shared/data.rs"]
#[expect(dead_code, reason = "of the database, this bench needs no load and no server")]
mod data;
#[path = "shared/processes.rs"]
#[expect(dead_code, reason = "as above")]
mod processes;

use std::{hint::black_box, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use criterion::{Criterion, criterion_group, criterion_main};
use frontdesk::{
    chat::Body,
    db::{Db, DbSettings, identity, tables::prompts::SectionRow},
    domain::prompts,
    graph::{Asked, DocumentSettings, Graph, GraphSettings, Introspection},
    kernel::{
        clock::Clock,
        ids::{BundleId, MessageId, TenantId, UserId},
        vocabulary::{Channel, Role},
    },
    secrets::{Sealed, SecretKeys},
    tokens::jwt::{Bearer, TokenKeys},
};
use jsonwebtoken::Algorithm;
use secrecy::SecretString;
use uuid::Uuid;

fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_763_726_400, 0).expect("a moment")
}

/// What a request brings to say who it is from: checked in full, and seen before.
fn tokens(c: &mut Criterion) {
    frontdesk::tokens::install_provider();
    let secret = SecretString::from("a secret of this bench that is long enough");
    let clock = Clock::held(noon());
    let keys = TokenKeys::new(&secret, &[], Algorithm::HS256, TimeDelta::minutes(30), clock);
    let bearer = Bearer {
        user: UserId(1),
        email: "staff@exampleco.example",
        role: Role::User,
        tenant: Some(TenantId(1042)),
        session: Uuid::from_u128(7),
        lease: None,
    };
    let token = keys.issue(&bearer).expect("a token");
    let mut group = c.benchmark_group("token");
    group.bench_function("checked", |b| b.iter(|| keys.verify(black_box(&token)).is_ok()));
    group.bench_function("seen before", |b| b.iter(|| keys.verify_any(black_box(&token)).is_ok()));
    group.finish();
}

/// From a token to a scope: asked of the database, and remembered.
fn scopes(c: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let shape = data::Shape::scaled(0.002);
    let (session, (user, email)) = (Uuid::from_u128(7), shape.person(0));
    let tenant = TenantId(i64::from(data::id_of(0)));
    let database = runtime.block_on(async {
        let database = processes::Database::start(&shape).await;
        let signed_in = "INSERT INTO sessions (id, user_id, tenant_id, refresh_hash, created_at, expires_at) \
                         VALUES ($1, $2, $3, '', now(), '9999-01-01')";
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] = [&session, &i64::from(user), &tenant.0];
        data::connect(&database.owner).await.execute(signed_in, &values).await.expect("a session");
        database
    });
    let secret = SecretString::from("a secret of this bench that is long enough");
    let keys = TokenKeys::new(&secret, &[], Algorithm::HS256, TimeDelta::minutes(30), Clock::held(noon()));
    let bearer = Bearer {
        user: UserId(i64::from(user)),
        email: &email,
        role: Role::User,
        tenant: Some(tenant),
        session,
        lease: None,
    };
    let token = keys.verify(&keys.issue(&bearer).expect("a token")).expect("good");
    let mut group = c.benchmark_group("scope");
    for (name, believed) in [("asked", Duration::ZERO), ("remembered", Duration::from_hours(1))] {
        let settings = DbSettings { url: database.owner.clone(), pool_size: 1 };
        let db = runtime.block_on(async { Db::new(&settings).expect("a pool").believing_callers(believed) });
        group.bench_function(name, |b| {
            b.iter(|| {
                let resolved = runtime.block_on(identity::resolve(&db, &token, None, noon()));
                assert!(resolved.is_ok(), "nobody: {:?}", resolved.err());
            });
        });
    }
    group.finish();
}

/// What a document goes through that nobody has sent before.
fn documents(c: &mut Criterion) {
    let settings = GraphSettings { introspection: Introspection::Nobody, documents: DocumentSettings::default() };
    let graph = Graph::new(settings, Duration::from_secs(30)).expect("a graph");
    let query = "query Inbox { conversations(first: 20) { nodes { id channel status createdAt lead { id name email } \
                 messages(last: 10) { nodes { id role content createdAt } } } } }";
    c.bench_function("document, measured", |b| {
        b.iter(|| graph.check(Asked { query: Some(query.to_owned()), ..Asked::default() }).is_ok());
    });
}

/// The prompt of a reply: eight sections of the base, of which a tenant replaces three and adds two.
fn prompt(c: &mut Criterion) {
    let section = |key: usize| SectionRow {
        bundle_id: BundleId(1),
        key: format!("section-{key}"),
        content: "Be kind, be brief, and say what you do not know. ".repeat(12),
        position: i32::try_from(key).expect("small"),
        channels: (key == 2).then(|| serde_json::json!(["SMS", "WEB"])),
        is_locked: key == 0,
    };
    let (base, own): (Vec<_>, Vec<_>) = ((0..8).map(section).collect(), (5..10).map(section).collect());
    c.bench_function("prompt, composed", |b| {
        b.iter(|| prompts::compose(Some("You answer for Example Co."), &base, black_box(&own), Some(Channel::Sms)));
    });
}

/// A piece of a reply, as nodes tell each other of it.
fn events(c: &mut Criterion) {
    let delta = Body::ReplyDelta { message: MessageId(12), text: "We are open \u{2013} \"until five\".".to_owned() };
    let json = serde_json::to_string(&delta).expect("JSON");
    let mut group = c.benchmark_group("event");
    group.bench_function("written", |b| b.iter(|| serde_json::to_string(black_box(&delta))));
    group.bench_function("read", |b| b.iter(|| serde_json::from_str::<Body>(black_box(&json))));
    group.finish();
}

/// A tenant's secret: its data key is opened, and the value under that.
fn sealing(c: &mut Criterion) {
    let keys = SecretKeys::new(&SecretString::from("0f".repeat(32)), &[]).expect("keys");
    let tenant = TenantId(1042);
    let data_key = keys.make_data_key(tenant).expect("a data key");
    let value = SecretString::from("pcsk_0123456789abcdef0123456789abcdef");
    let sealed = keys.seal(tenant, "pinecone_api_key", &data_key, &value).expect("sealed");
    let sealed = Sealed { value: sealed, data_keys: vec![data_key.clone()] };
    let mut group = c.benchmark_group("secret");
    group.bench_function("sealed", |b| b.iter(|| keys.seal(tenant, "pinecone_api_key", &data_key, black_box(&value))));
    group.bench_function("opened", |b| b.iter(|| keys.open(tenant, "pinecone_api_key", black_box(&sealed)).is_ok()));
    group.finish();
}

criterion_group!(benches, tokens, scopes, documents, prompt, events, sealing);
criterion_main!(benches);
