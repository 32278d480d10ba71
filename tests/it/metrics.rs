//! What the operator's scraper reads at `/metrics`, and who else does.

use crate::support::{Gateway, Plan};

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_numbers_ask_for_their_token() {
    let open = Gateway::start().await;
    let response = open.http.get(open.url("/metrics")).send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    // Without a token it is for the server's own network: what a proxy passes on may come from anywhere.
    let passed_on = open.http.get(open.url("/metrics")).header("x-forwarded-for", "203.0.113.7").send().await;
    let passed_on = passed_on.expect("an answer");
    assert_eq!(passed_on.status(), 403);
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
