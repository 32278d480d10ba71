//! Leases of replies in progress: how a node keeps them, and what it hears by them.

use chrono::{DateTime, TimeDelta};
use frontdesk::{
    db::{
        identity,
        tables::messages::{self, Kept},
    },
    kernel::ids::{MessageId, TenantId},
};
use serde_json::json;

use crate::{
    chat::with_faq,
    support::{
        Gateway, Plan, cluster,
        fake_model::{FakeModel, Script},
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn all_replies_of_a_tenant_are_renewed_at_once_and_nobody_is_waited_for() {
    let gateway = Gateway::start().await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    acme.staff().await.conversation().await;
    rival.staff().await.conversation().await;
    let (owner, mut other) = (cluster::owner(&gateway.database).await, cluster::owner(&gateway.database).await);
    // 101 is written, 102 is to be stopped, 103 has ended, 104 is being ended, 105 is another tenant's.
    owner
        .batch_execute(
            "INSERT INTO messages (id, tenant_id, conversation_id, role, status, content, lease_expires_at, stop_requested_at, \
                                   created_at, updated_at)
             VALUES (101, 1001, 1, 'ASSISTANT', 'STREAMING', 'O', 'now', NULL, now(), now()),
                    (102, 1001, 1, 'ASSISTANT', 'STREAMING', 'T', 'now', now(), now(), now()),
                    (103, 1001, 1, 'ASSISTANT', 'COMPLETE', 'Three', NULL, NULL, now(), now()),
                    (104, 1001, 1, 'ASSISTANT', 'STREAMING', 'F', 'now', NULL, now(), now()),
                    (105, 1002, 2, 'ASSISTANT', 'STREAMING', 'V', 'now', NULL, now(), now())",
        )
        .await
        .expect("replies");
    let ending = other.transaction().await.expect("a transaction");
    ending.execute("SELECT 1 FROM messages WHERE id = 104 FOR UPDATE", &[]).await.expect("a lock");

    let (scope, db) = (identity::server_work(TenantId(1001)), &gateway.services.db);
    let until = DateTime::from_timestamp(1_763_700_000, 0).expect("a time") + TimeDelta::days(365);
    let texts = [(101, Some("One")), (102, None), (103, Some("?")), (104, Some("?")), (105, Some("?"))];
    let texts = || texts.iter().map(|(id, text)| (MessageId(*id), text.map(str::to_owned))).collect();
    let kept = db.write(&scope, async |tx| messages::checkpoint(tx, texts(), until).await).await.expect("kept");
    let mut kept: Vec<_> = kept.into_iter().map(|(id, kept)| (id.0, kept)).collect();
    kept.sort_by_key(|(id, _)| *id);
    assert_eq!(kept, [(101, Kept::Open), (102, Kept::StopRequested), (104, Kept::Busy)]);

    let rows = owner
        .query("SELECT content, lease_expires_at = $1 FROM messages WHERE id > 100 ORDER BY id", &[&until])
        .await
        .expect("rows");
    let rows: Vec<(String, Option<bool>)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let texts = ["One", "T", "Three", "F", "V"].map(str::to_owned);
    let renewed = [Some(true), Some(true), None, Some(false), Some(false)];
    assert_eq!(rows, texts.into_iter().zip(renewed).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_somebody_else_has_ended_is_left_off_by_its_writer() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = with_faq(&gateway).await;
    let conversation = admin.conversation().await;
    let mut chat = admin.chat(&conversation, "Count").await;
    let call = model.call().await;
    call.text("One ").await;
    for kind in ["MessageAdded", "ReplyStarted", "ReplyDelta"] {
        chat.expect(kind).await;
    }
    // As a node does that took this one for dead.
    cluster::owner(&gateway.database)
        .await
        .batch_execute(
            "UPDATE messages SET status = 'FAILED', content = 'One', lease_expires_at = NULL, failure_code = 'UPSTREAM_UNAVAILABLE',
                    failure_reason = 'The server stopped.', failure_cause = 'SERVER_STOPPED', finish_reason = 'ERROR'
             WHERE id = 2",
        )
        .await
        .expect("an end");
    // With the next beat the writer lets go of the model, and tells how it ended.
    call.left().await;
    let end = chat.all().await;
    let end = end.last().expect("an end");
    assert_eq!((&end["__typename"], &end["message"]["content"]), (&json!("ReplyFailed"), &json!("One")));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_of_the_database_nobody_ends_what_another_node_still_writes() {
    let model = FakeModel::start(Script::ByHand).await;
    let plan = Plan { model: Some(model.base_url.clone()), ..Plan::default() };
    let here = Gateway::planned(plan).await;
    let plan = Plan { database: Some(here.database.clone()), housekeeping: None, ..Plan::default() };
    let there = Gateway::planned(plan).await;
    let admin = with_faq(&here).await;
    let conversation = admin.conversation().await;
    let mut chat = admin.chat(&conversation, "Count").await;
    let call = model.call().await;
    call.text("One ").await;
    while chat.next().await.expect("more")["__typename"] != "ReplyDelta" {}
    let engine = &there.web.engine;
    let well = engine.look_around(None).await;
    assert!(well.is_some());

    cluster::take_away(&here.database).await;
    there.clock.advance(TimeDelta::seconds(8));
    assert_eq!(engine.look_around(well).await, None);
    cluster::give_back(&here.database).await;
    // By now its lease has run out, and its node has had no time to renew it.
    let well = engine.look_around(None).await;
    assert_eq!(well, Some(there.clock.now()));
    call.text("two.").await;
    call.finish().await;
    let rest = chat.all().await;
    assert_eq!(rest.last().expect("an end")["message"]["content"], "One two.");

    // Of a node that renews nothing for as long as the database is there, it is ended.
    let mut chat = admin.chat(&conversation, "Count").await;
    model.call().await;
    chat.expect("MessageAdded").await;
    chat.expect("ReplyStarted").await;
    there.clock.advance(TimeDelta::seconds(8));
    assert_eq!(engine.look_around(well).await, well);
    let ended =
        admin.at(there.address).data("{ conversations { nodes { messages(last: 1) { nodes { status } } } } }").await;
    assert_eq!(ended["conversations"]["nodes"][0]["messages"]["nodes"][0]["status"], "FAILED");
}
