//! What a reply costs: reserved before a model is asked, settled once when the reply ends, however it ends.

use std::time::Duration;

use chrono::TimeDelta;
use frontdesk::llm::{Pace, Patience};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::support::{
    Actor, Gateway, Plan,
    cluster::owner,
    fake_model::{FakeModel, Script, calls, delta, end, gemini},
};

/// What the database says of the tenant's month: used, reserved, and the sum and number of the ledger's entries.
async fn month(gateway: &Gateway) -> (i64, i64, i64, i64) {
    let sums = "SELECT coalesce((SELECT sum(used)::bigint FROM token_months), 0), \
                coalesce((SELECT sum(reserved)::bigint FROM token_months), 0), \
                coalesce(sum(prompt_tokens + completion_tokens)::bigint, 0), count(*) FROM usage_entries";
    let row = owner(&gateway.database).await.query_one(sums, &[]).await.expect("sums");
    (row.get(0), row.get(1), row.get(2), row.get(3))
}

/// The newest entry of the ledger: tokens read, tokens written, whether they are estimated.
async fn newest(gateway: &Gateway) -> (i32, i32, bool) {
    let newest = "SELECT prompt_tokens, completion_tokens, is_estimated FROM usage_entries ORDER BY id DESC LIMIT 1";
    let row = owner(&gateway.database).await.query_one(newest, &[]).await.expect("an entry");
    (row.get(0), row.get(1), row.get(2))
}

async fn allow(gateway: &Gateway, tokens: Option<i32>) {
    let document = "mutation($q: Int) { updateTenant(id: \"tenant_1001\", input: { monthlyTokenQuota: $q }) { id } }";
    let answer = gateway.root().await.ask(document, json!({ "q": tokens })).await;
    assert!(answer.get("errors").is_none(), "{answer}");
}

async fn last_of(admin: &Actor<'_>, conversation: &str, content: &str) -> Value {
    admin.chat(conversation, content).await.all().await.pop().expect("an end")
}

