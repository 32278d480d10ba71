//! Several nodes, one conversation: whatever happens to a node, or to the Redis between them, every watcher ends up with the
//! same text.

use std::time::Duration;

use chrono::TimeDelta;
use frontdesk::kernel::clock::Clock;
use serde_json::{Value, json};

use crate::{
    chat::{kinds, shown, with_faq},
    support::{
        Actor, CHAT, Gateway, Plan, cluster,
        fake_model::{Call, FakeModel, Script},
        forgetful::Forgetful,
        process::Server,
        redis::Redis,
        socket::Events,
    },
};

/// Two nodes over one database and one Redis.
async fn two_nodes(redis: &Redis, model: &FakeModel) -> (Gateway, Gateway) {
    linked([redis.url(), redis.url()], model).await
}

/// The same, each with a way of its own to that Redis.
async fn linked([near, far]: [String; 2], model: &FakeModel) -> (Gateway, Gateway) {
    let plan =
        |redis, database| Plan { model: Some(model.base_url.clone()), redis: Some(redis), database, ..Plan::default() };
    let here = Gateway::planned(plan(near, None)).await;
    let there = Gateway::planned(plan(far, Some(here.database.clone()))).await;
    for node in [&here, &there] {
        until(node, "redis", "ok").await;
    }
    (here, there)
}

/// Waits until `/readyz` says so.
async fn until(node: &Gateway, part: &str, word: &str) {
    while ready(node).await[part] != word {
        tokio::task::yield_now().await;
    }
}

async fn ready(node: &Gateway) -> Value {
    node.http.get(node.url("/readyz")).send().await.expect("an answer").json().await.expect("JSON")
}

async fn measured(node: &Gateway) -> String {
    node.http.get(node.url("/metrics")).send().await.expect("an answer").text().await.expect("text")
}

/// Reads to the end of the reply.
async fn to_the_end(events: &mut Events) -> Vec<Value> {
    let mut seen = Vec::new();
    loop {
        let event = events.next().await.expect("an end");
        let is_end = ["ReplyCompleted", "ReplyFailed"].contains(&event["__typename"].as_str().expect("a type"));
        seen.push(event);
        if is_end {
            return seen;
        }
    }
}

/// Reads until this text is shown.
async fn until_shown(events: &mut Events, seen: &mut Vec<Value>, text: &str) {
    while shown(seen) != text {
        seen.push(events.next().await.expect("more"));
    }
}

