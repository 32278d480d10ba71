//! What becomes of mail that does not simply come and go: Google fails, a consent is taken back, a calendar writes. And staff
//! see it.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{
    Actor, Gateway, Plan, cluster, code,
    fake_google::{FakeGoogle, Fault, Gate, plain},
    fake_model::{FakeModel, Script},
    mailbox::{self, DESK, PAT, asks, conversations, place, told},
};

/// Another mailbox of the same business.
const OTHER: &str = "second.desk@exampleco.test";
const UNCONNECTED: &str = "No mailbox is connected, or it has to be connected again.";

/// What became of each message that goes by mail, as staff see it.
async fn fates(actor: &Actor<'_>) -> Vec<String> {
    let fields = "{ conversations(orderBy: { field: CREATED_AT, direction: ASC }) { nodes { messages { nodes { \
        mail { status failure } } } } } }";
    let seen = actor.data(fields).await;
    let all = seen["conversations"]["nodes"].as_array().into_iter().flatten();
    let messages = all.flat_map(|one| one["messages"]["nodes"].as_array().into_iter().flatten());
    let fate = |mail: &Value| {
        let (status, failure) = (mail["status"].as_str()?, mail["failure"].as_str());
        Some(failure.map_or_else(|| status.to_owned(), |why| format!("{status}: {why}")))
    };
    messages.filter_map(|message| fate(&message["mail"])).collect()
}

/// Staff write in the only conversation.
async fn says(actor: &Actor<'_>, text: &str) {
    let id = actor.data("{ conversations { nodes { id } } }").await["conversations"]["nodes"][0]["id"].clone();
    let send = "mutation($id: ID!, $text: String!) { \
        sendMessage(input: { conversationId: $id, content: $text }) { message { role } } }";
    let answer = actor.ask(send, json!({ "id": id, "text": text })).await;
    assert_eq!(answer["data"]["sendMessage"]["message"]["role"], "AGENT", "{answer}");
}