/// Waits until the tenant's replies stand so: that many FAILED, that many STREAMING.
async fn until(gateway: &Gateway, failed: i64, streaming: i64) {
    let owner = owner(&gateway.database).await;
    let counts = "SELECT count(*) FILTER (WHERE status = 'FAILED'), count(*) FILTER (WHERE status = 'STREAMING'), \
                  count(*) FILTER (WHERE status = 'PENDING') FROM messages WHERE role = 'ASSISTANT'";
    let all = async {
        loop {
            let row = owner.query_one(counts, &[]).await.expect("counts");
            if (row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)) == (failed, streaming, 0) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), all).await.expect("so they stand in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_at_once_stay_below_the_quota_together() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    admin.data("mutation { updateModelSettings(input: { maxOutputTokens: 1000 }) { provider } }").await;
    let send = "mutation { sendMessage(input: { content: \"Hello\" }) { reply { status } } }";
    // One alone shows what each holds: its question, and a thousand tokens for the answer.
    admin.data(send).await;
    let first = model.call().await;
    let (_, each, ..) = month(&gateway).await;
    first.text("Yes.").await;
    first.finish().await;
    until(&gateway, 0, 0).await;
    // Ten fit beside what that one used, and what is left then is worth a short one.
    let question = each - 1_000;
    let quota = 25 + 10 * each + question + 100;
    allow(&gateway, i32::try_from(quota).ok()).await;
    let sends = (0..100).map(|_| admin.data(send));
    futures_util::future::join_all(sends).await;
    until(&gateway, 89, 11).await;
    let mut asked = Vec::new();
    for _ in 0..11 {
        asked.push(model.call().await);
    }
    assert!(model.is_idle().await, "nobody else was asked");
    assert_eq!(month(&gateway).await, (25, quota - 25, 25, 1));
    let mut bounds: Vec<_> = asked.iter().filter_map(|call| call.body["max_tokens"].as_i64()).collect();
    bounds.sort_unstable();
    assert_eq!(bounds, [[100].as_slice(), &[1_000; 10]].concat());
    for call in asked {
        call.text("Yes.").await;
        call.finish().await;
    }
    until(&gateway, 89, 0).await;
    assert_eq!(month(&gateway).await, (12 * 25, 0, 12 * 25, 12));
    // What was held too much is free again.
    model.script(Script::Bytes(format!("{}{}", delta("Yes."), end())));
    let conversation = admin.conversation().await;
    assert_eq!(last_of(&admin, &conversation, "And now?").await["__typename"], "ReplyCompleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_used_up_its_month_goes_on_with_the_next_or_with_more() {
    let model = FakeModel::start(Script::Bytes(format!("{}{}", delta("Yes."), end()))).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let conversation = admin.conversation().await;
    allow(&gateway, Some(0)).await;
    let mut end = last_of(&admin, &conversation, "Hello").await;
    end["cursor"] = Value::Null;
    insta::assert_json_snapshot!(end, @r#"
    {
      "__typename": "ReplyFailed",
      "cursor": null,
      "conversationId": "conversation_1",
      "code": "QUOTA_EXCEEDED",
      "cause": "QUOTA_EXCEEDED",
      "reason": "The assistant has used up its allowance for this month. Your message is kept, and a person can still answer it.",
      "message": {
        "id": "message_2",
        "status": "FAILED",
        "content": ""
      }
    }
    "#);
    assert!(model.is_idle().await, "no model is asked");
    // The built-in responder is free.
    admin.data("mutation { updateModelSettings(input: { provider: BUILT_IN }) { provider } }").await;
    assert_eq!(last_of(&admin, &conversation, "Hello").await["__typename"], "ReplyCompleted");
    admin.data("mutation { updateModelSettings(input: { provider: PLATFORM }) { provider } }").await;
    allow(&gateway, Some(9_000)).await;
    assert_eq!(last_of(&admin, &conversation, "Hello").await["__typename"], "ReplyCompleted");
    allow(&gateway, Some(25)).await;
    assert_eq!(last_of(&admin, &conversation, "Hello").await["code"], "QUOTA_EXCEEDED");
    allow(&gateway, Some(9_000)).await;
    assert_eq!(last_of(&admin, &conversation, "Hello").await["__typename"], "ReplyCompleted");
    let spend = "UPDATE token_months SET used = 8990";
    owner(&gateway.database).await.batch_execute(spend).await.expect("spent");
    assert_eq!(last_of(&admin, &conversation, "Hello").await["code"], "QUOTA_EXCEEDED");
    gateway.clock.advance(TimeDelta::days(15));
    let admin = gateway.sign_in("admin@acme.example").await;
    assert_eq!(last_of(&admin, &conversation, "Hello").await["__typename"], "ReplyCompleted");
    let months = "SELECT count(*) FROM token_months";
    assert_eq!(owner(&gateway.database).await.query_one(months, &[]).await.expect("a count").get::<_, i64>(0), 2);
    allow(&gateway, None).await;
    assert_eq!(last_of(&admin, &conversation, "Hello").await["__typename"], "ReplyCompleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_is_settled_however_it_ends() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let conversation = admin.conversation().await;
    // The provider says what it was.
    model.script(Script::Bytes(format!("{}{}", delta("Yes."), end())));
    last_of(&admin, &conversation, "Hello").await;
    assert_eq!((newest(&gateway).await, month(&gateway).await), ((21, 4, false), (25, 0, 25, 1)));
    // Two rounds are one bill.
    let tool = calls(&[("call_1", "capture_lead", r#"{"name":"Ann"}"#)]);
    model.scripts([Script::Bytes(tool), Script::Bytes(format!("{}{}", delta("Hello Ann."), end()))]);
    last_of(&admin, &conversation, "I am Ann.").await;
    let (prompt, completion, _) = newest(&gateway).await;
    assert!(prompt >= 21 && completion >= 4, "{prompt} {completion}");
    // It doesn't: a token for four characters.
    let stop = end().split("\n\n").next().expect("a frame").to_owned();
    model.script(Script::Bytes(format!("{}{stop}\n\ndata: [DONE]\n\n", delta("Twelve chars"))));
    last_of(&admin, &conversation, "Hello").await;
    let (prompt, completion, is_estimated) = newest(&gateway).await;
    assert!(prompt > 10 && (completion, is_estimated) == (3, true), "{prompt} {completion} {is_estimated}");
    // It breaks off, with an error or without a word, and is billed for what it said.
    let error = "data: {\"error\":{\"message\":\"overloaded\"}}\n\n";
    for (rest, cause, entries) in [("", "CUT_OFF", 4), (error, "UNREACHABLE", 5)] {
        model.script(Script::Bytes(format!("{}{rest}", delta("Half of it"))));
        assert_eq!(last_of(&admin, &conversation, "Hello").await["cause"], cause);
        let (prompt, completion, is_estimated) = newest(&gateway).await;
        assert!(
            prompt > 10 && (completion, is_estimated) == (3, true),
            "{cause}: {prompt} {completion} {is_estimated}"
        );
        let (used, reserved, ledger, count) = month(&gateway).await;
        assert_eq!((used, reserved, count), (ledger, 0, entries), "{cause}");
    }
    // It refuses before a word, by a status or by an error, and is billed for nothing.
    let before = month(&gateway).await;
    let error = "data: {\"error\":{\"code\":\"invalid_api_key\"}}\n\n";
    for refusal in [Script::Status(401, "{}".to_owned()), Script::Bytes(error.to_owned())] {
        model.script(refusal);
        assert_eq!(last_of(&admin, &conversation, "Hello").await["cause"], "MISCONFIGURED");
        assert_eq!(month(&gateway).await, before);
    }
    // It is stopped; everybody has left by then.
    model.calls().await;
    model.script(Script::ByHand);
    let mut events = admin.chat(&conversation, "Hello").await;
    events.expect("MessageAdded").await;
    let reply = events.expect("ReplyStarted").await["message"]["id"].as_str().expect("an id").to_owned();
    let call = model.call().await;
    call.text("Eight ch").await;
    events.expect("ReplyDelta").await;
    drop(events);
    admin.data(&format!("mutation {{ stopReply(messageId: \"{reply}\") {{ status }} }}")).await;
    call.left().await;
    gateway.web.engine.drain(Duration::from_secs(10)).await;
    assert_eq!((newest(&gateway).await.1, newest(&gateway).await.2), (2, true));
    let (used, reserved, ledger, entries) = month(&gateway).await;
    assert_eq!((used, reserved, entries), (ledger, 0, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_stopped_before_the_next_try_owes_nothing_for_refusals() {
    let model = FakeModel::start(Script::Status(429, "{}".to_owned())).await;
    let (begun, mut waits) = mpsc::unbounded_channel();
    let pace = Pace::new(
        move |wait| {
            let _ = begun.send(wait);
            Box::pin(std::future::pending())
        },
        || 0.0,
    );
    let gateway = Gateway::planned(Plan { model: Some(model.base_url.clone()), pace, ..Plan::default() }).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let conversation = admin.conversation().await;
    for status in [429, 500] {
        model.script(Script::Status(status, "{}".to_owned()));
        let mut events = admin.chat(&conversation, "Hello").await;
        events.expect("MessageAdded").await;
        let reply = events.expect("ReplyStarted").await["message"]["id"].as_str().expect("an id").to_owned();
        waits.recv().await.expect("a pause");
        admin.data(&format!("mutation {{ stopReply(messageId: \"{reply}\") {{ status }} }}")).await;
        assert_eq!(events.expect("ReplyCompleted").await["finishReason"], "CANCELLED");
        assert_eq!(month(&gateway).await, (0, 0, 0, 0), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_has_worked_on_is_owed_also_where_another_one_writes() {
    let (model, other) = (FakeModel::start(Script::ByHand).await, FakeModel::start(Script::ByHand).await);
    other.script(Script::Bytes(gemini(&json!([{ "text": "I stand in." }]), "STOP")));
    let patience = Patience { first_sign: Duration::from_millis(300), ..Patience::default() };
    let (model_url, gemini_url) = (Some(model.base_url.clone()), Some(other.gemini_url.clone()));
    let gateway = Gateway::planned(Plan { model: model_url, gemini: gemini_url, patience, ..Plan::default() }).await;
    let admin = gateway.tenant("acme").await.admin().await;
    admin.data("mutation { updateModelSettings(input: { allowFallback: true }) { provider } }").await;
    let conversation = admin.conversation().await;
    // Refused, the first costs nothing; silent, it may have worked.
    model.script(Script::Status(503, String::new()));
    assert_eq!(last_of(&admin, &conversation, "Hello").await["message"]["content"], "I stand in.");
    assert_eq!(newest(&gateway).await, (9, 6, false));
    model.script(Script::ByHand);
    assert_eq!(last_of(&admin, &conversation, "Hello").await["message"]["content"], "I stand in.");
    let (prompt, completion, is_estimated) = newest(&gateway).await;
    assert!(prompt > 9 + 10 && (completion, is_estimated) == (6, true), "{prompt} {completion} {is_estimated}");
    let (used, reserved, ledger, entries) = month(&gateway).await;
    assert_eq!((used, reserved, entries), (ledger, 0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_whose_node_died_is_settled_with_what_it_noted() {
    let gateway = Gateway::start().await;
    let admin = gateway.tenant("acme").await.admin().await;
    admin.conversation().await;
    owner(&gateway.database)
        .await
        .batch_execute(
            "INSERT INTO messages (tenant_id, conversation_id, role, status, content, created_at, updated_at)
             VALUES (1001, 1, 'CUSTOMER', 'COMPLETE', 'Hello', '2026-11-21 12:00Z', '2026-11-21 12:00Z');
             INSERT INTO messages (tenant_id, conversation_id, role, status, content, reply_to_id, model, prompt_tokens, reserved_tokens,
                                   lease_expires_at, created_at, updated_at)
             VALUES (1001, 1, 'ASSISTANT', 'STREAMING', 'Half ', 1, 'large', 100, 600, '2026-11-21 12:00:07Z', '2026-11-21 12:00Z', '2026-11-21 12:00Z');
             INSERT INTO token_months (tenant_id, month, used, reserved) VALUES (1001, '2026-11-01', 50, 600)",
        )
        .await
        .expect("rows");
    gateway.clock.advance(TimeDelta::seconds(10));
    // The server looks by itself, too: whoever comes second finds nothing.
    gateway.web.engine.end_abandoned().await.expect("looked");
    until(&gateway, 1, 0).await;
    assert_eq!(newest(&gateway).await, (100, 2, true));
    assert_eq!(month(&gateway).await, (152, 0, 102, 1));
}

/// What a reply may use is reserved as it begins. One that somebody else ended while it waited for its turn holds nothing of the month, or
/// nobody would ever give it back.
#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_was_ended_before_its_turn_holds_nothing() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let conversation = admin.conversation().await;
    let mut events = admin.chat(&conversation, "Hello").await;
    let call = model.call().await;
    call.text("Yes.").await;
    events.expect("MessageAdded").await;
    events.expect("ReplyStarted").await;
    events.expect("ReplyDelta").await;
    let send = format!(
        "mutation {{ sendMessage(input: {{ conversationId: \"{conversation}\", content: \"And?\" }}) {{ reply {{ status }} }} }}"
    );
    assert_eq!(admin.data(&send).await["sendMessage"]["reply"]["status"], "PENDING");
    let end = "UPDATE messages SET status = 'FAILED', lease_expires_at = NULL WHERE status = 'PENDING'";
    assert_eq!(owner(&gateway.database).await.execute(end, &[]).await.expect("ended"), 1);
    call.finish().await;
    events.expect("ReplyCompleted").await;
    gateway.web.engine.drain(Duration::from_secs(10)).await;
    let (used, reserved, ledger, entries) = month(&gateway).await;
    assert_eq!((used, reserved, entries), (ledger, 0, 1));
    assert_eq!(model.calls().await, 0, "nobody asked for the second");
}

/// The asker waits for a reply's begin. It alone is not waited for until it is on the disk, and only where nothing is held of a quota
/// by it: should the database's machine die, the message is there, and the end will be.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_begin_of_a_reply_may_be_lost_with_the_databases_machine() {
    let model = FakeModel::start(Script::Bytes(format!("{}{}", delta("Yes."), end()))).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let owner = owner(&gateway.database).await;
    // Whether a commit waits was said for this transaction, or is as the server has it.
    let watch = "CREATE TABLE waits (said text, is_own boolean); GRANT INSERT ON waits TO frontdesk_tenant;
        CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO waits SELECT NEW.role || ' ' || NEW.status, source = 'session' AND setting = 'off'
                FROM pg_settings WHERE name = 'synchronous_commit';
            RETURN NULL;
        END $$;
        CREATE TRIGGER watch AFTER INSERT OR UPDATE ON messages FOR EACH ROW EXECUTE FUNCTION watch()";
    owner.batch_execute(watch).await.expect("watched");
    for (quota, expected) in [(None, ["ASSISTANT STREAMING"].as_slice()), (Some(1_000_000), &[])] {
        allow(&gateway, quota).await;
        let conversation = admin.conversation().await;
        assert_eq!(last_of(&admin, &conversation, "Hello").await["__typename"], "ReplyCompleted");
        let rows = owner.query("DELETE FROM waits RETURNING said, is_own", &[]).await.expect("rows");
        assert!(rows.iter().any(|row| row.get::<_, &str>(0) == "ASSISTANT COMPLETE"), "all of it was seen");
        let mut lost: Vec<&str> = rows.iter().filter(|row| row.get(1)).map(|row| row.get(0)).collect();
        lost.dedup();
        assert_eq!(lost, expected, "{quota:?}");
    }
}

/// The database's machine died with a reply's begin unwritten and is back before its lease runs out: the row waits still and holds
/// nothing, of the month nothing is known. What the reply used is counted, and it gives back no more than it holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_reply_whose_begin_was_lost_is_settled_as_any_other() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let owner = owner(&gateway.database).await;
    let lose = "UPDATE messages SET status = 'PENDING', prompt_hash = NULL, model = NULL, prompt_tokens = NULL, reserved_tokens = NULL
                WHERE status = 'STREAMING'; UPDATE token_months SET reserved = 0; DELETE FROM token_months WHERE used = 0";
    let conversation = admin.conversation().await;
    let events = admin.chat(&conversation, "Hello").await;
    let call = model.call().await;
    owner.batch_execute(lose).await.expect("lost");
    call.text("Yes.").await;
    call.finish().await;
    assert_eq!(events.all().await.pop().expect("an end")["__typename"], "ReplyCompleted");
    let (used, reserved, ledger, entries) = month(&gateway).await;
    assert_eq!((used, reserved, ledger, entries), (25, 0, 25, 1));
    // Between two questions: the second reserves for both.
    let events = admin.chat(&conversation, "I am Ann.").await;
    let call = model.call().await;
    owner.batch_execute(lose).await.expect("lost");
    call.raw(&calls(&[("call_1", "capture_lead", r#"{"name":"Ann"}"#)])).await;
    drop(call);
    let call = model.call().await;
    let (_, reserved, ..) = month(&gateway).await;
    assert!(reserved > 0, "for the second question");
    call.text("Hello Ann.").await;
    call.finish().await;
    assert_eq!(events.all().await.pop().expect("an end")["__typename"], "ReplyCompleted");
    let (used, reserved, ledger, entries) = month(&gateway).await;
    assert_eq!((used, reserved, entries), (ledger, 0, 2));
}
