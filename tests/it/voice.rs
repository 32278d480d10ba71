//! A call begins: the assistant at Telnyx asks whom it answers for, and who calls.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    Actor, Gateway, Plan, cluster,
    phones::Account,
    telnyx::{ASSISTANT, CALL, CALLER, LINE, beginning, counted, event, with_line},
};

const PATH: &str = "dynamic-variables";

/// How many rows a table has, whosever.
async fn rows(gateway: &Gateway, table: &str) -> i64 {
    let count = format!("SELECT count(*) FROM {table}");
    cluster::owner(&gateway.database).await.query_one(&count, &[]).await.expect("a count").get(0)
}

async fn shows_itself(admin: &Actor<'_>) {
    admin
        .data(
            r#"mutation {
                updateTenantProfile(input: { businessName: "Acme Swim", websiteUrl: "https://acme.example", timeZone: "America/Chicago" }) { id }
                updateBookingSettings(input: { openingHours: [{ weekday: MONDAY, opensAt: "09:00", closesAt: "10:30" }] }) { slotMinutes }
                updateVoiceSettings(input: { jackrabbitOrgId: "990001" }) { isEnabled } }"#,
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_assistant_learns_whom_it_answers_for_and_whether_the_caller_is_known() {
    let gateway = Gateway::start().await;
    let account = Account::recorded();
    let admin = with_line(&gateway.tenant("acme").await, &account, LINE, ASSISTANT).await;
    shows_itself(&admin).await;
    let told = account.asks(&gateway, PATH, &beginning(true), None).await;
    insta::assert_json_snapshot!(told, @r#"
    {
      "dynamic_variables": {
        "line_open": "true",
        "notice": "",
        "business_name": "Acme Swim",
        "business_phone": "",
        "business_email": "",
        "business_website": "https://acme.example",
        "business_time": "Saturday, November 21 at 6:00 AM",
        "registration_offered": "true",
        "classes_offered": "true",
        "booking_offered": "true",
        "caller_known": "false",
        "caller_name": "",
        "caller_status": "",
        "caller_next_meeting": ""
      },
      "conversation": {
        "metadata": {
          "tenant_id": "1001"
        }
      }
    }
    "#);
    // Once they are known, and booked. Whose a number is, is told where the network vouches for it.
    let lead = admin
        .data(&format!(r#"mutation {{ createLead(input: {{ name: "Ann", phone: "{CALLER}" }}) {{ id }} }}"#))
        .await["createLead"]["id"]
        .clone();
    let document =
        "mutation($l: ID!) { bookMeeting(input: { startsAt: \"2026-11-23T15:30:00Z\", leadId: $l }) { id } }";
    let answer = admin.ask(document, json!({ "l": lead })).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    let known = async |is_attested| {
        let told = account.asks(&gateway, PATH, &beginning(is_attested), None).await;
        ["caller_known", "caller_name", "caller_status", "caller_next_meeting"]
            .map(|name| told["dynamic_variables"][name].clone())
    };
    assert_eq!(known(true).await, ["true", "Ann", "new", "Monday, November 23 at 9:30 AM"]);
    assert_eq!(known(false).await, ["true", "", "", ""]);
    assert_eq!(rows(&gateway, "calls").await, 1, "the call is known from now on, once");
    assert_eq!(rows(&gateway, "conversations").await, 0, "and nothing is told of it yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_tenant_cant_be_told_learns_nothing_of_anybody() {
    let platform = Account::new(9);
    let settings = vec![("TELNYX_PUBLIC_KEY", platform.key())];
    let gateway = Gateway::planned(Plan { settings, ..Plan::default() }).await;
    let (own, other) = (Account::recorded(), Account::new(2));
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    let admin = with_line(&acme, &own, LINE, ASSISTANT).await;
    let neighbour = with_line(&rival, &other, "+15555550133", "assistant-rival").await;
    shows_itself(&admin).await;
    let contradiction = |member: &str, value: &str| {
        let mut begins = beginning(true);
        begins["data"]["payload"][member] = json!(value);
        begins
    };
    let nobody =
        event("e", "assistant.initialization", "2026-11-21T12:00:00Z", json!({ "telnyx_end_user_target": CALLER }));
    let told = platform.asks(&gateway, PATH, &nobody, None).await;
    insta::assert_json_snapshot!(told, @r#"
    {
      "dynamic_variables": {
        "business_name": "",
        "caller_name": "",
        "caller_status": "",
        "caller_next_meeting": "",
        "line_open": "false",
        "caller_known": "false",
        "registration_offered": "false",
        "classes_offered": "false",
        "booking_offered": "false",
        "notice": "I'm sorry, I can't look that up on this line. Please contact the business directly."
      }
    }
    "#);
    for (account, path, body) in [
        (&own, PATH.to_owned(), contradiction("assistant_id", "assistant-rival")),
        (&other, PATH.to_owned(), contradiction("telnyx_agent_target", "+15555550133")),
        (&own, format!("{PATH}?tenant_id={}", rival.id.0), beginning(true)),
        (&own, format!("{PATH}?tenant_id=all"), beginning(true)),
        (&platform, format!("{PATH}?tenant_id=77"), nobody.clone()),
    ] {
        assert_eq!(account.asks(&gateway, &path, &body, None).await, told, "{path} {body}");
    }
    // The platform's account signs for all who have none of their own: the address alone does not make a stranger's call theirs.
    let sharing = gateway.tenant("sharing").await;
    let on =
        r#"mutation { updateVoiceSettings(input: { isEnabled: true, assistantId: "assistant-own" }) { isEnabled } }"#;
    sharing.admin().await.data(on).await;
    let path = format!("{PATH}?tenant_id={}", sharing.id.0);
    let foreign = contradiction("assistant_id", "assistant-of-nobody");
    let foreign = {
        let mut event = foreign;
        event["data"]["payload"]["telnyx_agent_target"] = json!("+15555550199");
        event
    };
    assert_eq!(platform.asks(&gateway, &path, &foreign, None).await, told);
    // Calls that are switched off, and a tenant that is.
    admin.data("mutation { updateVoiceSettings(input: { isEnabled: false }) { isEnabled } }").await;
    assert_eq!(own.asks(&gateway, PATH, &beginning(true), None).await, told);
    let root = gateway.root().await;
    root.data(&format!(r#"mutation {{ deactivateTenant(id: "{}") {{ id }} }}"#, rival.id)).await;
    let theirs =
        event("e", "assistant.initialization", "2026-11-21T12:00:00Z", json!({ "assistant_id": "assistant-rival" }));
    assert_eq!(other.asks(&gateway, PATH, &theirs, None).await, told);
    drop(neighbour);
    assert_eq!(rows(&gateway, "calls").await, 0);
    let unresolved =
        async |reason: &str| counted(&gateway, &format!("frontdesk_voice_unresolved_total{{reason=\"{reason}\"")).await;
    assert_eq!(unresolved("unknown").await, "2");
    assert_eq!(unresolved("contradiction").await, "4");
    assert_eq!(unresolved("garbled_tenant_id").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_tenants_own_account_did_not_sign_is_refused() {
    let platform = Account::new(9);
    let settings = vec![("TELNYX_PUBLIC_KEY", platform.key())];
    let gateway = Gateway::planned(Plan { settings, ..Plan::default() }).await;
    let own = Account::recorded();
    let acme = gateway.tenant("acme").await;
    with_line(&acme, &own, LINE, ASSISTANT).await;
    let body = beginning(true).to_string();
    for account in [&platform, &Account::new(3)] {
        let refused = account.posts_to(&gateway, PATH, &body, None).await;
        assert_eq!(refused.status(), 403);
        assert_eq!(refused.headers()["content-type"], "application/problem+json; charset=utf-8");
    }
    let unsigned = gateway.http.post(gateway.url(&format!("/api/v1/telnyx/{PATH}"))).body(body).send().await;
    assert_eq!(unsigned.expect("an answer").status(), 403);
    for body in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"data":{"id":"e","event_type":"call.hangup","payload":{}}}"#,
        "CallSid=a&CallStatus=ringing",
    ] {
        let refused = own.posts_to(&gateway, PATH, body, None).await;
        assert_eq!(refused.status(), 400, "{body}");
        assert_eq!(refused.headers()["content-type"], "application/problem+json; charset=utf-8");
    }
    assert_eq!(rows(&gateway, "calls").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_does_not_wait_for_a_database_that_is_busy() {
    let gateway = Gateway::start().await;
    let account = Account::recorded();
    with_line(&gateway.tenant("acme").await, &account, LINE, ASSISTANT).await;
    let mut owner = cluster::owner(&gateway.database).await;
    let held = owner.transaction().await.expect("a transaction");
    held.batch_execute("LOCK TABLE calls, voice_settings IN ACCESS EXCLUSIVE MODE").await.expect("locked");
    let begun = Instant::now();
    let told = account.asks(&gateway, PATH, &beginning(true), None).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(told["dynamic_variables"]["line_open"], "false");
    held.rollback().await.expect("let go");
    let told = account.asks(&gateway, PATH, &beginning(true), None).await;
    assert_eq!(told["dynamic_variables"]["line_open"], "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_call_is_its_tenants_whatever_else_is_silent() {
    let gateway = Gateway::start().await;
    let account = Account::recorded();
    with_line(&gateway.tenant("acme").await, &account, LINE, ASSISTANT).await;
    account.asks(&gateway, PATH, &beginning(true), None).await;
    let again = event("e", "assistant.initialization", "2026-11-21T12:00:00Z", json!({ "call_control_id": CALL }));
    let told: Value = account.asks(&gateway, PATH, &again, None).await;
    assert_eq!(told["dynamic_variables"]["business_name"], "acme Inc.");
}
