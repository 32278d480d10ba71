//! Work in line: in order, fair, once, and never lost.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use frontdesk::{
    db::tables::jobs::{self as rows, Lease, Wish},
    domain::jobs::{self, Job},
    kernel::{clock::Clock, ids::MessageId},
};
use reqwest::StatusCode;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::support::{
    Actor, Gateway, Plan, Tenant, cluster,
    fake_phones::{FakePhones, Script},
    phones::{Account, says, set_sms, with_number},
    process::Server,
};

const OURS: &str = "+15555550122";

async fn statuses(admin: &Actor<'_>) -> Vec<(String, String)> {
    let nodes = admin.data("{ webhookDeliveries { nodes { eventId status } } }").await;
    let nodes = nodes["webhookDeliveries"]["nodes"].as_array().expect("deliveries").clone();
    let word = |node: &serde_json::Value, name: &str| node[name].as_str().expect("a word").to_owned();
    nodes.iter().map(|node| (word(node, "eventId"), word(node, "status"))).collect()
}

/// A job that can't be done now: of a message that is not there.
async fn put(tenant: &Tenant<'_>, lane: Option<&str>, message: i64) {
    let cx = tenant.gateway.inside(tenant.id);
    let job = Job::Answer { message: MessageId(message) };
    cx.write(async |tx| jobs::enqueue(&cx, tx, lane.map(str::to_owned), &job).await).await.expect("in line");
}

