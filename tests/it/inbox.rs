//! What phone providers post: kept once, and only what they signed.

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::StatusCode;
use ring::hmac;
use serde_json::{Value, json};

use crate::support::{
    Actor, Gateway, Plan, cluster,
    phones::{Account, message, set_sms, twilio_posts, with_number},
};

const NOON: i64 = 1_795_262_400;
const TOKEN: &str = "12345678901234567890123456789012";
const ACCOUNT: &str = "AC0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";

async fn deliveries(actor: &Actor<'_>) -> Value {
    actor.data("{ webhookDeliveries { nodes { provider eventId eventType status } } }").await["webhookDeliveries"]["nodes"]
        .clone()
}

async fn rows(gateway: &Gateway) -> i64 {
    let kept = "SELECT count(*) FROM webhook_deliveries";
    cluster::owner(&gateway.database).await.query_one(kept, &[]).await.expect("a count").get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_copies_of_a_message_are_kept_once_for_the_tenant_of_the_number() {
    let gateway = Gateway::start().await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    let account = Account::new(1);
    let admin = with_number(&acme, "+15555550122", &account).await;
    let body = message("event-1", "+15555550122");
    let answers = futures_util::future::join_all((0..50).map(|_| account.posts(&gateway, &body, NOON))).await;
    assert!(answers.iter().all(|answer| answer.status() == StatusCode::OK));
    insta::assert_json_snapshot!(deliveries(&admin).await, @r#"
    [
      {
        "provider": "TELNYX",
        "eventId": "event-1",
        "eventType": "message.received",
        "status": "RECEIVED"
      }
    ]
    "#);
    assert_eq!(deliveries(&rival.admin().await).await, json!([]));
    let kept = "SELECT body, tenant_id FROM webhook_deliveries";
    let row = cluster::owner(&gateway.database).await.query_one(kept, &[]).await.expect("one row");
    assert_eq!((row.get::<_, Vec<u8>>(0), row.get::<_, i64>(1)), (body.into_bytes(), acme.id.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_tenants_own_account_did_not_sign_just_now_is_refused_and_not_kept() {
    let platform = Account::new(9);
    let settings = vec![("TELNYX_PUBLIC_KEY", platform.key())];
    let gateway = Gateway::planned(Plan { settings, ..Plan::default() }).await;
    let (own, other) = (Account::new(1), Account::new(2));
    let admin = with_number(&gateway.tenant("acme").await, "+15555550122", &own).await;
    let body = message("event-1", "+15555550122");
    for (account, at) in [(&other, NOON), (&platform, NOON), (&own, NOON - 301), (&own, NOON + 301)] {
        assert_eq!(account.posts(&gateway, &body, at).await.status(), StatusCode::FORBIDDEN);
    }
    // A signature of one body is none of another, be it the same event in other words.
    let signature = STANDARD.encode(own.0.sign(format!("{NOON}|{body}").as_bytes()).as_ref());
    for (header, changed) in [
        (Some(signature.clone()), body.replace("Saturday", "Sunday")),
        (Some(signature), body.clone() + "\n"),
        (None, body),
    ] {
        let mut post =
            gateway.http.post(gateway.url("/api/v1/telnyx/sms")).header("telnyx-timestamp", NOON.to_string());
        if let Some(header) = header {
            post = post.header("telnyx-signature-ed25519", header);
        }
        let answer = post.body(changed).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert_eq!(answer.headers()["content-type"], "application/problem+json; charset=utf-8");
    }
    assert_eq!(deliveries(&admin).await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_for_nobody_is_kept_apart_for_the_platform() {
    let platform = Account::new(9);
    let settings = vec![("TELNYX_PUBLIC_KEY", platform.key())];
    let gateway = Gateway::planned(Plan { settings, ..Plan::default() }).await;
    let own = Account::new(1);
    let admin = with_number(&gateway.tenant("acme").await, "+15555550122", &own).await;
    assert_eq!(platform.posts(&gateway, &message("event-2", "+15555550199"), NOON).await.status(), StatusCode::OK);
    // One that nobody we know signed is not kept at all.
    assert_eq!(own.posts(&gateway, &message("event-3", "+15555550199"), NOON).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(deliveries(&admin).await, json!([]));
    let apart = deliveries(&gateway.root().await).await;
    assert_eq!(apart[0]["eventId"], "event-2");
    assert_eq!(apart.as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_no_reason_to_say_it_was_kept() {
    let gateway = Gateway::start().await;
    let account = Account::new(1);
    let admin = with_number(&gateway.tenant("acme").await, "+15555550122", &account).await;
    let body = message("event-1", "+15555550122");
    cluster::take_away(&gateway.database).await;
    assert_eq!(account.posts(&gateway, &body, NOON).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    cluster::give_back(&gateway.database).await;
    assert_eq!(account.posts(&gateway, &body, NOON).await.status(), StatusCode::OK);
    assert_eq!(deliveries(&admin).await.as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn twilio_signs_with_the_tenants_token_and_is_answered_in_its_own_form() {
    let settings = vec![("PUBLIC_URL", "https://chat.example.test".to_owned())];
    let gateway = Gateway::planned(Plan { settings, ..Plan::default() }).await;
    let admin = gateway.tenant("acme").await.admin().await;
    set_sms(&admin, json!({ "isEnabled": true, "twilioPhoneNumber": "+15555550123", "twilioAccountSid": ACCOUNT, "twilioAuthToken": TOKEN })).await;
    let fields = [
        ("ToCountry", "US"),
        ("FromCity", ""),
        ("Body", "Hi & bye, é"),
        ("To", "+15555550123"),
        ("From", "+15555550111"),
        ("MessageSid", "SM1"),
        ("AccountSid", ACCOUNT),
        ("SmsStatus", "received"),
    ];
    for _ in 0..2 {
        let answer = twilio_posts(&gateway, TOKEN, &fields).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "text/xml; charset=utf-8");
        assert_eq!(answer.text().await.expect("a text"), r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#);
    }
    insta::assert_json_snapshot!(deliveries(&admin).await, @r#"
    [
      {
        "provider": "TWILIO",
        "eventId": "AC0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a:SM1:received",
        "eventType": "message.received",
        "status": "RECEIVED"
      }
    ]
    "#);
    assert_eq!(twilio_posts(&gateway, "another", &fields).await.status(), StatusCode::FORBIDDEN);
    // Another account that names the number: it is not the tenant's, and the platform has no token for it.
    let foreign = fields.map(|(name, value)| (name, if name == "AccountSid" { "AC1" } else { value }));
    assert_eq!(twilio_posts(&gateway, TOKEN, &foreign).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(deliveries(&admin).await.as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn twilio_signs_by_a_shared_key_or_an_address_where_it_is_set_up_so() {
    let settings = vec![("PUBLIC_URL", "https://chat.example.test".to_owned())];
    let gateway = Gateway::planned(Plan { settings, ..Plan::default() }).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let input = json!({ "twilioPhoneNumber": "+15555550123", "twilioAccountSid": ACCOUNT, "twilioAuthToken": TOKEN,
        "twilioSharedKey": "the-secret-of-a-shared-key" });
    set_sms(&admin, input).await;
    let query = format!("MessageSid=SM1&AccountSid={ACCOUNT}&From=%2B15555550111&To=%2B15555550123&Body=Hi");
    let address = format!("https://chat.example.test/api/v1/twilio/sms?{query}");
    let ask = async |algorithm, secret: &str, settings: Option<&str>| {
        let key = hmac::Key::new(algorithm, secret.as_bytes());
        let signature = STANDARD.encode(hmac::sign(&key, address.as_bytes()));
        let mut request = gateway.http.get(gateway.url(&format!("/api/v1/twilio/sms?{query}")));
        request = request.header("x-twilio-signature", signature);
        if let Some(settings) = settings {
            request = request.header("x-twilio-webhooks-signature-settings", settings);
        }
        request.send().await.expect("an answer").status()
    };
    let (sha1, sha256) = (hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, hmac::HMAC_SHA256);
    let shared = Some("key=webhooks_sharedkey_1,algorithm=HMAC_SHA256");
    // Neither secret is good for the other's algorithm, and no other algorithm for anything.
    for (algorithm, secret, settings) in [
        (sha256, TOKEN, shared),
        (sha1, "the-secret-of-a-shared-key", None),
        (sha256, TOKEN, None),
        (sha256, "the-secret-of-a-shared-key", Some("algorithm=HMAC_SHA512")),
    ] {
        assert_eq!(ask(algorithm, secret, settings).await, StatusCode::FORBIDDEN);
    }
    assert_eq!(deliveries(&admin).await, json!([]));
    assert_eq!(ask(sha256, "the-secret-of-a-shared-key", shared).await, StatusCode::OK);
    assert_eq!(ask(sha1, TOKEN, None).await, StatusCode::OK);
    assert_eq!(deliveries(&admin).await.as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_provider_sends_is_refused_with_a_problem() {
    let gateway = Gateway::start().await;
    let post = async |path: &str, body: Vec<u8>| {
        gateway.http.post(gateway.url(path)).body(body).send().await.expect("an answer")
    };
    for path in ["/api/v1/telnyx/sms", "/api/v1/twilio/sms"] {
        for body in [b"".to_vec(), b"{".to_vec(), b"[]".to_vec(), vec![0xff, 0xfe], br#"{"data":{"id":1}}"#.to_vec()] {
            let answer = post(path, body).await;
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path}");
            assert_eq!(answer.headers()["content-type"], "application/problem+json; charset=utf-8");
        }
        assert_eq!(post(path, vec![b'x'; 1024 * 1024 + 1]).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let read = gateway.http.get(gateway.url(path)).send().await.expect("an answer");
        // Twilio may be set up to GET; then what it says stands in the address.
        let expected = if path.contains("twilio") { StatusCode::BAD_REQUEST } else { StatusCode::METHOD_NOT_ALLOWED };
        assert_eq!(read.status(), expected);
    }
    assert_eq!(rows(&gateway).await, 0);
}

/// The address of calls lets a query name the tenant; what a shared account signed for one of them must not get there by it.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_no_call_and_a_call_no_message() {
    let shared = Account::new(9);
    let settings = vec![("TELNYX_PUBLIC_KEY", shared.key())];
    let gateway = Gateway::planned(Plan { settings, ..Plan::default() }).await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    set_sms(&acme.admin().await, json!({ "isEnabled": true, "telnyxPhoneNumber": "+15555550122" })).await;
    let call = json!({ "data": { "id": "call-1", "event_type": "call.hangup", "payload": {
        "to": "+15555550122", "call_control_id": "v3:1" } } })
    .to_string();
    for (path, body) in [
        (format!("/api/v1/telnyx/ai-call-complete?tenant_id={}", rival.id.0), message("event-1", "+15555550122")),
        ("/api/v1/telnyx/sms".to_owned(), call),
    ] {
        let post = shared.signs(gateway.http.post(gateway.url(&path)), &body, NOON);
        assert_eq!(post.send().await.expect("an answer").status(), StatusCode::BAD_REQUEST, "{path}");
    }
    assert_eq!(rows(&gateway).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_one_tenants_account_takes_nothing_from_another() {
    let gateway = Gateway::start().await;
    let (own, other) = (Account::new(1), Account::new(2));
    with_number(&gateway.tenant("rival").await, "+15555550133", &other).await;
    // Whoever has a key of their own gives events whatever names they like.
    assert_eq!(other.posts(&gateway, &message("event-1", "+15555550133"), NOON).await.status(), StatusCode::OK);
    let admin = with_number(&gateway.tenant("acme").await, "+15555550122", &own).await;
    assert_eq!(own.posts(&gateway, &message("event-1", "+15555550122"), NOON).await.status(), StatusCode::OK);
    assert_eq!(deliveries(&admin).await.as_array().map(Vec::len), Some(1));
    assert_eq!(rows(&gateway).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_nobodys_signature_is_refused_before_anything_is_looked_up() {
    // Housekeeping would ask the database meanwhile.
    let gateway = Gateway::planned(Plan { housekeeping: None, ..Plan::default() }).await;
    let before = gateway.services.db.statements();
    let nul = r#"{"data":{"id":"e","event_type":"message.received","payload":{"to":"+1\u0000"}}}"#;
    for (path, body) in [
        ("/api/v1/telnyx/sms", message("event-1", "+15555550122")),
        ("/api/v1/telnyx/sms", nul.to_owned()),
        (
            "/api/v1/telnyx/ai-call-complete",
            r#"{"data":{"id":"e","event_type":"call.hangup","payload":{}}}"#.to_owned(),
        ),
        ("/api/v1/telnyx/tools/get-classes?tenant_id=1", "{}".to_owned()),
        ("/api/v1/twilio/sms", "MessageSid=SM1&AccountSid=AC1&To=%2B1&From=%2B2".to_owned()),
    ] {
        for signature in ["", "x", "AAAA"] {
            let post = gateway.http.post(gateway.url(path)).body(body.clone());
            let post = match signature {
                "" => post,
                made_up => post
                    .header("telnyx-signature-ed25519", made_up)
                    .header("telnyx-timestamp", NOON.to_string())
                    .header("x-twilio-signature", "no base64"),
            };
            assert_eq!(post.send().await.expect("an answer").status(), StatusCode::FORBIDDEN, "{path}");
        }
    }
    assert_eq!(gateway.services.db.statements(), before);
    // PostgreSQL keeps no NUL: such a number is none, and no reason to say that we are away.
    let account = Account::new(1);
    assert_eq!(account.posts(&gateway, nul, NOON).await.status(), StatusCode::FORBIDDEN);
    let form = [("MessageSid", "SM1"), ("AccountSid", "AC1"), ("To", "+1\0"), ("From", "+2")];
    assert_eq!(twilio_posts(&gateway, TOKEN, &form).await.status(), StatusCode::BAD_REQUEST);
}
