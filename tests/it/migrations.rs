//! Migrations go up and down, and two nodes that start together do not trip over each other.

use frontdesk::db::migrate;

use crate::support::cluster;

async fn tables(database: &str) -> i64 {
    let count = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname NOT LIKE '\\_\\_%'";
    cluster::owner(database).await.query_one(count, &[]).await.expect("count").get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_the_way_up_down_and_up_again() {
    let database = cluster::empty_database().await;
    let open = cluster::open_settings(&database);
    migrate::migrate(&open).await.expect("up");
    let all = tables(&database).await;
    assert!(all > 15);
    let steps = std::fs::read_dir("migrations").expect("migrations").count();
    migrate::revert(&open, steps).await.expect("down");
    assert_eq!(tables(&database).await, 0);
    let left = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace";
    assert_eq!(cluster::owner(&database).await.query_one(left, &[]).await.expect("count").get::<_, i64>(0), 0);
    migrate::migrate(&open).await.expect("up again");
    assert_eq!(tables(&database).await, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_together_migrate_once() {
    let database = cluster::empty_database().await;
    let nodes: Vec<_> = (0..4)
        .map(|_| {
            let open = cluster::open_settings(&database);
            #[expect(clippy::disallowed_methods, reason = "each node is a task of its own")]
            tokio::spawn(async move { migrate::open(&open).await })
        })
        .collect();
    for node in nodes {
        let db = node.await.expect("no panic").expect("opened");
        assert!(migrate::is_ready(&db).await.expect("asked"));
    }
}