async fn say(call: &Call, text: &str, watchers: &mut [(&mut Events, &mut Vec<Value>)]) {
    call.text(text).await;
    for (events, seen) in watchers {
        let shown_then = shown(seen) + text;
        until_shown(events, seen, &shown_then).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_on_another_node_sees_what_the_own_node_sees() {
    let (redis, model) = (Redis::start().await, FakeModel::start(Script::ByHand).await);
    let (here, there) = two_nodes(&redis, &model).await;
    let admin = with_faq(&here).await;
    let conversation = admin.conversation().await;
    let mut near = admin.watch(&conversation, None).await;
    let mut far = admin.at(there.address).watch(&conversation, None).await;
    // Both watch before anything is said.
    here.until_watched().await;
    there.until_watched().await;
    let (mut seen_near, mut seen_far) = (Vec::new(), Vec::new());
    let mut chat = admin.chat(&conversation, "Hello").await;
    seen_near.push(near.expect("MessageAdded").await);
    seen_far.push(far.expect("MessageAdded").await);
    let call = model.call().await;
    for word in ["One ", "two ", "three "] {
        say(&call, word, &mut [(&mut near, &mut seen_near), (&mut far, &mut seen_far)]).await;
    }
    // Who comes in the middle is given what there is.
    let mut late = admin.at(there.address).watch(&conversation, None).await;
    assert_eq!(late.expect("ReplySnapshot").await["text"], "One two three ");
    call.text("four.").await;
    call.finish().await;
    seen_near.extend(to_the_end(&mut near).await);
    seen_far.extend(to_the_end(&mut far).await);
    assert_eq!(seen_near, seen_far, "byte for byte, cursors too");
    assert_eq!(shown(&seen_far), "One two three four.");
    assert_eq!(shown(&to_the_end(&mut late).await), "four.");
    to_the_end(&mut chat).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_cut_at_any_of_two_hundred_places_goes_on_exactly_on_either_node() {
    let (redis, model) = (Redis::start().await, FakeModel::start(Script::ByHand).await);
    let (here, there) = two_nodes(&redis, &model).await;
    let admin = with_faq(&here).await;
    let conversation = admin.conversation().await;
    let mut watcher = admin.watch(&conversation, None).await;
    here.until_watched().await;
    let mut seen = Vec::new();
    let mut chat = admin.chat(&conversation, "Count").await;
    let call = model.call().await;
    for number in 0..198 {
        say(&call, &format!("{number} 🏊 "), &mut [(&mut watcher, &mut seen)]).await;
    }
    call.finish().await;
    seen.extend(to_the_end(&mut watcher).await);
    to_the_end(&mut chat).await;
    assert!(seen.len() > 200, "{}", seen.len());
    let whole = shown(&seen);
    for (place, event) in seen.iter().enumerate().take(seen.len() - 1) {
        let node = if place % 2 == 0 { here.address } else { there.address };
        let mut rest = admin.at(node).watch(&conversation, event["cursor"].as_str()).await;
        let rest = to_the_end(&mut rest).await;
        assert_eq!(shown(&seen[..=place]) + &shown(&rest), whole, "cut at {place}");
        assert_eq!(rest.last(), seen.last(), "cut at {place}");
        // Of what is far behind, deltas come joined; of the rest, each as it was.
        let missed = &seen[place + 1..];
        assert!(missed.len() > 64 || rest == missed, "cut at {place}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_sends_to_two_nodes_are_one_message_one_call_and_one_bill() {
    let (redis, model) = (Redis::start().await, FakeModel::start(Script::ByHand).await);
    let (here, there) = two_nodes(&redis, &model).await;
    let admin = with_faq(&here).await;
    let conversation = admin.conversation().await;
    let send = format!(
        "mutation {{ sendMessage(input: {{ conversationId: \"{conversation}\", content: \"Hello\", clientMessageId: \"c-1\" }}) \
         {{ message {{ id }} reply {{ id }} }} }}"
    );
    let nodes = [here.address, there.address];
    let sends = (0..50).map(|number| {
        let (actor, send) = (admin.at(nodes[number % 2]), send.clone());
        async move { actor.data(&send).await }
    });
    let answers = futures_util::future::join_all(sends).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let mut far = admin.at(there.address).watch(&conversation, None).await;
    there.until_watched().await;
    let call = model.call().await;
    call.text("Hi.").await;
    call.finish().await;
    to_the_end(&mut far).await;
    assert!(model.is_idle().await);
    let used = admin
        .data(r#"{ usage(from: "2026-11-01T00:00:00Z", to: "2026-12-01T00:00:00Z") { messages promptTokens } }"#)
        .await;
    assert_eq!(used["usage"], json!({ "messages": 1, "promptTokens": 21 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_to_two_nodes_are_answered_one_after_the_other() {
    let (redis, model) = (Redis::start().await, FakeModel::start(Script::ByHand).await);
    let (here, there) = two_nodes(&redis, &model).await;
    let admin = with_faq(&here).await;
    let conversation = admin.conversation().await;
    let first = admin.chat(&conversation, "First").await;
    let call = model.call().await;
    let mut second = admin.at(there.address).chat(&conversation, "Second").await;
    second.expect("MessageAdded").await;
    call.text("One.").await;
    assert!(model.is_idle().await, "the second waits");
    call.finish().await;
    assert_eq!(shown(&first.all().await), "One.");
    let call = model.call().await;
    let said: Vec<_> =
        call.body["messages"].as_array().expect("messages").iter().map(|m| m["content"].clone()).collect();
    assert_eq!(said[1..], [json!("First"), json!("One."), json!("Second")]);
    call.text("Two.").await;
    call.finish().await;
    assert_eq!(shown(&second.all().await), "Two.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_is_stopped_from_another_node() {
    let (redis, model) = (Redis::start().await, FakeModel::start(Script::ByHand).await);
    let (here, there) = two_nodes(&redis, &model).await;
    let admin = with_faq(&here).await;
    let conversation = admin.conversation().await;
    let mut chat = admin.chat(&conversation, "Go on").await;
    let call = model.call().await;
    say(&call, "One ", &mut [(&mut chat, &mut Vec::new())]).await;
    let stop = "mutation { stopReply(messageId: \"message_2\") { status content } }";
    let stopped = admin.at(there.address).data(stop).await;
    assert_eq!(stopped["stopReply"], json!({ "status": "CANCELLED", "content": "One " }));
    call.left().await;
    assert_eq!(chat.expect("ReplyCompleted").await["finishReason"], "CANCELLED");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_a_stop_is_read_from_the_database() {
    let (mut redis, model) = (Redis::start().await, FakeModel::start(Script::ByHand).await);
    let (here, there) = two_nodes(&redis, &model).await;
    let admin = with_faq(&here).await;
    let conversation = admin.conversation().await;
    let mut chat = admin.chat(&conversation, "Go on").await;
    let call = model.call().await;
    say(&call, "One ", &mut [(&mut chat, &mut Vec::new())]).await;
    redis.stop();
    until(&there, "redis", "unreachable").await;
    let stop = "mutation { stopReply(messageId: \"message_2\") { id } }";
    admin.at(there.address).data(stop).await;
    call.left().await;
    assert_eq!(chat.expect("ReplyCompleted").await["finishReason"], "CANCELLED");
}

#[tokio::test(flavor = "multi_thread")]
async fn chats_go_on_while_redis_is_away_and_the_others_catch_up_when_it_is_back() {
    let (mut redis, model) = (Redis::start().await, FakeModel::start(Script::ByHand).await);
    let (here, there) = two_nodes(&redis, &model).await;
    let admin = with_faq(&here).await;
    let conversation = admin.conversation().await;
    let mut far = admin.at(there.address).watch(&conversation, None).await;
    let mut near = admin.chat(&conversation, "Count").await;
    let (mut seen_near, mut seen_far) = (Vec::new(), Vec::new());
    let call = model.call().await;
    say(&call, "One ", &mut [(&mut near, &mut seen_near), (&mut far, &mut seen_far)]).await;
    redis.stop();
    say(&call, "two ", &mut [(&mut near, &mut seen_near)]).await;
    until(&here, "redis", "unreachable").await;
    assert_eq!(
        ready(&here).await,
        json!({ "ready": true, "degraded": true, "database": "ok", "migrations": "ok", "redis": "unreachable", "replica": "not used" })
    );
    assert!(measured(&here).await.contains("frontdesk_degraded{what=\"redis\"} 1\n"));
    say(&call, "three ", &mut [(&mut near, &mut seen_near)]).await;
    // A node that starts while Redis is away starts all the same, and a conversation that begins then goes to its end.
    let other = admin.conversation().await;
    let mut apart = admin.chat(&other, "Meanwhile").await;
    let meanwhile = model.call().await;
    meanwhile.text("Here.").await;
    meanwhile.finish().await;
    assert_eq!(shown(&to_the_end(&mut apart).await), "Here.");
    redis.start_again().await;
    // The other node's watcher is given the whole text, and what follows.
    until_shown(&mut far, &mut seen_far, "One two three ").await;
    for node in [&here, &there] {
        until(node, "redis", "ok").await;
    }
    say(&call, "four.", &mut [(&mut near, &mut seen_near), (&mut far, &mut seen_far)]).await;
    call.finish().await;
    to_the_end(&mut near).await;
    let end = to_the_end(&mut far).await;
    assert_eq!(end.last().expect("an end")["message"]["content"], "One two three four.");
    // Whoever held a cursor of the time apart misses nothing on the other node.
    for event in &seen_near {
        let mut rest = admin.at(there.address).watch(&conversation, event["cursor"].as_str()).await;
        let rest = to_the_end(&mut rest).await;
        assert_eq!(rest.last().expect("an end")["message"]["content"], "One two three four.");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_ends_while_redis_is_away_is_known_on_the_other_node_afterwards() {
    let (mut redis, model) = (Redis::start().await, FakeModel::start(Script::ByHand).await);
    let (here, there) = two_nodes(&redis, &model).await;
    let admin = with_faq(&here).await;
    let conversation = admin.conversation().await;
    let mut far = admin.at(there.address).watch(&conversation, None).await;
    let mut near = admin.chat(&conversation, "Count").await;
    let mut seen_far = Vec::new();
    let call = model.call().await;
    say(&call, "One ", &mut [(&mut near, &mut Vec::new()), (&mut far, &mut seen_far)]).await;
    redis.stop();
    call.text("two.").await;
    call.finish().await;
    to_the_end(&mut near).await;
    redis.start_again().await;
    seen_far.extend(to_the_end(&mut far).await);
    assert_eq!(shown(&seen_far), "One two.");
    assert_eq!(kinds(&seen_far).last(), Some(&"ReplyCompleted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_its_node_could_tell_nobody_is_heard_of_all_the_same() {
    let (redis, model) = (Redis::start().await, FakeModel::start(Script::ByHand).await);
    let (mut here, there) = two_nodes(&redis, &model).await;
    let address = here.address;
    let admin = with_faq(&there).await;
    let conversation = admin.conversation().await;
    let mut far = admin.watch(&conversation, None).await;
    let mut near = admin.at(address).chat(&conversation, "Count").await;
    let mut seen_far = Vec::new();
    let call = model.call().await;
    say(&call, "One ", &mut [(&mut near, &mut Vec::new()), (&mut far, &mut seen_far)]).await;
    redis.freeze();
    call.text("two.").await;
    call.finish().await;
    to_the_end(&mut near).await;
    here.stop().await;
    redis.thaw();
    until(&there, "redis", "ok").await;
    // A silence may be a model that thinks, so the database is asked only after a while.
    // Once more where something was heard only then.
    let mut rest = Box::pin(to_the_end(&mut far));
    loop {
        there.clock.advance(TimeDelta::seconds(16));
        if let Ok(seen) = tokio::time::timeout(Duration::from_secs(3), &mut rest).await {
            seen_far.extend(seen);
            break;
        }
    }
    assert_eq!(seen_far.last().expect("an end")["message"]["content"], "One two.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_network_forgot_is_noticed_by_whoever_listens_on_it() {
    let (redis, model) = (Redis::start().await, FakeModel::start(Script::ByHand).await);
    let way = Forgetful::to(&redis);
    let (here, there) = linked([redis.url(), way.url()], &model).await;
    let admin = with_faq(&here).await;
    let conversation = admin.conversation().await;
    let mut far = admin.at(there.address).watch(&conversation, None).await;
    let mut near = admin.chat(&conversation, "Count").await;
    let (mut seen_near, mut seen_far) = (Vec::new(), Vec::new());
    let call = model.call().await;
    say(&call, "One ", &mut [(&mut near, &mut seen_near), (&mut far, &mut seen_far)]).await;
    way.forget();
    say(&call, "two ", &mut [(&mut near, &mut seen_near)]).await;
    // A chat that begins there now is not held up for long, nor lost.
    let other = admin.conversation().await;
    let mut meanwhile = admin.at(there.address).chat(&other, "Hello").await;
    let answer = model.call().await;
    answer.text("Here.").await;
    answer.finish().await;
    assert_eq!(shown(&to_the_end(&mut meanwhile).await), "Here.");
    until_shown(&mut far, &mut seen_far, "One two ").await;
    say(&call, "three.", &mut [(&mut near, &mut seen_near), (&mut far, &mut seen_far)]).await;
    call.finish().await;
    to_the_end(&mut near).await;
    to_the_end(&mut far).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_says_nothing_holds_nobody_up_and_one_that_forgets_everything_loses_nothing() {
    let (redis, model) = (Redis::start().await, FakeModel::start(Script::ByHand).await);
    let (here, there) = two_nodes(&redis, &model).await;
    let admin = with_faq(&here).await;
    let conversation = admin.conversation().await;
    let mut far = admin.at(there.address).watch(&conversation, None).await;
    let mut near = admin.chat(&conversation, "Count").await;
    let (mut seen_near, mut seen_far) = (Vec::new(), Vec::new());
    let call = model.call().await;
    say(&call, "One ", &mut [(&mut near, &mut seen_near), (&mut far, &mut seen_far)]).await;
    redis.command(&["FLUSHALL"]).await;
    say(&call, "two ", &mut [(&mut near, &mut seen_near), (&mut far, &mut seen_far)]).await;
    let mut late = admin.at(there.address).watch(&conversation, None).await;
    assert_eq!(late.expect("ReplySnapshot").await["text"], "One two ");
    redis.freeze();
    say(&call, "three ", &mut [(&mut near, &mut seen_near)]).await;
    redis.thaw();
    until_shown(&mut far, &mut seen_far, "One two three ").await;
    call.text("four.").await;
    call.finish().await;
    to_the_end(&mut near).await;
    seen_far.extend(to_the_end(&mut far).await);
    assert_eq!(shown(&seen_far), "One two three four.");
}

/// A gateway that leaves dead nodes' replies to the processes that share its database, and its time with them.
async fn beside_processes() -> Gateway {
    Gateway::planned(Plan { clock: Clock::system(), housekeeping: None, ..Plan::default() }).await
}

/// Two processes over the database of `gateway`, and its administrator at each.
async fn two_processes<'g>(gateway: &'g Gateway, redis: &Redis, model: &FakeModel) -> [(Server, Actor<'g>); 2] {
    let admin = with_faq(gateway).await;
    let url = redis.url();
    let start = || Server::node(&gateway.database, &url, &model.base_url);
    let (one, two) = tokio::join!(start(), start());
    let (at_one, at_two) = (admin.at(one.address()), admin.at(two.address()));
    [(one, at_one), (two, at_two)]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_in_the_middle_of_a_reply_leaves_it_failed_with_all_its_text() {
    let (redis, model) = (Redis::start().await, FakeModel::start(Script::ByHand).await);
    let gateway = beside_processes().await;
    let [(doomed, here), (_there, there)] = two_processes(&gateway, &redis, &model).await;
    let conversation = there.conversation().await;
    let mut watcher = there.watch(&conversation, None).await;
    let mut chat = here.chat(&conversation, "Count").await;
    let mut seen = Vec::new();
    let call = model.call().await;
    say(&call, "One two ", &mut [(&mut chat, &mut Vec::new()), (&mut watcher, &mut seen)]).await;
    // A second question waits in line on the node that will be gone.
    here.data(&format!("mutation {{ sendMessage(input: {{ conversationId: \"{conversation}\", content: \"And?\" }}) {{ message {{ id }} }} }}")).await;
    doomed.kill().await;
    let end = to_the_end(&mut watcher).await;
    let failed = end.last().expect("an end");
    assert_eq!(
        (&failed["__typename"], &failed["code"], &failed["message"]),
        (
            &json!("ReplyFailed"),
            &json!("UPSTREAM_UNAVAILABLE"),
            &json!({ "id": "message_2", "status": "FAILED", "content": "One two " })
        )
    );
    let waiting = to_the_end(&mut watcher).await;
    assert_eq!(waiting.last().expect("an end")["message"]["status"], "FAILED");
    // The conversation goes on.
    let mut next =
        there.subscribe(CHAT, json!({ "input": { "conversationId": conversation, "content": "Again" } })).await;
    let call = model.call().await;
    call.text("Three.").await;
    call.finish().await;
    assert_eq!(shown(&to_the_end(&mut next).await), "Three.");
    let open = cluster::owner(&gateway.database).await;
    let spinning = open.query_one("SELECT count(*) FROM messages WHERE lease_expires_at IS NOT NULL", &[]).await;
    assert_eq!(spinning.expect("a count").get::<_, i64>(0), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_their_tokens_and_their_stops() {
    let (redis, model) = (Redis::start().await, FakeModel::start(Script::ByHand).await);
    let gateway = beside_processes().await;
    let [(one, here), (two, there)] = two_processes(&gateway, &redis, &model).await;
    let conversation = here.conversation().await;
    let mut far = there.watch(&conversation, None).await;
    let mut near = here.chat(&conversation, "Count").await;
    let mut seen = Vec::new();
    let call = model.call().await;
    say(&call, "One ", &mut [(&mut near, &mut Vec::new()), (&mut far, &mut seen)]).await;
    there.data("mutation { stopReply(messageId: \"message_2\") { id } }").await;
    call.left().await;
    assert_eq!(to_the_end(&mut far).await.last().expect("an end")["finishReason"], "CANCELLED");
    one.stop().await;
    two.stop().await;
}