/// Why mails were passed over.
async fn passed_over(gateway: &Gateway) -> Vec<String> {
    let why = "SELECT passed_over FROM email_received WHERE message_id IS NULL ORDER BY gmail_id";
    let rows = cluster::owner(&gateway.database).await.query(why, &[]).await.expect("rows");
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_see_what_became_of_a_mail_and_visitors_do_not() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let acme = gateway.tenant("acme").await;
    let admin = mailbox::with_mailbox(&google, &acme).await;
    google.arrives(DESK, "thread-1", asks("1", "Is there room on Saturday?"));
    told(&google, &gateway, "push-1").await;
    google.fails("send", Fault::Answer(400, json!({ "error": { "errors": [{ "reason": "invalidArgument" }] } })));
    google.arrives(DESK, "thread-1", asks("2", "And on Sunday?"));
    told(&google, &gateway, "push-2").await;
    let fields = "{ conversations { nodes { messages { nodes { \
        role texts { to } mail { to status failure createdAt updatedAt } } } } } }";
    let seen = acme.staff().await.data(fields).await;
    insta::assert_json_snapshot!(seen["conversations"]["nodes"][0]["messages"]["nodes"], @r#"
    [
      {
        "role": "CUSTOMER",
        "texts": [],
        "mail": null
      },
      {
        "role": "ASSISTANT",
        "texts": [],
        "mail": {
          "to": "pat@parent.test",
          "status": "SENT",
          "failure": null,
          "createdAt": "2026-11-21T12:00:00Z",
          "updatedAt": "2026-11-21T12:00:00Z"
        }
      },
      {
        "role": "CUSTOMER",
        "texts": [],
        "mail": null
      },
      {
        "role": "ASSISTANT",
        "texts": [],
        "mail": {
          "to": "pat@parent.test",
          "status": "FAILED",
          "failure": "Google answered 400: invalidArgument",
          "createdAt": "2026-11-21T12:00:00Z",
          "updatedAt": "2026-11-21T12:00:00Z"
        }
      }
    ]
    "#);
    assert_eq!(fates(&admin).await, ["SENT", "FAILED: Google answered 400: invalidArgument"]);
    let (visitor, own) = acme.visitor().await;
    let asked = "query($id: ID!) { conversation(id: $id) { messages { nodes { mail { status } } } } }";
    assert_eq!(code(&visitor.ask(asked, json!({ "id": own })).await), "FORBIDDEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_below_dashes_is_heard_and_a_signature_is_not() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let admin = mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    google.arrives(DESK, "thread-1", asks("1", "Anna, four years\r\n--\r\nBen, six years\r\nIs there room for both?"));
    google.arrives(DESK, "thread-2", asks("2", "Is there room?\r\n-- \r\nPat Doe\r\nNeed a roof? Call 555 0111."));
    told(&google, &gateway, "push-1").await;
    let all = conversations(&admin).await;
    let heard: Vec<_> =
        all.as_array().into_iter().flatten().map(|one| &one["messages"]["nodes"][0]["content"]).collect();
    insta::assert_json_snapshot!(heard, @r#"
    [
      "Subject: Saturday lessons?\n\nAnna, four years\n--\nBen, six years\nIs there room for both?",
      "Subject: Saturday lessons?\n\nIs there room?"
    ]
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_calendar_says_of_an_invitation_is_kept_and_not_answered() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let admin = mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    let writes = |method: &str| {
        let id = format!("<{method}@mail.parent.test>");
        let text = plain(PAT, "Trial lesson", &id, "Pat Doe has something to say of this invitation.", &[]);
        let kind = format!("text/calendar; charset=\"UTF-8\"; method={method}");
        let calendar = json!({ "mimeType": "text/calendar", "filename": "", "body": { "size": 9, "data": "eA==" },
            "headers": [{ "name": "Content-Type", "value": kind }] });
        let mail = json!({ "mimeType": "multipart/alternative", "filename": "", "headers": text["headers"],
            "body": { "size": 0 }, "parts": [text, calendar] });
        google.arrives(DESK, method, mail);
    };
    for method in ["REPLY", "COUNTER", "CANCEL", "REFRESH"] {
        writes(method);
    }
    told(&google, &gateway, "push-1").await;
    assert_eq!((conversations(&admin).await, google.sent(DESK).len()), (json!([]), 0));
    assert_eq!(passed_over(&gateway).await, ["a calendar wrote it"; 4]);
    // The invitation itself is a person's word.
    writes("REQUEST");
    told(&google, &gateway, "push-2").await;
    assert_eq!(fates(&admin).await, ["SENT"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_in_a_thread_of_another_mailbox_goes_out_beside_it_and_never_twice() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let admin = mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    google.arrives(DESK, "thread-1", asks("1", "Is there room on Saturday?"));
    told(&google, &gateway, "push-1").await;
    mailbox::connect(&google, &admin, OTHER).await;
    says(&admin, "I looked: yes, at 9.").await;
    gateway.work().await;
    assert_eq!(fates(&admin).await, ["SENT", "SENT"]);
    assert_eq!(google.asked("send"), [json!("thread-1"), json!("thread-1"), json!(null)]);
    let sent = google.sent(OTHER);
    assert!(sent.len() == 1 && sent[0].1.contains("\r\nIn-Reply-To: <1@mail.parent.test>\r\n"), "{sent:?}");
    // It went out, and the answer that says so is lost: no thread tells, so it is not sent again.
    google.fails("send", Fault::Answer(404, json!({})));
    google.fails("send", Fault::Lost);
    says(&admin, "And at 10.").await;
    gateway.work().await;
    assert_eq!(fates(&admin).await[2], "SENDING");
    gateway.clock.advance(TimeDelta::minutes(2));
    gateway.work().await;
    assert_eq!(fates(&admin).await[2], "FAILED: Its thread is not in the mailbox. It may have been sent.");
    assert_eq!(google.sent(OTHER).len(), 2);
    // What is not there without a thread either is given up.
    google.fails("send", Fault::Answer(404, json!({})));
    google.fails("send", Fault::Answer(404, json!({})));
    says(&admin, "And at 11.").await;
    gateway.work().await;
    assert_eq!((fates(&admin).await[3].as_str(), google.sent(OTHER).len()), ("FAILED: it is not there", 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_gmail_did_not_take_is_known_not_to_have_gone() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let admin = mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    google.arrives(DESK, "thread-1", asks("1", "Is there room on Saturday?"));
    told(&google, &gateway, "push-1").await;
    // Of another mailbox than the thread: nothing there would tell what became of it.
    mailbox::connect(&google, &admin, OTHER).await;
    let refuses = |status: u16, reason: &str| {
        let body = json!({ "error": { "errors": [{ "reason": reason }] } });
        google.fails("send", Fault::Answer(404, json!({})));
        google.fails("send", Fault::Answer(status, body));
    };
    let has_no_tokens = || {
        google.tokens_end();
        google.fails("token", Fault::Answer(503, json!({})));
    };
    let answers = ["429: rateLimitExceeded", "403: userRateLimitExceeded", "503: no reason given"];
    for (n, answer) in answers.iter().enumerate() {
        match n {
            0 => refuses(429, "rateLimitExceeded"),
            1 => refuses(403, "userRateLimitExceeded"),
            _ => has_no_tokens(),
        }
        says(&admin, "I looked: yes, at 9.").await;
        gateway.work().await;
        assert_eq!(fates(&admin).await[n + 1], format!("QUEUED: Google answered {answer}"));
        gateway.clock.advance(TimeDelta::minutes(2));
        gateway.work().await;
        assert_eq!((fates(&admin).await[n + 1].as_str(), google.sent(OTHER).len()), ("SENT", n + 1));
    }
    // Given up, it is not said to have been sent.
    for _ in 0..12 {
        refuses(429, "rateLimitExceeded");
    }
    says(&admin, "And at 10.").await;
    gateway.work().await;
    for _ in 0..11 {
        gateway.clock.advance(TimeDelta::minutes(19));
        gateway.work().await;
    }
    let admin = gateway.sign_in("admin@acme.example").await;
    assert_eq!(fates(&admin).await[4], "FAILED: Google answered 429: rateLimitExceeded");
    assert_eq!(google.sent(OTHER).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_google_would_not_give_is_asked_for_until_it_is_old() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    let owner = cluster::owner(&gateway.database).await;
    let deliveries = async || {
        let rows = owner.query("SELECT status FROM webhook_deliveries ORDER BY id", &[]).await.expect("rows");
        rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>()
    };
    let before = place(&gateway).await;
    let late = google.arrives(DESK, "thread-1", asks("1", "Read in the end."));
    google.spoils(&late);
    google.arrives(DESK, "thread-2", asks("2", "Behind it."));
    told(&google, &gateway, "push-1").await;
    assert_eq!((google.sent(DESK).len(), deliveries().await), (1, vec!["FAILED".to_owned()]));
    // The push is done when it was tried as often as anything is, and its mail is not given up. Nor do the rounds put look after look in
    // line behind it meanwhile: one, at the most.
    for _ in 0..14 {
        gateway.clock.advance(TimeDelta::minutes(19));
        gateway.work().await;
        let looks = "SELECT count(*) FROM jobs WHERE lane = 'from:mailbox'";
        let looks: i64 = owner.query_one(looks, &[]).await.expect("a count").get(0);
        assert!(looks <= 2, "{looks}");
    }
    assert_eq!((deliveries().await, place(&gateway).await), (vec!["PROCESSED".to_owned()], before.clone()));
    assert_eq!((passed_over(&gateway).await.len(), google.asked("list")[0]["q"].clone()), (0, json!("newer_than:2d")));
    google.mends(&late);
    gateway.clock.advance(TimeDelta::minutes(19));
    gateway.work().await;
    assert_eq!((google.sent(DESK).len(), passed_over(&gateway).await.len()), (2, 0));
    let between = place(&gateway).await;
    assert_ne!(between, before);
    // One that nobody waits for any more is passed over, though not at once.
    let never = google.arrives(DESK, "thread-3", asks("3", "Never read."));
    google.spoils(&never);
    google.ages(&never);
    told(&google, &gateway, "push-2").await;
    let mut tries = 1;
    while place(&gateway).await == between {
        assert!(tries < 12 && passed_over(&gateway).await.is_empty(), "{tries}");
        gateway.clock.advance(TimeDelta::minutes(19));
        gateway.work().await;
        tries += 1;
    }
    assert_eq!((tries, passed_over(&gateway).await), (12, vec!["it can't be read".to_owned()]));
    assert_eq!(deliveries().await, ["PROCESSED"; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_behind_many_that_google_would_not_give_is_read() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    let comes = |n: u32, is_given: bool| {
        let id = google.arrives(DESK, &format!("thread-{n}"), asks(&n.to_string(), "Is there room?"));
        if !is_given {
            google.spoils(&id);
        }
    };
    comes(0, true);
    for n in 1..7 {
        comes(n, false);
    }
    comes(7, true);
    told(&google, &gateway, "push-1").await;
    assert_eq!(google.sent(DESK).len(), 2);
    // Looks to come begin at the same place, and know what was given before.
    comes(8, true);
    gateway.clock.advance(TimeDelta::minutes(19));
    gateway.work().await;
    assert_eq!((google.sent(DESK).len(), passed_over(&gateway).await.len()), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_google_that_gives_no_mail_is_asked_for_few_and_for_those_behind_them_in_the_end() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    for n in 0..6 {
        google.spoils(&google.arrives(DESK, &format!("thread-{n}"), asks(&n.to_string(), "Is there room?")));
    }
    google.arrives(DESK, "thread-6", asks("6", "Behind them."));
    told(&google, &gateway, "push-1").await;
    for tries in 1..12 {
        assert_eq!((google.asked("message").len(), google.sent(DESK).len()), (tries * 5, 0));
        gateway.clock.advance(TimeDelta::minutes(19));
        gateway.work().await;
    }
    assert_eq!((google.sent(DESK).len(), passed_over(&gateway).await.len()), (1, 0));
}

/// The consent is taken back after the mail was read, and before its answer goes out.
fn takes_back_at_the_send(google: &FakeGoogle) {
    google.fails("send", Fault::Answer(401, json!({ "error": { "errors": [{ "reason": "authError" }] } })));
    google.fails("token", Fault::Answer(400, json!({ "error": "invalid_grant" })));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_waits_where_the_consent_is_taken_back_before_it_goes_out() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let admin = mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    google.arrives(DESK, "thread-1", asks("1", "Is there room on Saturday?"));
    takes_back_at_the_send(&google);
    told(&google, &gateway, "push-1").await;
    assert_eq!(mailbox::settings(&admin).await["status"], "RECONNECT_NEEDED");
    assert_eq!(fates(&admin).await, [format!("QUEUED: {UNCONNECTED}")]);
    // However often it is looked at, and however long that takes.
    for _ in 0..15 {
        gateway.clock.advance(TimeDelta::minutes(40));
        gateway.work().await;
    }
    let admin = gateway.sign_in("admin@acme.example").await;
    assert_eq!(fates(&admin).await, [format!("QUEUED: {UNCONNECTED}")]);
    assert_eq!((google.asked("send").len(), google.asked("thread").len()), (1, 0));
    mailbox::connect(&google, &admin, DESK).await;
    gateway.work().await;
    assert_eq!((fates(&admin).await, google.sent(DESK).len()), (vec!["SENT".to_owned()], 1));
    assert_eq!(google.asked("thread").len(), 1, "by then a person might have answered");
    gateway.clock.advance(TimeDelta::minutes(21));
    gateway.work().await;
    assert_eq!(google.sent(DESK).len(), 1, "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_waits_where_the_consent_is_taken_back_while_it_is_written() {
    let google = FakeGoogle::start().await;
    let model = FakeModel::start(Script::ByHand).await;
    let plan = Plan { model: Some(model.base_url.clone()), ..Plan::default() };
    let gateway = mailbox::planned(&google, plan).await;
    let admin = mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    google.arrives(DESK, "thread-1", asks("1", "Is there room on Saturday?"));
    let meanwhile = async {
        let call = model.call().await;
        google.takes_back(DESK);
        told(&google, &gateway, "push-2").await;
        assert_eq!(mailbox::settings(&admin).await["status"], "RECONNECT_NEEDED");
        call.text("Yes, at 9.").await;
        call.finish().await;
    };
    tokio::join!(told(&google, &gateway, "push-1"), meanwhile);
    assert_eq!(fates(&admin).await, [format!("QUEUED: {UNCONNECTED}")]);
    mailbox::connect(&google, &admin, DESK).await;
    gateway.work().await;
    assert_eq!(fates(&admin).await, ["SENT"]);
    let sent = google.sent(DESK);
    assert!(sent.len() == 1 && sent[0].1.contains("Yes, at 9."), "{sent:?}");
    assert!(model.is_idle().await, "it is written once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_out_at_once_where_a_mailbox_is_connected_while_it_finds_none() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let admin = mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    google.arrives(DESK, "thread-1", asks("1", "Is there room on Saturday?"));
    let gate = Arc::new(Gate::default());
    google.fails("send", Fault::Answer(401, json!({ "error": { "errors": [{ "reason": "authError" }] } })));
    google.fails("token", Fault::Held(gate.clone(), 400, json!({ "error": "invalid_grant" })));
    // While it is in hand, nobody can make it due.
    let meanwhile = async {
        gate.reached().await;
        mailbox::connect(&google, &admin, DESK).await;
        gate.open();
    };
    tokio::join!(told(&google, &gateway, "push-1"), meanwhile);
    assert_eq!(fates(&admin).await, [format!("QUEUED: {UNCONNECTED}")]);
    gateway.clock.advance(TimeDelta::seconds(1));
    gateway.work().await;
    assert_eq!((fates(&admin).await, google.sent(DESK).len()), (vec!["SENT".to_owned()], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_waited_is_left_out_where_a_person_gave_one_meanwhile() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    google.arrives(DESK, "thread-1", asks("1", "Is there room on Saturday?"));
    takes_back_at_the_send(&google);
    told(&google, &gateway, "push-1").await;
    // At Gmail.
    let by_hand = plain(DESK, "Re: Saturday lessons?", "<hand@exampleco.test>", "Yes, there is.", &[]);
    google.arrives_as(DESK, "thread-1", &["SENT"], by_hand);
    gateway.clock.advance(TimeDelta::hours(2));
    let admin = gateway.sign_in("admin@acme.example").await;
    mailbox::connect(&google, &admin, DESK).await;
    gateway.work().await;
    assert_eq!(fates(&admin).await, ["FAILED: A person answered meanwhile."]);
    assert_eq!(google.sent(DESK).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_staff_wrote_waits_too_and_goes_out_in_the_place_of_the_answer_before_it() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let admin = mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    google.arrives(DESK, "thread-1", asks("1", "Is there room on Saturday?"));
    google.fails("send", Fault::Answer(503, json!({})));
    told(&google, &gateway, "push-1").await;
    says(&admin, "I looked: yes, at 9.").await;
    google.takes_back(DESK);
    gateway.clock.advance(TimeDelta::minutes(2));
    gateway.work().await;
    // The first may have been sent, for all that is known, and the second waits behind it.
    assert_eq!(fates(&admin).await, [format!("SENDING: {UNCONNECTED}"), "QUEUED".to_owned()]);
    gateway.clock.advance(TimeDelta::hours(2));
    let admin = gateway.sign_in("admin@acme.example").await;
    mailbox::connect(&google, &admin, DESK).await;
    gateway.work().await;
    assert_eq!(fates(&admin).await, ["FAILED: A person answered meanwhile.", "SENT"]);
    let sent = google.sent(DESK);
    assert!(sent.len() == 1 && sent[0].1.contains("I looked: yes, at 9."), "{sent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_waited_for_two_weeks_is_given_up() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    google.arrives(DESK, "thread-1", asks("1", "Is there room on Saturday?"));
    takes_back_at_the_send(&google);
    told(&google, &gateway, "push-1").await;
    for (days, fate) in [(13, "QUEUED"), (1, "FAILED")] {
        gateway.clock.advance(TimeDelta::days(days));
        gateway.work().await;
        let admin = gateway.sign_in("admin@acme.example").await;
        assert_eq!(fates(&admin).await, [format!("{fate}: {UNCONNECTED}")]);
    }
    let admin = gateway.sign_in("admin@acme.example").await;
    mailbox::connect(&google, &admin, DESK).await;
    gateway.work().await;
    assert_eq!(google.sent(DESK).len(), 0);
}
