//! A right that has ended ends what is open under it, on every node: sockets and event streams alike. How soon is a setting;
//! here each node looks every few milliseconds, a deployed one every three seconds.

use std::time::Duration;

use frontdesk::http::{WebSettings, router};
use futures_util::StreamExt;
use serde_json::json;
use tower_service::Service;

use crate::support::{Actor, Gateway, PASSWORD, Plan, socket::Events};

/// What somebody follows at one node, over both transports.
struct Open {
    socket: Events,
    stream: reqwest::Response,
}

async fn follow(actor: &Actor<'_>, conversation: &str) -> Open {
    let document = format!("subscription {{ conversationEvents(conversationId: \"{conversation}\") {{ cursor }} }}");
    let stream = actor.post("/graphql/stream").json(&json!({ "query": document })).send().await.expect("a stream");
    assert_eq!(stream.status(), 200);
    Open { socket: actor.watch(conversation, None).await, stream }
}

impl Open {
    /// How both end.
    async fn ended(mut self) -> (u16, String) {
        let (code, _) = self.socket.closed().await;
        let text = self.stream.text().await.expect("to its end");
        assert!(text.ends_with("event: complete\ndata:\n\n"), "{text}");
        let last = text.lines().rev().find_map(|line| line.strip_prefix("data: ")).expect("a last word");
        let last: serde_json::Value = serde_json::from_str(last).expect("JSON");
        let error = &last["errors"][0];
        (code, format!("{}: {}", error["extensions"]["code"].as_str().expect("a code"), error["message"]))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_ends_a_right_ends_its_streams_on_every_node() {
    assert!(WebSettings::default().recheck <= Duration::from_secs(4), "within five seconds, the look itself included");
    let here = Gateway::start().await;
    let there = Gateway::planned(Plan { database: Some(here.database.clone()), ..Plan::default() }).await;
    let mut ends = Vec::new();
    for cause in [
        "signs out",
        "ends this one session elsewhere",
        "ends all others elsewhere",
        "changes the password elsewhere",
        "gets a new password",
        "gets another role",
        "is put into no tenant",
        "is deactivated",
        "the tenant is deactivated",
        "the lease is ended",
        "the visit is ended",
    ] {
        let acme = here.tenant(&format!("t{}", ends.len())).await;
        let (admin, root) = (acme.admin().await, here.root().await);
        let mut staff = acme.staff().await;
        let mut conversation = admin.conversation().await;
        let id = staff.data("{ me { id } }").await["me"]["id"].as_str().expect("an id").to_owned();
        let lease = format!(
            "mutation {{ impersonateTenant(input: {{ tenantId: \"{}\", reason: \"Ticket 7\" }}) \
             {{ id accessToken }} }}",
            acme.id
        );
        let lease = root.data(&lease).await["impersonateTenant"].clone();
        if cause == "the lease is ended" {
            staff = staff.with_token(lease["accessToken"].as_str().expect("a token"));
        }
        if cause == "the visit is ended" {
            (staff, conversation) = acme.visitor().await;
        }
        let open = [follow(&staff, &conversation).await, follow(&staff.at(there.address), &conversation).await];
        let elsewhere = here.sign_in(&format!("staff@{}.example", acme.slug)).await;
        let (by, change) = match cause {
            "signs out" => (&staff, "logout".to_owned()),
            "ends this one session elsewhere" => {
                let listed = elsewhere.data("{ sessions { id isCurrent } }").await;
                let listed = listed["sessions"].as_array().expect("a list");
                let other = listed.iter().find(|one| one["isCurrent"] == false).expect("the other one");
                (&elsewhere, format!("revokeSession(id: {})", other["id"]))
            }
            "ends all others elsewhere" => (&elsewhere, "revokeSessions".to_owned()),
            "changes the password elsewhere" => {
                let input = format!("currentPassword: \"{PASSWORD}\", newPassword: \"another horse\"");
                (&elsewhere, format!("changePassword(input: {{ {input} }})"))
            }
            "gets a new password" => {
                (&admin, format!("updateUser(id: \"{id}\", input: {{ password: \"another horse\" }}) {{ id }}"))
            }
            "gets another role" => {
                (&admin, format!("updateUser(id: \"{id}\", input: {{ role: TENANT_ADMIN }}) {{ id }}"))
            }
            "is put into no tenant" => {
                (&root, format!("assignUserToTenant(userId: \"{id}\", tenantId: null) {{ id }}"))
            }
            "is deactivated" => (&admin, format!("deactivateUser(id: \"{id}\") {{ id }}")),
            "the tenant is deactivated" => (&root, format!("deactivateTenant(id: \"{}\") {{ id }}", acme.id)),
            "the lease is ended" => (&root, format!("endImpersonation(id: {}) {{ id }}", lease["id"])),
            _ => (&admin, format!("revokeVisitorSessions(conversationId: \"{conversation}\")")),
        };
        by.data(&format!("mutation {{ {change} }}")).await;
        let [one, other] = open;
        let end = one.ended().await;
        assert_eq!(other.ended().await, end, "{cause}: on the other node too");
        ends.push(format!("{cause}: {} {}", end.0, end.1));
    }
    insta::assert_snapshot!(ends.join("\n"), @r#"
    signs out: 4403 UNAUTHENTICATED: "This session has ended. Sign in again."
    ends this one session elsewhere: 4403 UNAUTHENTICATED: "This session has ended. Sign in again."
    ends all others elsewhere: 4403 UNAUTHENTICATED: "This session has ended. Sign in again."
    changes the password elsewhere: 4403 UNAUTHENTICATED: "This session has ended. Sign in again."
    gets a new password: 4403 UNAUTHENTICATED: "This session has ended. Sign in again."
    gets another role: 4403 UNAUTHENTICATED: "Your role or tenant has changed since you signed in. Sign in again."
    is put into no tenant: 4403 UNAUTHENTICATED: "This session has ended. Sign in again."
    is deactivated: 4403 UNAUTHENTICATED: "This account was deactivated. Ask your administrator."
    the tenant is deactivated: 4403 TENANT_INACTIVE: "This tenant was deactivated. Ask the platform's administrators."
    the lease is ended: 4403 UNAUTHENTICATED: "This impersonation has ended. Ask for a new one with your own token."
    the visit is ended: 4403 UNAUTHENTICATED: "This chat has ended. Start a new one with startVisitorSession."
    "#);
}

/// Nobody asks for more of a response whose reader has stopped to read.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_stops_reading_learns_nothing_of_what_is_said_after_their_right_has_ended() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let (admin, staff) = (acme.admin().await, acme.staff().await);
    let conversation = admin.conversation().await;
    admin
        .data(&format!(
            "mutation {{ updateConversation(id: \"{conversation}\", input: {{ status: HUMAN }}) {{ id }} }}"
        ))
        .await;
    let say = async |content: &str| {
        let input = format!("{{ conversationId: \"{conversation}\", content: \"{content}\" }}");
        admin.data(&format!("mutation {{ sendMessage(input: {input}) {{ message {{ id }} }} }}")).await;
    };
    let document = format!(
        "subscription {{ conversationEvents(conversationId: \"{conversation}\") {{ ... on MessageAdded {{ message {{ content }} }} }} }}"
    );
    let request = axum::http::Request::post("/graphql/stream")
        .extension(axum::extract::ConnectInfo(gateway.address))
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {}", staff.token.as_deref().expect("a token")))
        .body(axum::body::Body::from(json!({ "query": document }).to_string()))
        .expect("a request");
    let response = router(gateway.web.clone()).call(request).await.expect("an answer");
    let mut pieces = response.into_body().into_data_stream();
    let mut heard = String::new();
    pieces.next().await.expect("a sign of life").expect("bytes");
    tokio::select! {
        _ = pieces.next() => panic!("nothing was said"),
        () = gateway.until_watched() => {}
    }
    say("Before").await;
    while !heard.contains("Before") {
        heard += &String::from_utf8_lossy(&pieces.next().await.expect("more").expect("bytes"));
    }
    let mut socket = staff.watch(&conversation, None).await;
    staff.data("mutation { logout }").await;
    assert_eq!(socket.closed().await.0, 4403);
    for number in 1..=20 {
        say(&format!("After {number}")).await;
    }
    while let Some(piece) = pieces.next().await {
        heard += &String::from_utf8_lossy(&piece.expect("bytes"));
    }
    assert!(heard.contains("UNAUTHENTICATED") && !heard.contains("After 20"), "{heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_where_they_are_signed_in_and_ends_what_is_not_theirs() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let (staff, admin) = (acme.staff().await, acme.admin().await);
    gateway.clock.advance(chrono::TimeDelta::minutes(10));
    let login = json!({ "query": format!(
        "mutation {{ login(input: {{ email: \"staff@acme.example\", password: \"{PASSWORD}\" }}) {{ accessToken refreshToken }} }}"
    ) });
    let asked = gateway.http.post(gateway.url("/graphql")).header("user-agent", "Pocket Browser 7").json(&login);
    let answer: serde_json::Value = asked.send().await.expect("an answer").json().await.expect("JSON");
    let pocket = staff.with_token(answer["data"]["login"]["accessToken"].as_str().expect("a token"));
    let list = "{ sessions { id createdAt lastRefreshedAt expiresAt userAgent isCurrent } }";
    let listed = pocket.data(list).await;
    insta::assert_json_snapshot!(listed, { ".sessions[].id" => "[id]" }, @r#"
    {
      "sessions": [
        {
          "id": "[id]",
          "createdAt": "2026-11-21T12:10:00Z",
          "lastRefreshedAt": null,
          "expiresAt": "2026-12-21T12:10:00Z",
          "userAgent": "Pocket Browser 7",
          "isCurrent": true
        },
        {
          "id": "[id]",
          "createdAt": "2026-11-21T12:00:00Z",
          "lastRefreshedAt": null,
          "expiresAt": "2026-12-21T12:00:00Z",
          "userAgent": null,
          "isCurrent": false
        }
      ]
    }
    "#);
    // Nobody ends another's, nor learns that it is there.
    let theirs = &admin.data(list).await["sessions"][0]["id"];
    for id in [theirs.to_string(), "\"00000000-0000-0000-0000-000000000000\"".to_owned(), "\"x\"".to_owned()] {
        let refused = pocket.query(&format!("mutation {{ revokeSession(id: {id}) }}")).await;
        insta::allow_duplicates!(insta::assert_snapshot!(crate::support::said(&refused), @"No such session."));
    }
    assert_eq!(admin.data(list).await["sessions"].as_array().expect("a list").len(), 1);
    // What was ended is on no list.
    let first = &listed["sessions"][1]["id"];
    pocket.data(&format!("mutation {{ revokeSession(id: {first}) }}")).await;
    assert_eq!(pocket.data(list).await["sessions"].as_array().expect("a list").len(), 1);
    assert_eq!(crate::support::code(&staff.query("{ me { id } }").await), "UNAUTHENTICATED");
}
