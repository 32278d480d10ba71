//! Connections between two transactions: the end of a read travels with what its connection does next, and nobody can tell.

use crate::support::{Gateway, Plan};

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_nothing_follows_is_ended_all_the_same() {
    let gateway = Gateway::planned(Plan { housekeeping: None, ..Plan::default() }).await;
    let admin = gateway.tenant("acme").await.admin().await;
    admin.data("{ leads { totalCount } }").await;
    // Whoever alters a table that was read waits for a moment, and not for the next reader.
    let owner = crate::support::cluster::owner(&gateway.database).await;
    let alter = "BEGIN; SET LOCAL lock_timeout = '10s'; LOCK TABLE leads IN ACCESS EXCLUSIVE MODE; COMMIT";
    owner.batch_execute(alter).await.expect("nobody holds it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_outside_of_a_transaction_is_not_asked_inside_the_last_one() {
    let gateway = Gateway::planned(Plan { housekeeping: None, ..Plan::default() }).await;
    let admin = gateway.tenant("acme").await.admin().await;
    for _ in 0..20 {
        admin.data("{ leads { totalCount } }").await;
        // A tenant's role may not even read which migrations have run.
        let ready = gateway.http.get(gateway.url("/readyz")).send().await.expect("an answer");
        assert_eq!(ready.status(), 200, "{}", ready.text().await.expect("text"));
    }
}
