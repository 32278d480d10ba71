//! A mailbox is connected and disconnected; pushes of it are taken in.

use frontdesk::kernel::ids::TenantId;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{
    Actor, Gateway, Plan, cluster, code,
    fake_google::{FakeGoogle, Fault},
    mailbox::{self, DESK, comes_back, pushes_as, sent_out},
    said,
};

async fn count(gateway: &Gateway, what: &str) -> i64 {
    let query = format!("SELECT count(*) FROM {what}");
    cluster::owner(&gateway.database).await.query_one(&query, &[]).await.expect("a count").get(0)
}

fn address(sent: &Value) -> &str {
    sent["authorizationUrl"].as_str().expect("an address")
}

async fn location(gateway: &Gateway, query: &str) -> String {
    let back = comes_back(gateway, query).await;
    assert_eq!(back.status(), StatusCode::SEE_OTHER);
    assert_eq!(back.headers()["cache-control"], "no-store");
    back.headers()["location"].to_str().expect("an address").to_owned()
}

async fn lost(gateway: &Gateway, query: &str) -> String {
    let back = comes_back(gateway, query).await;
    assert_eq!(back.status(), StatusCode::BAD_REQUEST);
    back.text().await.expect("a page")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_connects_a_mailbox_and_comes_back_to_their_page() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let admin = gateway.tenant("acme").await.admin().await;
    insta::assert_json_snapshot!(mailbox::settings(&admin).await, @r#"
    {
      "isEnabled": false,
      "connectedAddress": null,
      "connectedAt": null,
      "watchExpiresAt": null,
      "status": "NOT_CONNECTED",
      "statusReason": null
    }
    "#);
    let sent = sent_out(&admin, Some("http://localhost:3000/settings?tab=mail#here")).await;
    let url = url::Url::parse(address(&sent)).expect("an address");
    assert_eq!(url.path(), "/o/oauth2/v2/auth");
    let mut asked: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    asked.retain(|(name, _)| !["state", "code_challenge"].contains(&name.as_str()));
    insta::assert_json_snapshot!(asked, @r#"
    [
      [
        "response_type",
        "code"
      ],
      [
        "client_id",
        "client.apps.example"
      ],
      [
        "redirect_uri",
        "https://chat.example.test/api/v1/email/oauth/callback"
      ],
      [
        "scope",
        "openid email https://www.googleapis.com/auth/gmail.readonly https://www.googleapis.com/auth/gmail.send"
      ],
      [
        "access_type",
        "offline"
      ],
      [
        "prompt",
        "consent"
      ],
      [
        "include_granted_scopes",
        "true"
      ],
      [
        "code_challenge_method",
        "S256"
      ]
    ]
    "#);
    let query = google.consents(address(&sent), "Front.Desk@ExampleCo.test");
    assert_eq!(location(&gateway, &query).await, "http://localhost:3000/settings?tab=mail&email=connected#here");
    insta::assert_json_snapshot!(mailbox::settings(&admin).await, @r#"
    {
      "isEnabled": false,
      "connectedAddress": "front.desk@exampleco.test",
      "connectedAt": "2026-11-21T12:00:00Z",
      "watchExpiresAt": "2026-11-28T12:00:00Z",
      "status": "CONNECTED",
      "statusReason": null
    }
    "#);
    // Its tokens are kept, and nowhere as they are.
    assert_eq!(count(&gateway, "tenant_secrets WHERE name LIKE 'gmail_%'").await, 2);
    let dump = "SELECT string_agg(encode(sealed, 'escape'), ' ') FROM tenant_secrets";
    let sealed: String = cluster::owner(&gateway.database).await.query_one(dump, &[]).await.expect("rows").get(0);
    assert!(!sealed.contains("canary"), "{sealed}");
    let log =
        admin.data("{ auditLog { nodes { action actor { email } } } tenant { onboarding { key isDone hint } } }").await;
    let steps: Vec<_> = log["auditLog"]["nodes"].as_array().into_iter().flatten().take(2).collect();
    insta::assert_json_snapshot!(steps, @r#"
    [
      {
        "action": "email.connect",
        "actor": {
          "email": "admin@acme.example"
        }
      },
      {
        "action": "email.ask",
        "actor": {
          "email": "admin@acme.example"
        }
      }
    ]
    "#);
    let step =
        log["tenant"]["onboarding"].as_array().into_iter().flatten().find(|step| step["key"] == "email").cloned();
    insta::assert_json_snapshot!(step, @r#"
    {
      "key": "email",
      "isDone": false,
      "hint": "Switch it on: updateEmailSettings with isEnabled: true."
    }
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_good_once_for_ten_minutes_and_for_who_may_connect_still() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let acme = gateway.tenant("acme").await;
    let admin = acme.admin().await;
    let sent = sent_out(&admin, None).await;
    let query = google.consents(address(&sent), DESK);
    assert_eq!(comes_back(&gateway, &query).await.status(), StatusCode::OK);
    assert!(lost(&gateway, &query).await.contains("used already"));
    // A forged one, none, and a token of ours of another kind.
    let state = sent["state"].as_str().expect("a state");
    let token = admin.token.clone().expect("a token");
    for state in [&state[..state.len() - 2], "", "x", &token] {
        assert!(lost(&gateway, &format!("state={state}&code=x")).await.contains("no link of ours"), "{state}");
    }
    assert_eq!(
        gateway.stranger().with_token(state).ask("{ me { id } }", json!({})).await["errors"][0]["extensions"]["code"],
        "UNAUTHENTICATED"
    );
    let late = google.consents(address(&sent_out(&admin, None).await), DESK);
    gateway.clock.advance(chrono::TimeDelta::minutes(10));
    assert!(lost(&gateway, &late).await.contains("took too long"));
    // Whoever lost the right meanwhile does not use it.
    let root = gateway.root().await;
    let demoted = google.consents(address(&sent_out(&admin, None).await), DESK);
    let deactivate = "mutation($id: ID!) { deactivateTenant(id: $id) { isActive } }";
    root.ask(deactivate, json!({ "id": acme.id.to_string() })).await;
    assert!(lost(&gateway, &demoted).await.contains("deactivated"));
    assert_eq!(google.asked("token").len(), 1, "Google was asked for the first alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_on_the_way_is_told_on_the_way_back() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let (admin, rival) = (gateway.tenant("acme").await.admin().await, gateway.tenant("rival").await.admin().await);
    let page = Some("https://chat.example.test/settings");
    let out = async |who: &Actor<'_>| sent_out(who, page).await;
    let back = async |query: String| {
        let to = location(&gateway, &query).await;
        to.strip_prefix("https://chat.example.test/settings?email=").expect("our page").to_owned()
    };
    let sent = out(&admin).await;
    let denied = format!("error=access_denied&state={}", sent["state"].as_str().expect("a state"));
    assert_eq!(back(denied).await, "denied");
    let read_only = "https://www.googleapis.com/auth/gmail.readonly openid";
    assert_eq!(back(google.consents_to(address(&out(&admin).await), DESK, Some(read_only))).await, "incomplete");
    let sent = out(&admin).await;
    let wrong = format!("code=4/unknown&state={}", sent["state"].as_str().expect("a state"));
    assert_eq!(back(wrong).await, "failed");
    google.fails("token", Fault::Answer(503, json!({})));
    assert_eq!(back(google.consents(address(&out(&admin).await), DESK)).await, "failed");
    google.fails("watch", Fault::Answer(403, json!({ "error": { "errors": [{ "reason": "forbidden" }] } })));
    assert_eq!(back(google.consents(address(&out(&admin).await), DESK)).await, "failed");
    assert_eq!(mailbox::settings(&admin).await["status"], "NOT_CONNECTED");
    mailbox::connect(&google, &rival, DESK).await;
    assert_eq!(back(google.consents(address(&out(&admin).await), "FRONT.desk@exampleco.test")).await, "taken");
    assert_eq!(mailbox::settings(&admin).await["status"], "NOT_CONNECTED");
    assert_eq!(mailbox::settings(&rival).await["status"], "CONNECTED");
    google.gives_no_refresh_token();
    assert_eq!(back(google.consents(address(&out(&admin).await), "other@exampleco.test")).await, "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_sent_back_to_known_pages_alone() {
    let google = FakeGoogle::start().await;
    let settings = vec![("BACKEND_CORS_ORIGINS", "https://app.example".to_owned())];
    let gateway = mailbox::planned(&google, Plan { is_production: true, settings, ..Plan::default() }).await;
    let acme = gateway.tenant("acme").await;
    acme.allow(&["https://shop.example"]).await;
    let admin = acme.admin().await;
    for good in ["https://app.example/a", "https://shop.example/", "https://chat.example.test/graphiql"] {
        sent_out(&admin, Some(good)).await;
    }
    for bad in ["https://evil.example/", "http://localhost:3000/", "//app.example", "javascript:alert(1)"] {
        let answer = admin.ask(mailbox::START, json!({ "to": bad })).await;
        assert_eq!(
            (code(&answer), &answer["errors"][0]["extensions"]["field"]),
            ("BAD_USER_INPUT", &json!("returnTo")),
            "{bad}"
        );
    }
    let staff = acme.staff().await.ask(mailbox::START, json!({})).await;
    assert_eq!(code(&staff), "FORBIDDEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_client_at_google_says_so() {
    let gateway = Gateway::start().await;
    let admin = gateway.tenant("acme").await.admin().await;
    let answer = admin.ask(mailbox::START, json!({})).await;
    assert_eq!(code(&answer), "CONFLICT");
    assert!(said(&answer).contains("GOOGLE_CLIENT_ID"));
    let pushed = mailbox::post(&gateway, "{}", Some("Bearer a.b.c")).await;
    assert_eq!(pushed.status(), StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_are_kept_once_and_only_those_of_our_subscription() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let acme = gateway.tenant("acme").await;
    let admin = mailbox::with_mailbox(&google, &acme).await;
    let rival = gateway.tenant("rival").await.admin().await;
    let body = google.push_body("FRONT.DESK@exampleco.test", "push-1");
    for authorization in [None, Some("Basic eDp5"), Some("")] {
        let refused = mailbox::post(&gateway, &body, authorization).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{authorization:?}");
        assert_eq!(refused.headers()["content-type"], "application/problem+json; charset=utf-8");
    }
    // Google's keys can't be had: nobody is believed, and it comes again.
    google.hides_keys(true);
    assert_eq!(pushes_as(&google, &gateway, &body, json!({})).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    google.hides_keys(false);
    gateway.clock.advance(chrono::TimeDelta::minutes(2));
    let now = gateway.clock.now().timestamp();
    for changes in [
        json!({ "aud": "https://evil.example/" }),
        json!({ "email": "somebody@project.iam.example" }),
        json!({ "email_verified": false }),
        json!({ "iss": "https://evil.example" }),
        json!({ "exp": now - 61 }),
        json!({ "iat": now + 61 }),
        json!({ "exp": now + 90_000 }),
    ] {
        assert_eq!(
            pushes_as(&google, &gateway, &body, changes.clone()).await.status(),
            StatusCode::FORBIDDEN,
            "{changes}"
        );
    }
    assert_eq!(count(&gateway, "webhook_deliveries").await, 0);
    for _ in 0..3 {
        assert_eq!(pushes_as(&google, &gateway, &body, json!({})).await.status(), StatusCode::NO_CONTENT);
    }
    // While the keys are fresh, they are not asked for again.
    assert_eq!(google.asked("certs").len(), 2);
    let kept = "{ webhookDeliveries { nodes { provider eventId eventType status } } }";
    insta::assert_json_snapshot!(admin.data(kept).await["webhookDeliveries"]["nodes"], @r#"
    [
      {
        "provider": "GMAIL",
        "eventId": "push-1",
        "eventType": "history",
        "status": "RECEIVED"
      }
    ]
    "#);
    assert_eq!(rival.data(kept).await["webhookDeliveries"]["nodes"], json!([]));
    // What can't be read, and what is nobody's, is done: it would not get better by coming again.
    for useless in ["", "{", "[]", r#"{"message":{}}"#, &google.push_body("nobody@exampleco.test", "push-2")] {
        assert_eq!(
            pushes_as(&google, &gateway, useless, json!({})).await.status(),
            StatusCode::NO_CONTENT,
            "{useless}"
        );
    }
    assert_eq!(count(&gateway, "webhook_deliveries").await, 1);
    let large = "x".repeat(1024 * 1024 + 1);
    assert_eq!(pushes_as(&google, &gateway, &large, json!({})).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_can_be_tried_by_hand_where_nothing_is_at_stake() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    let told = async |gateway: &Gateway, body: &str| {
        let url = gateway.url("/api/v1/email/pubsub/test");
        gateway.http.post(url).body(body.to_owned()).send().await.expect("an answer").status()
    };
    let body = json!({ "emailAddress": DESK, "historyId": "1" }).to_string();
    assert_eq!(told(&gateway, &body).await, StatusCode::NO_CONTENT);
    assert_eq!(count(&gateway, "webhook_deliveries WHERE event_id LIKE 'test-%'").await, 1);
    for bad in ["", "{}", r#"{"emailAddress":"x","historyId":1}"#, r#"{"emailAddress":"a@b.test","historyId":-1}"#] {
        assert_eq!(told(&gateway, bad).await, StatusCode::BAD_REQUEST, "{bad}");
    }
    let production = mailbox::planned(&google, Plan { is_production: true, ..Plan::default() }).await;
    assert_eq!(told(&production, &body).await, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_disconnected_here_and_at_google() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let acme = gateway.tenant("acme").await;
    let admin = mailbox::with_mailbox(&google, &acme).await;
    let document = "mutation { disconnectEmail { status connectedAddress connectedAt watchExpiresAt isEnabled } }";
    insta::assert_json_snapshot!(admin.data(document).await["disconnectEmail"], @r#"
    {
      "status": "NOT_CONNECTED",
      "connectedAddress": null,
      "connectedAt": null,
      "watchExpiresAt": null,
      "isEnabled": true
    }
    "#);
    assert_eq!((google.asked("stop").len(), google.asked("revoke").len()), (1, 1));
    assert_eq!(count(&gateway, "tenant_secrets").await, 0);
    // What was in line for it is let be, and what is pushed still is done.
    let pushed = pushes_as(&google, &gateway, &google.push_body(DESK, "push-1"), json!({})).await;
    assert_eq!(pushed.status(), StatusCode::NO_CONTENT);
    gateway.clock.advance(chrono::TimeDelta::minutes(21));
    gateway.work().await;
    assert_eq!((count(&gateway, "jobs").await, count(&gateway, "webhook_deliveries").await), (0, 0));
    // Twice is as once; a Google that is away is no reason to stay connected.
    assert_eq!(admin.data(document).await["disconnectEmail"]["status"], "NOT_CONNECTED");
    mailbox::connect(&google, &admin, DESK).await;
    google.fails("stop", Fault::Answer(503, json!({})));
    google.fails("revoke", Fault::Answer(503, json!({})));
    assert_eq!(admin.data(document).await["disconnectEmail"]["status"], "NOT_CONNECTED");
    // The consent is what matters: it is given back first, and nobody waits long for the rest.
    mailbox::connect(&google, &admin, DESK).await;
    google.fails("stop", Fault::Silent);
    let begun = std::time::Instant::now();
    assert_eq!(admin.data(document).await["disconnectEmail"]["status"], "NOT_CONNECTED");
    assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(google.paths().ends_with(&["revoke".to_owned(), "stop".to_owned()]), "{:?}", google.paths());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_nobody_looks_after_is_found() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let acme = gateway.tenant("acme").await;
    mailbox::with_mailbox(&google, &acme).await;
    gateway.tenant("rival").await.admin().await;
    let owner = cluster::owner(&gateway.database).await;
    let care = async || {
        (count(&gateway, "jobs WHERE kind = 'mailbox_care' AND state = 'READY'").await, count(&gateway, "jobs").await)
    };
    gateway.worker.tend().await;
    assert_eq!(care().await, (1, 1), "somebody does already");
    for lost in ["UPDATE jobs SET state = 'DEAD'", "DELETE FROM jobs"] {
        owner.execute(lost, &[]).await.expect("done");
        futures_util::future::join_all((0..4).map(|_| gateway.worker.tend())).await;
        assert_eq!(care().await, (1, 1), "{lost}: one takes its place");
        gateway.work().await;
        gateway.clock.advance(chrono::TimeDelta::minutes(21));
        let before = google.asked("history").len();
        gateway.work().await;
        assert_eq!((google.asked("history").len(), care().await), (before + 1, (1, 1)), "{lost}: and goes on");
    }
    let admin = gateway.sign_in("admin@acme.example").await;
    admin.data("mutation { disconnectEmail { status } }").await;
    owner.execute("DELETE FROM jobs", &[]).await.expect("done");
    gateway.worker.tend().await;
    assert_eq!(care().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_belongs_to_one_tenant_whatever_the_case_of_its_letters() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    mailbox::with_mailbox(&google, &acme).await;
    rival.admin().await;
    let owner = cluster::owner(&gateway.database).await;
    let insert = async |tenant: TenantId, address: &str| {
        let insert = "INSERT INTO email_settings (tenant_id, connected_address, updated_at) VALUES ($1, $2, now())";
        owner.execute(insert, &[&tenant.0, &address]).await
    };
    assert!(insert(rival.id, "FRONT.DESK@exampleco.test").await.is_err());
    assert!(insert(rival.id, "another@exampleco.test").await.is_ok());
}
