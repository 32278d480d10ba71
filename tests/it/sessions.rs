//! Staying signed in, and signing out.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{Actor, Gateway, PASSWORD, Plan, cluster, code};

const REFRESH: &str =
    "mutation($t: String!) { refreshToken(input: { refreshToken: $t }) { accessToken refreshToken } }";

async fn signed_in(gateway: &Gateway) -> (String, String) {
    let login = "mutation($p: String!) { login(input: { email: \"root@platform.example\", password: $p }) { accessToken refreshToken } }";
    tokens(&gateway.stranger().ask(login, json!({ "p": PASSWORD })).await["data"]["login"])
}

fn tokens(pair: &Value) -> (String, String) {
    let text = |name: &str| pair[name].as_str().unwrap_or_else(|| panic!("{pair}")).to_owned();
    (text("accessToken"), text("refreshToken"))
}

async fn refresh(actor: &Actor<'_>, token: &str) -> Value {
    actor.ask(REFRESH, json!({ "t": token })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_is_good_once_and_a_second_use_ends_the_session() {
    let gateway = Gateway::start().await;
    let stranger = gateway.stranger();
    let (_, first) = signed_in(&gateway).await;
    let (access, second) = tokens(&refresh(&stranger, &first).await["data"]["refreshToken"]);
    stranger.with_token(&access).data("{ me { id } }").await;
    // A thief comes with the token that was spent: both are out.
    assert_eq!(code(&refresh(&stranger, &first).await), "UNAUTHENTICATED");
    assert_eq!(code(&refresh(&stranger, &second).await), "UNAUTHENTICATED");
    assert_eq!(code(&stranger.with_token(&access).query("{ me { id } }").await), "UNAUTHENTICATED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thief_who_refreshes_often_is_out_too_when_the_owner_comes() {
    let gateway = Gateway::start().await;
    let stranger = gateway.stranger();
    let (_, stolen) = signed_in(&gateway).await;
    let mut newest = stolen.clone();
    for _ in 0..3 {
        newest = tokens(&refresh(&stranger, &newest).await["data"]["refreshToken"]).1;
    }
    // The owner comes with the token that was stolen, long since spent.
    assert_eq!(code(&refresh(&stranger, &stolen).await), "UNAUTHENTICATED");
    assert_eq!(code(&refresh(&stranger, &newest).await), "UNAUTHENTICATED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_made_up_ends_nobodys_session() {
    let gateway = Gateway::start().await;
    let stranger = gateway.stranger();
    let (_, good) = signed_in(&gateway).await;
    // The right session, another secret, and no mark of ours.
    let forged = format!("{}{}", &good[..40], "A".repeat(good.len() - 40));
    assert_eq!(code(&refresh(&stranger, &forged).await), "UNAUTHENTICATED");
    tokens(&refresh(&stranger, &good).await["data"]["refreshToken"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_refreshes_at_once_one_wins() {
    let gateway = Gateway::start().await;
    let stranger = gateway.stranger();
    let (_, token) = signed_in(&gateway).await;
    let answers = futures_util::future::join_all((0..10).map(|_| refresh(&stranger, &token))).await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.get("errors").is_none()).collect();
    assert_eq!(won.len(), 1);
    // Two windows of one browser are no thief: the one that won goes on.
    let (_, next) = tokens(&won[0]["data"]["refreshToken"]);
    tokens(&refresh(&stranger, &next).await["data"]["refreshToken"]);
    // Who comes with it later, when everybody has had their answer, is one.
    assert_eq!(code(&refresh(&stranger, &next).await), "UNAUTHENTICATED");
    let lost = refresh(&stranger, &token).await;
    assert_eq!(code(&lost), "UNAUTHENTICATED");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_passwords_is_slowed_down_by_account_and_by_address() {
    let settings = vec![("TRUSTED_PROXIES", "1".to_owned())];
    let gateway = Gateway::planned(Plan { settings, ..Plan::default() }).await;
    let tries = async |email: &str, password: &str, address: &str| {
        let document = "mutation($e: String!, $p: String!) { login(input: { email: $e, password: $p }) { expiresIn } }";
        let body = json!({ "query": document, "variables": { "e": email, "p": password } });
        let post = gateway.http.post(gateway.url("/graphql")).header("x-forwarded-for", address).json(&body);
        let answer: Value = post.send().await.expect("an answer").json().await.expect("JSON");
        if answer.get("errors").is_some() { code(&answer).to_owned() } else { "fits".to_owned() }
    };
    let root = "root@platform.example";
    // Whoever knows the password may sign in as often as they like.
    for _ in 0..15 {
        assert_eq!(tries(root, PASSWORD, "198.51.100.1").await, "fits");
    }
    // Ten guesses a minute for an account, wherever they come from, and whether there is one or not: the answers tell nothing.
    for email in [root, "nobody@platform.example"] {
        for n in 0..10 {
            assert_eq!(tries(email, "a guess", &format!("198.51.100.{n}")).await, "UNAUTHENTICATED", "{email} {n}");
        }
        assert_eq!(tries(&email.to_uppercase(), "a guess", "198.51.100.99").await, "RATE_LIMITED", "{email}");
    }
    assert_eq!(tries(root, PASSWORD, "198.51.100.1").await, "RATE_LIMITED", "the owner waits too");
    gateway.clock.advance(TimeDelta::seconds(6));
    assert_eq!(tries(root, PASSWORD, "198.51.100.1").await, "fits");
    // Sixty from one address, whichever accounts they try; a header that a stranger adds changes nothing.
    for n in 0..60 {
        assert_eq!(tries(&format!("user{n}@acme.example"), "a guess", "203.0.113.7").await, "UNAUTHENTICATED");
    }
    assert_eq!(tries("user60@acme.example", "a guess", "1.2.3.4, 203.0.113.7").await, "RATE_LIMITED");
    assert_eq!(tries("user60@acme.example", "a guess", "203.0.113.8").await, "UNAUTHENTICATED");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_tokens_is_changed_and_nobody_is_signed_out() {
    let (old, new) = ("the-key-before-0123456789abcdefgh", "the-key-behind-0123456789abcdefgh");
    let first = Gateway::planned(Plan { settings: vec![("JWT_SECRET_KEY", old.to_owned())], ..Plan::default() }).await;
    let (access, refreshing) = signed_in(&first).await;
    let node = async |settings| {
        let database = Some(first.database.clone());
        Gateway::planned(Plan { settings, database, clock: first.clock.clone(), ..Plan::default() }).await
    };
    let both = vec![("JWT_SECRET_KEY", new.to_owned()), ("JWT_SECRET_KEYS_PREVIOUS", old.to_owned())];
    let second = node(both).await;
    second.stranger().with_token(access.clone()).data("{ me { id } }").await;
    let (renewed, _) = tokens(&refresh(&second.stranger(), &refreshing).await["data"]["refreshToken"]);
    // When nothing of the old key is good any more, it is left out; what is new goes on.
    let third = node(vec![("JWT_SECRET_KEY", new.to_owned())]).await;
    third.stranger().with_token(renewed).data("{ me { id } }").await;
    let refused = third.stranger().with_token(access).query("{ me { id } }").await;
    assert_eq!(code(&refused), "UNAUTHENTICATED");
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_and_access_tokens_do_not_stand_in_for_each_other() {
    let gateway = Gateway::start().await;
    let (access, refreshing) = signed_in(&gateway).await;
    assert_eq!(code(&refresh(&gateway.stranger(), &access).await), "UNAUTHENTICATED");
    assert_eq!(code(&gateway.stranger().with_token(refreshing).query("{ me { id } }").await), "UNAUTHENTICATED");
    for nonsense in ["", "\u{0}", "x"] {
        assert_eq!(code(&refresh(&gateway.stranger(), nonsense).await), "UNAUTHENTICATED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_both_tokens_and_no_other_session() {
    let gateway = Gateway::start().await;
    let (access, refreshing) = signed_in(&gateway).await;
    let (other, _) = signed_in(&gateway).await;
    let actor = gateway.stranger().with_token(access);
    assert_eq!(actor.data("mutation { logout }").await, json!({ "logout": true }));
    assert_eq!(code(&actor.query("{ me { id } }").await), "UNAUTHENTICATED");
    assert_eq!(code(&refresh(&gateway.stranger(), &refreshing).await), "UNAUTHENTICATED");
    gateway.stranger().with_token(other).data("{ me { id } }").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hundred_and_first_sign_in_ends_the_first() {
    let gateway = Gateway::start().await;
    let (first, _) = signed_in(&gateway).await;
    gateway.clock.advance(TimeDelta::minutes(1));
    let (second, _) = signed_in(&gateway).await;
    // Beside these two 98 that stand, and twice as many that ran out, which count for nothing.
    let many = "INSERT INTO sessions (id, user_id, refresh_hash, created_at, expires_at) \
                SELECT gen_random_uuid(), 1, decode(md5(n::text), 'hex'), $1::timestamptz, \
                $1::timestamptz + CASE WHEN n <= 98 THEN interval '1 day' ELSE interval '-1 second' END \
                FROM generate_series(1, 294) n";
    let owner = cluster::owner(&gateway.database).await;
    owner.execute(many, &[&gateway.clock.now()]).await.expect("many");
    let stranger = gateway.stranger();
    stranger.with_token(&first).data("{ me { id } }").await;
    let (newest, _) = signed_in(&gateway).await;
    assert_eq!(code(&stranger.with_token(first).query("{ me { id } }").await), "UNAUTHENTICATED");
    stranger.with_token(second).data("{ me { id } }").await;
    let root = stranger.with_token(newest);
    let seen = root.data(r#"{ sessions { id } auditLog(filter: { action: "session" }) { nodes { detail } } }"#).await;
    assert_eq!(seen["sessions"].as_array().map(Vec::len), Some(100));
    // Who is told why their session has ended is told here; the other two ended none.
    let mut details = seen["auditLog"]["nodes"].as_array().expect("nodes").clone();
    details.retain(|node| !node["detail"].is_null());
    assert_eq!(details, [json!({ "detail": "older sessions ended: 1" })]);
    // To sign out everywhere costs what stands, however many ran out.
    assert_eq!(root.data("mutation { revokeSessions }").await, json!({ "revokeSessions": 99 }));
    let open = "SELECT count(*) FROM sessions WHERE revoked_at IS NULL";
    assert_eq!(owner.query_one(open, &[]).await.expect("a count").get::<_, i64>(0), 197);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_time() {
    let gateway = Gateway::start().await;
    let stranger = gateway.stranger();
    let (_, spent) = signed_in(&gateway).await;
    let (_, unspent) = tokens(&refresh(&stranger, &spent).await["data"]["refreshToken"]);
    gateway.clock.advance(TimeDelta::days(31));
    let root = gateway.root().await;
    let thefts = async || {
        let log = root.data(r#"{ auditLog(filter: { action: "session.reuse" }) { nodes { outcome } } }"#).await;
        log["auditLog"]["nodes"].clone()
    };
    // Who was away for too long signs in again, and is no thief.
    assert_eq!(code(&refresh(&stranger, &unspent).await), "UNAUTHENTICATED");
    assert_eq!(thefts().await, json!([]));
    // A token that was spent tells of two who hold it, however late it comes.
    assert_eq!(code(&refresh(&stranger, &spent).await), "UNAUTHENTICATED");
    assert_eq!(thefts().await, json!([{ "outcome": "REFUSED" }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn open_streams_end_when_their_caller_is_switched_off() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let (admin, staff) = (acme.admin().await, acme.staff().await);
    let conversation = admin.conversation().await;
    let mut sockets = [
        admin.watch(&conversation, None).await,
        staff.watch(&conversation, None).await,
        staff.watch(&conversation, None).await,
    ];
    let watch = json!({ "query": format!("subscription {{ conversationEvents(conversationId: \"{conversation}\") {{ cursor }} }}") });
    let events = admin.post("/graphql/stream").json(&watch).send().await.expect("a stream");
    let staffs = staff.data("{ me { id } }").await["me"]["id"].as_str().expect("an id").to_owned();
    admin.data(&format!(r#"mutation {{ deactivateUser(id: "{staffs}") {{ id }} }}"#)).await;
    for socket in &mut sockets[1..] {
        assert_eq!(socket.closed().await, (4403, "Forbidden".to_owned()));
    }
    gateway.root().await.data(&format!(r#"mutation {{ deactivateTenant(id: "{}") {{ id }} }}"#, acme.id)).await;
    assert_eq!(sockets[0].closed().await, (4403, "Forbidden".to_owned()));
    let text = events.text().await.expect("to its end");
    assert!(text.contains("TENANT_INACTIVE") && text.ends_with("event: complete\ndata:\n\n"), "{text:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_socket_ends_with_its_token() {
    let gateway = Gateway::start().await;
    let admin = gateway.tenant("acme").await.admin().await;
    let conversation = admin.conversation().await;
    let mut socket = admin.watch(&conversation, None).await;
    gateway.clock.advance(chrono::TimeDelta::minutes(31));
    assert_eq!(socket.closed().await, (4403, "Forbidden".to_owned()));
}
