//! What the operator's scraper reads at `/metrics`, and who else does.

use std::collections::BTreeSet;

use crate::{
    retrieval::found,
    support::{Gateway, Plan},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_numbers_name_no_tenant_and_ask_for_their_token() {
    let open = Gateway::start().await;
    let staff = open.tenant("acme").await.staff().await;
    found(&staff, "canary question").await;
    let response = open.http.get(open.url("/metrics")).send().await.expect("an answer");
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = response.text().await.expect("text");
    // How much the server asks of its database by itself depends on when one looks.
    let is_steady = |line: &&str| {
        !line.is_empty()
            && !["_bucket", "_sum"].iter().any(|part| line.contains(part))
            && !line.starts_with("frontdesk_database_")
    };
    let mut shown: Vec<_> = text.lines().filter(is_steady).collect();
    shown.sort_unstable();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    # HELP frontdesk_database_connections Connections of the pool, by state.
    # HELP frontdesk_database_connections_max Connections that the pool may have.
    # HELP frontdesk_database_statements_total SQL statements that were sent.
    # HELP frontdesk_database_waiting Pieces of work that wait for a connection.
    # HELP frontdesk_degraded 1 for what this node has to go on without, else 0.
    # HELP frontdesk_jobs_dead Jobs that were given up, by kind, over all nodes.
    # HELP frontdesk_jobs_measured_timestamp_seconds When jobs were measured last, in seconds since the beginning of 1970.
    # HELP frontdesk_jobs_oldest_seconds How long the job waits that is due longest, in seconds.
    # HELP frontdesk_jobs_waiting Jobs in line or in hand, by kind, over all nodes.
    # HELP frontdesk_limited_total What was refused as too much at once, by the limit.
    # HELP frontdesk_operation_cost_total Points that operations cost: fields, once for each row that a list may give.
    # HELP frontdesk_operation_duration_seconds How long they took, in seconds.
    # HELP frontdesk_operations_total Queries and mutations that were run, by kind and by their first error's code.
    # HELP frontdesk_password_hashes_total Passwords that were hashed, to be kept or to be checked.
    # HELP frontdesk_replies_total Replies that ended, by what came of them.
    # HELP frontdesk_reply_tokens_total Tokens that models were asked and answered with, by kind.
    # HELP frontdesk_retrieval_duration_seconds How long a look for passages took, in seconds.
    # HELP frontdesk_retrieval_total Looks for passages, by where and by what came of them.
    # HELP frontdesk_sockets_open WebSockets that are open.
    # HELP frontdesk_voice_fallback_total Requests about phone calls that went to VOICE_FALLBACK_TENANT_ID.
    # HELP frontdesk_voice_unresolved_total Requests about phone calls that no tenant could be found for, by reason.
    # HELP frontdesk_watchers Streams that follow a conversation.
    # HELP process_start_time_seconds When this program started, in seconds since the beginning of 1970.
    # TYPE frontdesk_database_connections gauge
    # TYPE frontdesk_database_connections_max gauge
    # TYPE frontdesk_database_statements_total counter
    # TYPE frontdesk_database_waiting gauge
    # TYPE frontdesk_degraded gauge
    # TYPE frontdesk_jobs_dead gauge
    # TYPE frontdesk_jobs_measured_timestamp_seconds gauge
    # TYPE frontdesk_jobs_oldest_seconds gauge
    # TYPE frontdesk_jobs_waiting gauge
    # TYPE frontdesk_limited_total counter
    # TYPE frontdesk_operation_cost_total counter
    # TYPE frontdesk_operation_duration_seconds histogram
    # TYPE frontdesk_operations_total counter
    # TYPE frontdesk_password_hashes_total counter
    # TYPE frontdesk_replies_total counter
    # TYPE frontdesk_reply_tokens_total counter
    # TYPE frontdesk_retrieval_duration_seconds histogram
    # TYPE frontdesk_retrieval_total counter
    # TYPE frontdesk_sockets_open gauge
    # TYPE frontdesk_voice_fallback_total counter
    # TYPE frontdesk_voice_unresolved_total counter
    # TYPE frontdesk_watchers gauge
    # TYPE process_start_time_seconds gauge
    frontdesk_degraded{what="redis"} 0
    frontdesk_degraded{what="replica"} 0
    frontdesk_jobs_dead{kind="answer"} 0
    frontdesk_jobs_dead{kind="delivery"} 0
    frontdesk_jobs_dead{kind="mail"} 0
    frontdesk_jobs_dead{kind="mailbox_care"} 0
    frontdesk_jobs_dead{kind="mailbox_sync"} 0
    frontdesk_jobs_dead{kind="text"} 0
    frontdesk_jobs_measured_timestamp_seconds 0
    frontdesk_jobs_oldest_seconds 0
    frontdesk_jobs_waiting{kind="answer"} 0
    frontdesk_jobs_waiting{kind="delivery"} 0
    frontdesk_jobs_waiting{kind="mail"} 0
    frontdesk_jobs_waiting{kind="mailbox_care"} 0
    frontdesk_jobs_waiting{kind="mailbox_sync"} 0
    frontdesk_jobs_waiting{kind="text"} 0
    frontdesk_limited_total{limit="connections of a network"} 0
    frontdesk_limited_total{limit="requests of a person"} 0
    frontdesk_limited_total{limit="requests of a tenant"} 0
    frontdesk_operation_cost_total 2022
    frontdesk_operation_duration_seconds_count{kind="mutation"} 1
    frontdesk_operation_duration_seconds_count{kind="query"} 1
    frontdesk_operations_total{kind="mutation",code="INTERNAL"} 0
    frontdesk_operations_total{kind="mutation",code="OK"} 1
    frontdesk_operations_total{kind="query",code="INTERNAL"} 0
    frontdesk_operations_total{kind="query",code="OK"} 1
    frontdesk_password_hashes_total 3
    frontdesk_replies_total{outcome="CANCELLED"} 0
    frontdesk_replies_total{outcome="COMPLETE"} 0
    frontdesk_replies_total{outcome="SERVER_STOPPED"} 0
    frontdesk_reply_tokens_total{kind="completion"} 0
    frontdesk_reply_tokens_total{kind="prompt"} 0
    frontdesk_retrieval_duration_seconds_count{provider="built_in"} 1
    frontdesk_retrieval_total{provider="built_in",outcome="empty"} 1
    frontdesk_retrieval_total{provider="built_in",outcome="found"} 0
    frontdesk_retrieval_total{provider="pinecone",outcome="empty"} 0
    frontdesk_retrieval_total{provider="pinecone",outcome="foreign_host"} 0
    frontdesk_retrieval_total{provider="pinecone",outcome="found"} 0
    frontdesk_retrieval_total{provider="pinecone",outcome="garbled"} 0
    frontdesk_retrieval_total{provider="pinecone",outcome="late"} 0
    frontdesk_retrieval_total{provider="pinecone",outcome="refused"} 0
    frontdesk_retrieval_total{provider="pinecone",outcome="unreachable"} 0
    frontdesk_retrieval_total{provider="pinecone",outcome="unset"} 0
    frontdesk_retrieval_total{provider="unknown",outcome="fault"} 0
    frontdesk_sockets_open 0
    frontdesk_voice_fallback_total 0
    frontdesk_voice_unresolved_total{reason="contradiction"} 0
    frontdesk_voice_unresolved_total{reason="garbled_tenant_id"} 0
    frontdesk_voice_unresolved_total{reason="unknown"} 0
    frontdesk_voice_unresolved_total{reason="unsigned"} 0
    frontdesk_watchers 0
    process_start_time_seconds 1795262400
    "#);
    // Without a token it is for the server's own network: what a proxy passes on may come from anywhere.
    let passed_on = open.http.get(open.url("/metrics")).header("x-forwarded-for", "203.0.113.7").send().await;
    let passed_on = passed_on.expect("an answer");
    assert_eq!(passed_on.status(), 403);
    assert!(!passed_on.text().await.expect("text").contains("frontdesk_"));
    let mut plan = Plan::default();
    plan.web.metrics_token = Some("a-scrapers-token".into());
    let closed = Gateway::planned(plan).await;
    for (shown, status) in [
        (None, 401),
        (Some("Bearer wrong"), 401),
        (Some("Bearer "), 401),
        (Some("a-scrapers-token"), 401),
        (Some("Basic a-scrapers-token"), 401),
        (Some("Bearer a-scrapers-token"), 200),
        (Some("bearer a-scrapers-token"), 200),
    ] {
        let request = closed.http.get(closed.url("/metrics"));
        let request = shown.into_iter().fold(request, |request, shown| request.header("authorization", shown));
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), status, "{shown:?}");
        assert_eq!(response.headers().contains_key("www-authenticate"), status == 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_lists_what_is_measured() {
    let gateway = Gateway::start().await;
    // A histogram is shown from its first measurement on.
    let staff = gateway.tenant("acme").await.staff().await;
    found(&staff, "canary question").await;
    staff.chat(&staff.conversation().await, "Hello").await.all().await;
    let shown = gateway.http.get(gateway.url("/metrics")).send().await.expect("an answer").text().await.expect("text");
    let measured: BTreeSet<_> =
        shown.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let readme = std::fs::read_to_string("README.md").expect("README.md");
    let (_, section) = readme.split_once("\n## What the operator sees\n").expect("the section");
    let (section, _) = section.split_once("\n## ").expect("an end");
    let cells = section.lines().filter(|line| line.starts_with("| `")).filter_map(|row| row.split(" | ").next());
    let mut listed: BTreeSet<_> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    // Nobody reads from a copy here.
    assert!(listed.remove("frontdesk_replica_reads_total"));
    assert_eq!(listed, measured);
}