async fn count(gateway: &Gateway, condition: &str) -> i64 {
    let query = format!("SELECT count(*) FROM jobs WHERE {condition}");
    cluster::owner(&gateway.database).await.query_one(&query, &[]).await.expect("a count").get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_done_is_tried_again_later_each_time_and_at_last_given_up() {
    let phones = FakePhones::start().await;
    let gateway = Gateway::planned(Plan { settings: phones.settings(), ..Plan::default() }).await;
    let account = Account::new(1);
    let admin = with_number(&gateway.tenant("acme").await, OURS, &account).await;
    // Signed, and yet no message that can be read: it does not say whom it is from.
    let body = json!({ "data": { "id": "odd", "event_type": "message.received", "payload": { "to": OURS } } });
    let at = gateway.clock.now().timestamp();
    assert_eq!(account.posts(&gateway, &body.to_string(), at).await.status(), StatusCode::OK);
    gateway.work().await;
    insta::assert_json_snapshot!(
        admin.data("{ webhookDeliveries { nodes { status attempts lastError processedAt } } }").await, @r#"
    {
      "webhookDeliveries": {
        "nodes": [
          {
            "status": "DEAD",
            "attempts": 1,
            "lastError": "the event can't be read: it does not say whom it is from",
            "processedAt": null
          }
        ]
      }
    }
    "#
    );
    // A person puts it in line again, and it is given up again: one job, not two.
    let id = admin.data("{ webhookDeliveries { nodes { id } } }").await["webhookDeliveries"]["nodes"][0]["id"].clone();
    let retry = "mutation($id: ID!) { retryWebhookDelivery(id: $id) { status attempts } }";
    assert_eq!(admin.ask(retry, json!({ "id": id })).await["data"]["retryWebhookDelivery"]["status"], "RECEIVED");
    assert_eq!(gateway.work().await, 1);
    assert_eq!(statuses(&admin).await, [("odd".to_owned(), "DEAD".to_owned())]);
    // What may succeed is tried twelve times, in hours.
    put(&gateway.tenant("other").await, None, 9).await;
    let mut tries = 0;
    for _ in 0..60 {
        tries += gateway.work().await;
        gateway.clock.advance(TimeDelta::minutes(10));
    }
    assert_eq!((tries, count(&gateway, "state = 'DEAD'").await), (12, 2));
    gateway.worker.measure().await;
    let metrics = gateway.services.metrics.render();
    for line in [
        "frontdesk_jobs_dead{kind=\"delivery\"} 1",
        "frontdesk_jobs_dead{kind=\"answer\"} 1",
        "frontdesk_jobs_waiting{kind=\"answer\"} 0",
        "frontdesk_jobs_oldest_seconds 0",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    put(&gateway.tenant("third").await, None, 9).await;
    gateway.clock.advance(TimeDelta::seconds(90));
    gateway.worker.measure().await;
    let metrics = gateway.services.metrics.render();
    assert!(metrics.contains("frontdesk_jobs_waiting{kind=\"answer\"} 1"), "{metrics}");
    assert!(metrics.contains("frontdesk_jobs_oldest_seconds 90"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_behind_a_job_that_is_put_off_is_not_late() {
    let gateway = Gateway::start().await;
    let tenant = gateway.tenant("acme").await;
    let owner = cluster::owner(&gateway.database).await;
    let oldest = async || {
        gateway.worker.measure().await;
        let shown = gateway.services.metrics.render();
        let name = "frontdesk_jobs_oldest_seconds ";
        shown.lines().find_map(|line| line.strip_prefix(name)).expect("an age").to_owned()
    };
    put(&tenant, Some("a"), 1).await;
    put(&tenant, Some("a"), 2).await;
    let put_off = "UPDATE jobs SET run_at = $1 WHERE payload->>'message' = '1'";
    owner.execute(put_off, &[&(gateway.clock.now() + TimeDelta::minutes(20))]).await.expect("put off");
    gateway.clock.advance(TimeDelta::minutes(10));
    assert_eq!(oldest().await, "0");
    // Others are late all the same: the first of another lane, and one in none; of another tenant, even by the same name.
    let rival = gateway.tenant("rival").await;
    for (whose, lane) in [(&tenant, Some("b")), (&tenant, None), (&rival, Some("a"))] {
        put(whose, lane, 3).await;
        gateway.clock.advance(TimeDelta::seconds(90));
        assert_eq!(oldest().await, "90", "{lane:?}");
        owner.execute("DELETE FROM jobs WHERE payload->>'message' = '3'", &[]).await.expect("done");
    }
    // So is the one that was put off, once it is due.
    gateway.clock.advance(TimeDelta::minutes(7));
    assert_eq!(oldest().await, "90");
    // And the one behind it, once it is first: it was due all the time.
    owner.execute("UPDATE jobs SET state = 'DEAD' WHERE payload->>'message' = '1'", &[]).await.expect("given up");
    assert_eq!(oldest().await, "1290");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_jobs_cannot_be_counted_it_is_seen_since_when() {
    let database = cluster::database().await;
    // Past a pooler, which remembers for long that a database was away.
    let direct = cluster::owner_url(&database).expose_secret().replace("user=postgres", "user=frontdesk_app");
    let settings = vec![("DATABASE_URL", direct)];
    let plan = Plan { database: Some(database.clone()), settings, housekeeping: None, ..Plan::default() };
    let gateway = Gateway::planned(plan).await;
    let counted = async || {
        gateway.worker.measure().await;
        let shown = gateway.services.metrics.render();
        let name = "frontdesk_jobs_measured_timestamp_seconds ";
        shown.lines().find_map(|line| line.strip_prefix(name)).expect("a moment").to_owned()
    };
    let now = || gateway.clock.now().timestamp().to_string();
    let before = now();
    assert_eq!(counted().await, before);
    cluster::take_away(&database).await;
    gateway.clock.advance(TimeDelta::minutes(5));
    assert_eq!(counted().await, before);
    cluster::give_back(&database).await;
    assert_eq!(counted().await, now());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_customer_nothing_overtakes_and_nobody_else_waits_for_it() {
    let gateway = Gateway::start().await;
    let tenant = gateway.tenant("acme").await;
    put(&tenant, Some("a"), 1).await;
    put(&tenant, Some("a"), 2).await;
    put(&tenant, Some("b"), 3).await;
    put(&tenant, None, 4).await;
    assert_eq!(gateway.work().await, 3);
    assert_eq!(count(&gateway, "attempts = 0 AND payload->>'message' = '2'").await, 1);
    // Given up, the first holds up the second no longer.
    cluster::owner(&gateway.database)
        .await
        .execute("UPDATE jobs SET attempts = 12 WHERE payload->>'message' = '1'", &[])
        .await
        .expect("worn out");
    gateway.clock.advance(TimeDelta::seconds(10));
    assert_eq!(gateway.work().await, 4);
    assert_eq!(count(&gateway, "state = 'DEAD' AND payload->>'message' = '1'").await, 1);
    assert_eq!(count(&gateway, "attempts = 1 AND payload->>'message' = '2'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_a_thousand_jobs_does_not_hold_up_one_with_a_single_one() {
    let gateway = Gateway::start().await;
    let (busy, quiet) = (gateway.tenant("busy").await, gateway.tenant("quiet").await);
    let owner = cluster::owner(&gateway.database).await;
    let many = format!(
        "INSERT INTO jobs (tenant_id, kind, payload, state, run_at, created_at, updated_at) \
         SELECT {}, 'answer', '{{\"kind\":\"answer\",\"message\":9}}', 'READY', $1, $1, $1 FROM generate_series(1, 1000)",
        busy.id.0
    );
    owner.execute(&many, &[&(gateway.clock.now() - TimeDelta::hours(1))]).await.expect("many");
    put(&quiet, None, 9).await;
    // The first handful that anybody takes has the quiet one's in it.
    let first = gateway.worker.one_round().await.expect("a database");
    assert!(first.contains(&quiet.id), "{first:?}");
    assert!(first.len() <= 32);
    // All of them are done in time all the same.
    assert_eq!(gateway.work().await + first.len(), 1001);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_do_a_job_once_and_a_lost_lease_takes_back_what_was_done() {
    let gateway = Gateway::start().await;
    let tenant = gateway.tenant("acme").await;
    for n in 0..40 {
        put(&tenant, None, n).await;
    }
    let second = Gateway::planned(Plan {
        database: Some(gateway.database.clone()),
        clock: gateway.clock.clone(),
        ..Plan::default()
    })
    .await;
    let (one, other) = tokio::join!(gateway.work(), second.work());
    assert_eq!(one + other, 40);
    assert_eq!(count(&gateway, "attempts = 1").await, 40);
    // A node that holds a job beyond its lease can't end it.
    let cx = gateway.inside(tenant.id);
    let stale = uuid::Uuid::new_v4();
    let ended = cx.write(async |tx| rows::end(tx, 1, stale).await).await.expect("a database");
    assert!(!ended);
}

/// Everything that was acknowledged takes effect once, however often the server dies.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_again_and_again_answers_everybody_once() {
    let phones = Arc::new(FakePhones::start().await);
    let account = Account::new(7);
    let gateway = Gateway::planned(Plan { settings: phones.settings(), ..Plan::default() }).await;
    let admin = with_number(&gateway.tenant("acme").await, OURS, &account).await;
    set_sms(&admin, json!({ "telnyxApiKey": "KEY_FAKE_0123456789" })).await;
    let http = reqwest::Client::new();
    let mut told = Vec::new();
    for round in 0..4 {
        let server = Server::over(&gateway, &[("TELNYX_API_BASE_URL", &phones.telnyx)]).await;
        // It dies while it takes in, answers and sends.
        if round == 1 {
            phones.script([Script::Refuse(503, json!(null)), Script::Vanish]);
        }
        for n in 0..12 {
            let event = format!("event-{round}-{n}");
            let from = format!("+1555555{:04}", 100 + n);
            let body = says(&event, &from, OURS, &event);
            let post = http.post(format!("{}/api/v1/telnyx/sms", server.url()));
            let posted = account.signs(post, &body, Clock::system().now().timestamp());
            if posted.send().await.is_ok_and(|answer| answer.status() == StatusCode::OK) {
                told.push(event);
            }
        }
        if round < 3 {
            // At once, or while it is sending.
            if round > 0 {
                phones.next(phones.asked().len()).await;
            }
            server.kill().await;
            continue;
        }
        // The last one lives, and does what the others left.
        let patience = tokio::time::timeout(Duration::from_mins(2), async {
            while count(&gateway, "true").await > 0 {
                tokio::task::yield_now().await;
            }
        });
        patience.await.expect("all is done in time");
        server.stop().await;
    }
    let owner = cluster::owner(&gateway.database).await;
    let query = "SELECT c.content, r.status, (SELECT count(*) FROM texts t WHERE t.message_id = r.id AND t.status = 'SENT') \
                 FROM messages c LEFT JOIN messages r ON r.reply_to_id = c.id WHERE c.role = 'CUSTOMER' ORDER BY c.content";
    let mut heard = Vec::new();
    for row in owner.query(query, &[]).await.expect("rows") {
        let (content, status, texts) = (row.get::<_, String>(0), row.get::<_, String>(1), row.get::<_, i64>(2));
        assert_eq!((status.as_str(), texts), ("COMPLETE", 1), "{content}");
        heard.push(content);
    }
    // Whoever was told that it is kept was heard, once; who was told nothing may have been.
    heard.dedup();
    assert!(told.len() >= 12 && told.iter().all(|event| heard.contains(event)), "{told:?} in {heard:?}");
    assert_eq!(phones.arrived().len(), heard.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_without_end_of_one_customer_holds_up_nobody_elses() {
    let gateway = Gateway::start().await;
    let (flooded, quiet) = (gateway.tenant("flooded").await, gateway.tenant("quiet").await);
    let owner = cluster::owner(&gateway.database).await;
    // The first of them is in somebody's hands; none of the others may go before it.
    let many = format!(
        "INSERT INTO jobs (tenant_id, kind, lane, payload, state, lease_token, lease_expires_at, run_at, created_at, updated_at) \
         SELECT {}, 'text', 'to:+1', '{{\"kind\":\"answer\",\"message\":9}}', \
         CASE n WHEN 1 THEN 'RUNNING' ELSE 'READY' END, CASE n WHEN 1 THEN gen_random_uuid() END, \
         CASE n WHEN 1 THEN $1::timestamptz + interval '1 day' END, $1, $1, $1 FROM generate_series(1, 50000) AS n",
        flooded.id.0
    );
    owner.execute(&many, &[&(gateway.clock.now() - TimeDelta::hours(1))]).await.expect("many");
    owner.batch_execute("ANALYZE jobs").await.expect("statistics");
    put(&quiet, None, 9).await;
    assert_eq!(gateway.worker.one_round().await.expect("a database"), [quiet.id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_has_so_many_in_hand_whenever_they_were_taken() {
    let gateway = Gateway::start().await;
    let tenant = gateway.tenant("acme").await;
    for n in 0..9 {
        put(&tenant, None, n).await;
    }
    let take = async |answers, in_hand| {
        let wish = Wish { answers, most: 100, each: 5, in_hand };
        let now = gateway.clock.now();
        let lease = Lease { token: uuid::Uuid::new_v4(), until: now + TimeDelta::seconds(12) };
        let taken = gateway.services.db.housekeep(async |tx| rows::take(tx, &wish, now, lease).await).await;
        taken.expect("a database").len()
    };
    // Hands for other work leave answers alone.
    assert_eq!(take(false, Vec::new()).await, 0);
    assert_eq!(take(true, vec![(tenant.id, 3)]).await, 2);
    assert_eq!(take(true, vec![(tenant.id, 7)]).await, 0);
    assert_eq!(take(true, Vec::new()).await, 5);
    assert_eq!(take(true, Vec::new()).await, 2);
}
