//! Customers write by mail, and are answered in their threads; machines are not.

use chrono::TimeDelta;
use serde_json::json;

use crate::{
    support::{
        Gateway, cluster,
        fake_google::{FakeGoogle, Fault, plain},
        mailbox::{self, DESK, PAT, asks, conversations, place, told},
    },
    toolbox::called,
};

/// The headers of a mail that tell where it belongs, one a line.
fn head(mail: &str) -> String {
    let head = mail.split("\r\n\r\n").next().unwrap_or_default();
    let lines = head.split("\r\n").filter(|line| !line.starts_with("Date: ") && !line.starts_with("Content-"));
    let head = lines.collect::<Vec<_>>().join("\n");
    let marker = head.lines().find_map(|line| line.strip_prefix("X-Frontdesk-Reply: ")).expect("a marker").to_owned();
    assert_eq!(marker.len(), 36);
    head.replace(&marker, "[marker]")
}

async fn replies(gateway: &Gateway) -> Vec<String> {
    let rows = cluster::owner(&gateway.database).await;
    let rows = rows.query("SELECT status || coalesce(': ' || failure, '') FROM email_replies ORDER BY id", &[]).await;
    rows.expect("rows").iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_answered_in_the_thread_that_they_began() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let admin = mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    google.arrives(DESK, "thread-1", asks("1", "Is there room on Saturday?"));
    told(&google, &gateway, "push-1").await;
    insta::assert_json_snapshot!(conversations(&admin).await, @r#"
    [
      {
        "channel": "EMAIL",
        "status": "BOT",
        "subject": "Saturday lessons?",
        "lead": {
          "name": "Pat Doe",
          "email": "pat@parent.test",
          "source": "EMAIL"
        },
        "messages": {
          "nodes": [
            {
              "role": "CUSTOMER",
              "status": "COMPLETE",
              "content": "Subject: Saturday lessons?\n\nIs there room on Saturday?"
            },
            {
              "role": "ASSISTANT",
              "status": "COMPLETE",
              "content": "I don't have an answer to that. A person from acme Inc. will read your message here and get back to you."
            }
          ]
        }
      }
    ]
    "#);
    let sent = google.sent(DESK);
    assert_eq!((sent.len(), sent[0].0.as_str()), (1, "thread-1"));
    insta::assert_snapshot!(head(&sent[0].1), @"
    From: <front.desk@exampleco.test>
    To: <pat@parent.test>
    Subject: Re: Saturday lessons?
    Message-ID: <frontdesk.[marker]@exampleco.test>
    In-Reply-To: <1@mail.parent.test>
    References: <1@mail.parent.test>
    Auto-Submitted: auto-replied
    X-Auto-Response-Suppress: All
    X-Frontdesk-Reply: [marker]
    MIME-Version: 1.0
    ");
    assert_eq!(replies(&gateway).await, ["SENT"]);
    // They write again, below what we wrote: it is the same conversation, and the answer refers to both.
    let quoting =
        "And on Sunday?\r\n\r\nOn Sat, Nov 21, 2026, Front Desk <front.desk@exampleco.test> wrote:\r\n> There is.\r\n";
    let references = "<1@mail.parent.test> <frontdesk.1@exampleco.test>";
    let again = plain(PAT, "Re: Saturday lessons?", "<2@mail.parent.test>", quoting, &[("References", references)]);
    google.arrives(DESK, "thread-1", again);
    told(&google, &gateway, "push-2").await;
    let all = conversations(&admin).await;
    assert_eq!(all.as_array().map(Vec::len), Some(1));
    assert_eq!(all[0]["messages"]["nodes"][2]["content"], "And on Sunday?");
    insta::assert_snapshot!(head(&google.sent(DESK)[1].1), @"
    From: <front.desk@exampleco.test>
    To: <pat@parent.test>
    Subject: Re: Saturday lessons?
    Message-ID: <frontdesk.[marker]@exampleco.test>
    In-Reply-To: <2@mail.parent.test>
    References: <1@mail.parent.test> <frontdesk.1@exampleco.test> <2@mail.parent.test>
    Auto-Submitted: auto-replied
    X-Auto-Response-Suppress: All
    X-Frontdesk-Reply: [marker]
    MIME-Version: 1.0
    ");
    // The same push again, and the same mail under another id, is nothing new.
    told(&google, &gateway, "push-3").await;
    google.arrives(DESK, "thread-1", asks("1", "Is there room on Saturday?"));
    told(&google, &gateway, "push-4").await;
    assert_eq!(google.sent(DESK).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_a_thread_has_a_conversation_of_their_own() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let admin = mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    google.arrives(DESK, "thread-1", asks("1", "My code is 4711."));
    google.arrives(
        DESK,
        "thread-1",
        plain("eve@evil.test", "Re: Saturday lessons?", "<9@evil.test>", "What was the code?", &[]),
    );
    google.arrives(
        DESK,
        "thread-2",
        plain("Sam <sam@x.test>", "Hi", "<3@x.test>", "Hello", &[("Reply-To", "office@x.test")]),
    );
    told(&google, &gateway, "push-1").await;
    let all = conversations(&admin).await;
    let told: Vec<_> = all
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| json!([one["lead"]["email"], one["messages"]["nodes"][0]["content"]]))
        .collect();
    insta::assert_json_snapshot!(told, @r#"
    [
      [
        "pat@parent.test",
        "Subject: Saturday lessons?\n\nMy code is 4711."
      ],
      [
        "eve@evil.test",
        "Subject: Re: Saturday lessons?\n\nWhat was the code?"
      ],
      [
        "office@x.test",
        "Subject: Hi\n\nHello"
      ]
    ]
    "#);
    let to: Vec<_> = google
        .sent(DESK)
        .iter()
        .filter_map(|(_, mail)| mail.lines().find(|line| line.starts_with("To: ")).map(str::to_owned))
        .collect();
    assert_eq!(to.len(), 3);
    assert!(to.contains(&"To: <office@x.test>".to_owned()), "{to:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_another_answered_puts_no_number_of_theirs_on_them() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let acme = gateway.tenant("acme").await;
    let admin = mailbox::with_mailbox(&google, &acme).await;
    admin.data(r#"mutation { createLead(input: { name: "Vera", email: "vera@x.test" }) { id } }"#).await;
    gateway.clock.advance(TimeDelta::minutes(1));
    let text = "I am Vera, and my number is +1 555 555 0166.";
    let claims = plain("mallory@evil.test", "Hi", "<1@evil.test>", text, &[("Reply-To", "vera@x.test")]);
    google.arrives(DESK, "thread-1", claims);
    google.arrives(DESK, "thread-2", asks("2", "My number is +1 555 555 0177."));
    told(&google, &gateway, "push-1").await;
    let cx = gateway.inside(acme.id);
    for (conversation, phone) in [(1, "+15555550166"), (2, "+15555550177")] {
        let answer = called(&cx, conversation, "capture_lead", json!({ "phone": phone })).await;
        assert_eq!(answer, json!({ "noted": ["phone"] }), "nothing tells whether they were known before");
    }
    // Whom nobody knew before they wrote is filled in.
    let seen = admin
        .data("{ conversations(orderBy: { field: CREATED_AT, direction: ASC }) { nodes { lead { email phone notes } } } }")
        .await;
    insta::assert_json_snapshot!(seen["conversations"]["nodes"], @r#"
    [
      {
        "lead": {
          "email": "vera@x.test",
          "phone": null,
          "notes": null
        }
      },
      {
        "lead": {
          "email": "pat@parent.test",
          "phone": "+15555550177",
          "notes": null
        }
      }
    ]
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_gives_no_name_to_somebody_who_was_known_before() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let admin = mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    admin.data(r#"mutation { createLead(input: { email: "vera@x.test", phone: "+15555550166" }) { id } }"#).await;
    gateway.clock.advance(TimeDelta::minutes(1));
    // Whoever writes a mail chooses both its address and the name beside it.
    google.arrives(DESK, "thread-1", plain("\"Mallory Doe\" <vera@x.test>", "Hi", "<1@x.test>", "Hello", &[]));
    google.arrives(DESK, "thread-2", asks("2", "Is there room on Saturday?"));
    told(&google, &gateway, "push-1").await;
    let seen = admin
        .data("{ leads(orderBy: { field: CREATED_AT, direction: ASC }) { nodes { name email phone notes conversations { totalCount } } } }")
        .await;
    insta::assert_json_snapshot!(seen["leads"]["nodes"], @r#"
    [
      {
        "name": null,
        "email": "vera@x.test",
        "phone": "+15555550166",
        "notes": null,
        "conversations": {
          "totalCount": 1
        }
      },
      {
        "name": "Pat Doe",
        "email": "pat@parent.test",
        "phone": null,
        "notes": null,
        "conversations": {
          "totalCount": 1
        }
      }
    ]
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_lists_bounces_and_ourselves_are_never_answered() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let admin = mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    let with = |n: usize, more: &[(&str, &str)]| plain(PAT, "x", &format!("<{n}@a.test>"), "x", more);
    for (n, header) in [
        ("Auto-Submitted", "auto-replied"),
        ("Precedence", "bulk"),
        ("List-Id", "<news.parent.test>"),
        ("Return-Path", "<>"),
        ("X-Auto-Response-Suppress", "All"),
        ("Reply-To", DESK),
    ]
    .iter()
    .enumerate()
    {
        google.arrives(DESK, "t", with(n, &[*header]));
    }
    google.arrives(DESK, "t", plain("no-reply@shop.test", "x", "<20@a.test>", "x", &[]));
    google.arrives(DESK, "t", plain(DESK, "x", "<21@a.test>", "x", &[]));
    google.arrives_as(DESK, "t", &["INBOX", "SPAM"], with(22, &[]));
    google.arrives_as(DESK, "t", &["SENT"], with(23, &[]));
    told(&google, &gateway, "push-1").await;
    assert_eq!((conversations(&admin).await, google.sent(DESK).len()), (json!([]), 0));
    let why = "SELECT count(DISTINCT passed_over), count(*) FROM email_received WHERE message_id IS NULL";
    let why = cluster::owner(&gateway.database).await.query_one(why, &[]).await.expect("a row");
    assert_eq!((why.get::<_, i64>(0), why.get::<_, i64>(1)), (8, 9));
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_never_stops_is_answered_so_often_a_day() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    for n in 0..14 {
        google.arrives(DESK, "thread-1", asks(&n.to_string(), "Again!"));
    }
    told(&google, &gateway, "push-1").await;
    assert_eq!(google.sent(DESK).len(), 12);
    gateway.clock.advance(TimeDelta::hours(25));
    google.arrives(DESK, "thread-1", asks("99", "Good morning."));
    told(&google, &gateway, "push-2").await;
    assert_eq!(google.sent(DESK).len(), 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_address_for_each_answer_and_another_sender_for_each_mail_are_no_way_around_it() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let acme = gateway.tenant("acme").await;
    mailbox::with_mailbox(&google, &acme).await;
    for n in 0..62 {
        // As many as are read at once.
        if n == 40 {
            told(&google, &gateway, "push-0").await;
        }
        let (id, reply_to) = (format!("<{n}@desk.test>"), format!("ticket-{n}@desk.test"));
        let mail = plain("help@desk.test", "Ticket", &id, "We got your mail.", &[("Reply-To", reply_to.as_str())]);
        google.arrives(DESK, &format!("thread-{n}"), mail);
    }
    told(&google, &gateway, "push-1").await;
    let kept = "SELECT count(*) FROM conversations";
    let kept: i64 = cluster::owner(&gateway.database).await.query_one(kept, &[]).await.expect("a count").get(0);
    assert_eq!((google.sent(DESK).len(), kept), (60, 62));
    // And all of a mailbox's together: today 62, and so many that somebody else wrote.
    let insert = "INSERT INTO email_received (tenant_id, gmail_id, address, from_address, created_at)
        SELECT $1, 'x' || n, n || '@a.test', n || '@a.test', $2 FROM generate_series(1, 437) AS n";
    let owner = cluster::owner(&gateway.database).await;
    owner.execute(insert, &[&acme.id.0, &gateway.clock.now()]).await.expect("rows");
    google.arrives(DESK, "thread-a", asks("500", "The last one today?"));
    google.arrives(DESK, "thread-b", plain("sam@x.test", "Hi", "<501@x.test>", "One too many.", &[]));
    told(&google, &gateway, "push-2").await;
    assert_eq!(google.sent(DESK).len(), 61);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_mail_that_a_person_answered_meanwhile_is_left_alone() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    let by_hand = || plain(DESK, "Re: Saturday lessons?", "<hand@exampleco.test>", "Yes, there is.", &[]);
    google.arrives_as(DESK, "thread-2", &["SENT"], by_hand());
    google.arrives(DESK, "thread-1", asks("1", "Is there room?"));
    google.arrives(DESK, "thread-2", asks("2", "And on Sunday?"));
    google.arrives_as(DESK, "thread-1", &["SENT"], by_hand());
    // Nobody looked into the mailbox meanwhile.
    gateway.clock.advance(TimeDelta::hours(2));
    told(&google, &gateway, "push-1").await;
    let mut became = replies(&gateway).await;
    became.sort();
    assert_eq!(became, ["FAILED: A person answered meanwhile.", "SENT"]);
    let sent = google.sent(DESK);
    assert_eq!(
        (sent.len(), sent[0].0.as_str()),
        (1, "thread-2"),
        "what was sent before the question is no answer to it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_missed_when_the_history_is_gone_or_pushes_are_lost() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let admin = mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    let first = google.arrives(DESK, "thread-1", asks("1", "Deleted at once."));
    google.deletes(DESK, &first);
    google.arrives(DESK, "thread-2", asks("2", "Kept."));
    google.forgets_history(DESK);
    told(&google, &gateway, "push-1").await;
    assert_eq!(google.asked("list").len(), 1);
    assert_eq!(google.asked("list")[0]["q"], "in:inbox newer_than:2d");
    // Nobody tells: it is looked into all the same.
    let gone = google.arrives(DESK, "thread-3", asks("3", "Gone."));
    google.deletes(DESK, &gone);
    google.arrives(DESK, "thread-4", asks("4", "Untold."));
    gateway.clock.advance(TimeDelta::minutes(21));
    gateway.work().await;
    let all = conversations(&admin).await;
    let heard: Vec<_> =
        all.as_array().into_iter().flatten().map(|one| &one["messages"]["nodes"][0]["content"]).collect();
    insta::assert_json_snapshot!(heard, @r#"
    [
      "Subject: Saturday lessons?\n\nKept.",
      "Subject: Saturday lessons?\n\nUntold."
    ]
    "#);
    assert_eq!(google.sent(DESK).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_faults_of_googles_are_waited_out_and_no_reply_goes_twice() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    google.arrives(DESK, "thread-1", asks("1", "Hello?"));
    google.fails(
        "history",
        Fault::Answer(429, json!({ "error": { "code": 429, "errors": [{ "reason": "rateLimitExceeded" }] } })),
    );
    google.fails("message", Fault::Answer(503, json!({})));
    // It is sent, and the answer that says so is lost.
    google.fails("send", Fault::Lost);
    told(&google, &gateway, "push-1").await;
    while google.asked("send").is_empty() {
        gateway.clock.advance(TimeDelta::seconds(5));
        gateway.work().await;
    }
    // Gmail files what it sent in its own time: nobody looks for it at once.
    gateway.clock.advance(TimeDelta::seconds(59));
    gateway.work().await;
    assert_eq!((google.asked("thread").len(), replies(&gateway).await), (0, vec!["SENDING".to_owned()]));
    let mut rounds = 0;
    while replies(&gateway).await != ["SENT"] {
        rounds += 1;
        assert!(rounds < 10, "{:?}", replies(&gateway).await);
        gateway.clock.advance(TimeDelta::minutes(1));
        gateway.work().await;
    }
    assert_eq!((google.sent(DESK).len(), google.asked("send").len(), google.asked("thread").len()), (1, 1, 1));
    // What will never work is not tried again.
    google.arrives(DESK, "thread-2", asks("2", "And this?"));
    google.fails("send", Fault::Answer(400, json!({ "error": { "errors": [{ "reason": "invalidArgument" }] } })));
    told(&google, &gateway, "push-2").await;
    assert_eq!(replies(&gateway).await, ["SENT", "FAILED: Google answered 400: invalidArgument"]);
    // A mail that can't be read is passed over, and the next one is not.
    google.arrives(DESK, "thread-3", json!({ "headers": "no list" }));
    google.arrives(DESK, "thread-4", asks("4", "Behind it."));
    told(&google, &gateway, "push-3").await;
    assert_eq!(google.sent(DESK).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_google_never_takes_is_given_up_and_says_why() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    google.arrives(DESK, "thread-1", asks("1", "Hello?"));
    let down = || Fault::Answer(503, json!({ "error": { "errors": [{ "reason": "backendError" }] } }));
    for _ in 0..12 {
        google.fails("send", down());
    }
    told(&google, &gateway, "push-1").await;
    for tries in 1..12 {
        assert_eq!((google.asked("send").len(), replies(&gateway).await), (tries, vec!["SENDING".to_owned()]));
        gateway.clock.advance(TimeDelta::minutes(19));
        gateway.work().await;
    }
    assert_eq!(google.asked("send").len(), 12);
    assert_eq!(replies(&gateway).await, ["FAILED: Google answered 503: backendError. It may have been sent."]);
    // The next mail of the thread does not wait for it.
    google.arrives(DESK, "thread-1", asks("2", "Anybody there?"));
    told(&google, &gateway, "push-2").await;
    assert_eq!(google.sent(DESK).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_over_a_reply_that_may_have_been_sent_waits_until_gmail_has_filed_it() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    google.arrives(DESK, "thread-1", asks("1", "Hello?"));
    // Gmail took it, and its node did not live to say so: all that is left is a job with a lease.
    google.fails("send", Fault::Lost);
    told(&google, &gateway, "push-1").await;
    let left = "UPDATE jobs SET state = 'RUNNING', run_at = $1, lease_token = gen_random_uuid(), \
        lease_expires_at = $1::timestamptz + interval '12 seconds' WHERE kind = 'mail'";
    let left = cluster::owner(&gateway.database).await.execute(left, &[&gateway.clock.now()]).await;
    assert_eq!(left.expect("a job"), 1);
    // Another node takes it at once when the lease is over, and has to wait for the rest of the time.
    gateway.clock.advance(TimeDelta::seconds(13));
    assert_eq!(gateway.work().await, 1);
    gateway.clock.advance(TimeDelta::seconds(66));
    assert_eq!(gateway.work().await, 0);
    assert_eq!((google.asked("thread").len(), replies(&gateway).await), (0, vec!["SENDING".to_owned()]));
    gateway.clock.advance(TimeDelta::seconds(1));
    gateway.work().await;
    assert_eq!((google.asked("thread").len(), replies(&gateway).await), (1, vec!["SENT".to_owned()]));
    assert_eq!((google.sent(DESK).len(), google.asked("send").len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_always_fails_stops_no_other_and_is_passed_over_in_the_end() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    let owner = cluster::owner(&gateway.database).await;
    let choke = "CREATE FUNCTION choke() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'it chokes'; END $$; \
        CREATE TRIGGER choke BEFORE INSERT ON email_received FOR EACH ROW WHEN (NEW.rfc_message_id = '<bad@mail.parent.test>') \
        EXECUTE FUNCTION choke()";
    owner.batch_execute(choke).await.expect("a trigger");
    let before = place(&gateway).await;
    google.arrives(DESK, "thread-2", asks("bad", "Read, and never kept."));
    google.arrives(DESK, "thread-3", asks("3", "Behind it."));
    told(&google, &gateway, "push-1").await;
    assert_eq!((google.sent(DESK).len(), place(&gateway).await), (1, before.clone()));
    // What comes later is not kept waiting for longer than until the next try.
    google.arrives(DESK, "thread-4", asks("4", "Later."));
    let passed = async || {
        let rows =
            owner.query("SELECT passed_over FROM email_received WHERE message_id IS NULL", &[]).await.expect("rows");
        rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>()
    };
    let mut tries = 1;
    while place(&gateway).await == before {
        assert!(tries < 12, "it is not tried for ever");
        assert!(passed().await.is_empty(), "nor given up at once");
        gateway.clock.advance(TimeDelta::minutes(19));
        gateway.work().await;
        tries += 1;
        assert_eq!(google.sent(DESK).len(), 2);
    }
    assert_eq!((tries, passed().await), (12, vec!["it can't be read".to_owned()]));
    // Then nobody asks for it any more.
    let asked = google.asked("message").len();
    google.arrives(DESK, "thread-5", asks("5", "At last."));
    told(&google, &gateway, "push-2").await;
    assert_eq!((google.sent(DESK).len(), google.asked("message").len()), (3, asked + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_in_html_with_a_nul_is_read_and_answered() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let admin = mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    let mut html = asks("1", "<p>Is there&#0; room?\0</p>");
    html["mimeType"] = json!("text/html");
    google.arrives(DESK, "thread-1", html);
    told(&google, &gateway, "push-1").await;
    let heard = conversations(&admin).await[0]["messages"]["nodes"][0]["content"].clone();
    assert_eq!((heard, google.sent(DESK).len()), (json!("Subject: Saturday lessons?\n\nIs there&#0; room?"), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_that_is_gone_is_shown_and_reading_goes_on_after_another() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let admin = mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    google.takes_back(DESK);
    google.arrives(DESK, "thread-1", asks("1", "Anybody there?"));
    told(&google, &gateway, "push-1").await;
    insta::assert_json_snapshot!(mailbox::settings(&admin).await, @r#"
    {
      "isEnabled": true,
      "connectedAddress": "front.desk@exampleco.test",
      "connectedAt": "2026-11-21T12:00:00Z",
      "watchExpiresAt": null,
      "status": "RECONNECT_NEEDED",
      "statusReason": "Google no longer accepts the consent (invalid_grant)."
    }
    "#);
    let step = admin.data("{ tenant { onboarding { key isDone hint } } }").await;
    let step =
        step["tenant"]["onboarding"].as_array().into_iter().flatten().find(|step| step["key"] == "email").cloned();
    insta::assert_json_snapshot!(step, @r#"
    {
      "key": "email",
      "isDone": false,
      "hint": "Google no longer accepts the consent: connect the mailbox again with startEmailConnection."
    }
    "#);
    gateway.clock.advance(TimeDelta::minutes(21));
    gateway.work().await;
    assert_eq!(google.sent(DESK).len(), 0);
    mailbox::connect(&google, &admin, DESK).await;
    gateway.work().await;
    assert_eq!((google.sent(DESK).len(), mailbox::settings(&admin).await["status"].clone()), (1, json!("CONNECTED")));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_got_anew_by_one_of_all_who_need_them() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    // An hour later, four threads at once.
    gateway.clock.advance(TimeDelta::hours(1));
    for n in 0..4 {
        google.arrives(DESK, &format!("thread-{n}"), asks(&n.to_string(), "Hello?"));
    }
    told(&google, &gateway, "push-1").await;
    let refreshes = || google.asked("token").iter().filter(|kind| *kind == "refresh_token").count();
    assert_eq!((google.sent(DESK).len(), refreshes()), (4, 1));
    // One that Google no longer takes before its time is changed too.
    google.tokens_end();
    google.arrives(DESK, "thread-9", asks("9", "Still there?"));
    told(&google, &gateway, "push-2").await;
    assert_eq!((google.sent(DESK).len(), refreshes()), (5, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watch_is_renewed_each_day() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    assert_eq!(
        google.asked("watch"),
        [
            json!({ "topicName": "projects/project/topics/mail", "labelIds": ["INBOX"], "labelFilterBehavior": "include" })
        ]
    );
    gateway.clock.advance(TimeDelta::hours(23));
    gateway.work().await;
    assert_eq!(google.asked("watch").len(), 1);
    // A day on which Google fails is made up for at the next round.
    google.fails("watch", Fault::Answer(500, json!({})));
    gateway.clock.advance(TimeDelta::hours(2));
    gateway.work().await;
    gateway.clock.advance(TimeDelta::minutes(21));
    gateway.work().await;
    assert_eq!(google.asked("watch").len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_answer_by_mail_too_and_a_channel_that_is_off_only_listens() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let admin = mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    admin.data("mutation { updateEmailSettings(input: { isEnabled: false }) { isEnabled } }").await;
    google.arrives(DESK, "thread-1", asks("1", "Is there room on Saturday?"));
    told(&google, &gateway, "push-1").await;
    assert_eq!(google.sent(DESK).len(), 0);
    let id = admin.data("{ conversations { nodes { id } } }").await["conversations"]["nodes"][0]["id"].clone();
    let send = "mutation($id: ID!) { sendMessage(input: { conversationId: $id, content: \"I looked: yes, at 9.\" }) { message { role } reply { id } } }";
    let answer = admin.ask(send, json!({ "id": id })).await;
    assert_eq!(answer["data"]["sendMessage"], json!({ "message": { "role": "AGENT" }, "reply": null }));
    gateway.work().await;
    let sent = google.sent(DESK);
    assert!(sent.len() == 1 && sent[0].1.contains("I looked: yes, at 9."), "{sent:?}");
    let head = head(&sent[0].1);
    assert!(head.contains("In-Reply-To: <1@mail.parent.test>") && !head.contains("Auto-Submitted"), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_who_write_where_no_mailbox_is_left_are_told() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let admin = mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    google.arrives(DESK, "thread-1", asks("1", "Is there room on Saturday?"));
    told(&google, &gateway, "push-1").await;
    let id = admin.data("{ conversations { nodes { id } } }").await["conversations"]["nodes"][0]["id"].clone();
    let send = "mutation($id: ID!) { sendMessage(input: { conversationId: $id, content: \"Yes, at 9.\" }) { message { role } } }";
    let is_refused = async || {
        let answer = admin.ask(send, json!({ "id": id })).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "CONFLICT", "{answer}");
        assert!(answer["errors"][0]["message"].as_str().expect("why").contains("startEmailConnection"), "{answer}");
    };
    // The consent is taken back at Google, which is noticed when the mailbox is looked into.
    google.takes_back(DESK);
    told(&google, &gateway, "push-2").await;
    assert_eq!(mailbox::settings(&admin).await["status"], "RECONNECT_NEEDED");
    is_refused().await;
    // Or it is disconnected here.
    mailbox::connect(&google, &admin, DESK).await;
    admin.data("mutation { disconnectEmail { status } }").await;
    is_refused().await;
    // Nothing of it stands in the conversation as if it had been said.
    let said = async || conversations(&admin).await[0]["messages"]["nodes"].as_array().map(Vec::len);
    assert_eq!(said().await, Some(2));
    mailbox::connect(&google, &admin, DESK).await;
    let answer = admin.ask(send, json!({ "id": id })).await;
    assert_eq!(answer["data"]["sendMessage"]["message"]["role"], "AGENT", "{answer}");
    gateway.work().await;
    assert_eq!((said().await, google.sent(DESK).len()), (Some(3), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_in_line_does_not_go_out_of_a_business_that_is_closed() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let acme = gateway.tenant("acme").await;
    let admin = mailbox::with_mailbox(&google, &acme).await;
    admin.data("mutation { updateEmailSettings(input: { isEnabled: false }) { isEnabled } }").await;
    google.arrives(DESK, "thread-1", asks("1", "Is there room on Saturday?"));
    told(&google, &gateway, "push-1").await;
    let id = admin.data("{ conversations { nodes { id } } }").await["conversations"]["nodes"][0]["id"].clone();
    let send = "mutation($id: ID!) { sendMessage(input: { conversationId: $id, content: \"Yes, at 9.\" }) { message { role } } }";
    admin.ask(send, json!({ "id": id })).await;
    assert_eq!(replies(&gateway).await, ["QUEUED"]);
    let off = "mutation($id: ID!) { deactivateTenant(id: $id) { isActive } }";
    gateway.root().await.ask(off, json!({ "id": acme.id.to_string() })).await;
    gateway.work().await;
    assert_eq!(
        (google.sent(DESK).len(), replies(&gateway).await),
        (0, vec!["FAILED: The business is deactivated.".to_owned()])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_went_out_before_its_business_was_closed_is_known_to_have() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let acme = gateway.tenant("acme").await;
    mailbox::with_mailbox(&google, &acme).await;
    google.arrives(DESK, "thread-1", asks("1", "Hello?"));
    google.fails("send", Fault::Lost);
    told(&google, &gateway, "push-1").await;
    assert_eq!(replies(&gateway).await, ["SENDING"]);
    let off = "mutation($id: ID!) { deactivateTenant(id: $id) { isActive } }";
    gateway.root().await.ask(off, json!({ "id": acme.id.to_string() })).await;
    gateway.clock.advance(TimeDelta::minutes(2));
    gateway.work().await;
    assert_eq!((google.sent(DESK).len(), replies(&gateway).await), (1, vec!["SENT".to_owned()]));
}
