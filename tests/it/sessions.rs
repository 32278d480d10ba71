//! Staying signed in, and signing out.

use serde_json::{Value, json};

use crate::support::{Actor, Gateway, PASSWORD, code};

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
    let won = answers.iter().filter(|answer| answer.get("errors").is_none()).count();
    assert_eq!(won, 1);
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
async fn a_session_ends_with_its_time() {
    let gateway = Gateway::start().await;
    let (_, token) = signed_in(&gateway).await;
    gateway.clock.advance(chrono::TimeDelta::days(31));
    assert_eq!(code(&refresh(&gateway.stranger(), &token).await), "UNAUTHENTICATED");
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
