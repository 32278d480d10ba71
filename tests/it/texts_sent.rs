//! How texts go out: once, in order, and with the truth about what became of each.

use chrono::TimeDelta;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{
    Gateway, Plan,
    fake_phones::{FakePhones, Script},
    phones::{Account, receipt, set_sms, twilio_posts, with_number},
    shop::{OURS, SID, Shop, THEIRS, TOKEN, answers, carried, modelled},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_says_how_far_a_text_has_come_in_whichever_order_receipts_come() {
    let (phones, gateway) = carried().await;
    let shop = Shop::open(&gateway).await;
    shop.hears("event-1", THEIRS, "Hello?").await;
    let id = phones.asked()[0].id.clone().expect("sent");
    let status = async || shop.seen().await[0]["messages"]["nodes"][1]["texts"][0].clone();
    for (event, word, expected) in
        [("r1", "delivered", "DELIVERED"), ("r2", "sent", "DELIVERED"), ("r3", "queued", "DELIVERED")]
    {
        shop.posted(&receipt(event, OURS, &id, word)).await;
        gateway.work().await;
        assert_eq!(status().await["status"], expected, "{word}");
    }
    // One of a text that is not ours is waited for a little, and then let be.
    shop.posted(&receipt("r4", OURS, "somebody-elses", "delivered")).await;
    gateway.work().await;
    assert_eq!(shop.deliveries().await[0]["status"], "RECEIVED");
    gateway.clock.advance(TimeDelta::minutes(3));
    gateway.work().await;
    assert_eq!(shop.deliveries().await[0]["status"], "PROCESSED");
    shop.hears("event-2", THEIRS, "And now?").await;
    let id = phones.asked()[1].id.clone().expect("sent");
    shop.posted(&receipt("r5", OURS, &id, "delivery_failed")).await;
    gateway.work().await;
    insta::assert_json_snapshot!(shop.seen().await[0]["messages"]["nodes"][3]["texts"], @r#"
    [
      {
        "provider": "TELNYX",
        "to": "+15555550111",
        "content": "I don't have an answer to that. A person from acme Inc. will read your message here and get back to you.",
        "status": "FAILED",
        "failure": "Undeliverable (Telnyx 40008)"
      }
    ]
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_fails_is_asked_again_and_a_customer_gets_one_text() {
    let (phones, gateway) = carried().await;
    let shop = Shop::open(&gateway).await;
    let busy = json!({ "errors": [{ "code": "10011", "title": "Too many requests" }] });
    phones.script([Script::Refuse(429, busy), Script::Refuse(503, Value::Null), Script::Vanish]);
    shop.hears("e1", THEIRS, "Hello?").await;
    for _ in 0..5 {
        gateway.clock.advance(TimeDelta::minutes(20));
        gateway.work().await;
    }
    let asked = phones.asked();
    // The fourth was known by its idempotency key: nothing was sent for it.
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|sent| sent.mark == asked[0].mark && !sent.mark.is_empty()));
    assert_eq!(phones.arrived().len(), 1);
    assert_eq!(shop.seen().await[0]["messages"]["nodes"][1]["texts"][0]["status"], "SENT");
    // What will never go is not tried again, and the reason is there to be read.
    let wrong = json!({ "errors": [{ "code": "40305", "title": "Invalid 'from' address" }] });
    phones.script([Script::Refuse(422, wrong)]);
    shop.hears("e2", THEIRS, "And?").await;
    gateway.clock.advance(TimeDelta::hours(1));
    assert_eq!(gateway.work().await, 0);
    insta::assert_json_snapshot!(shop.seen().await[0]["messages"]["nodes"][3]["texts"], @r#"
    [
      {
        "provider": "TELNYX",
        "to": "+15555550111",
        "content": "Hello! What would you like to know about acme Inc.?",
        "status": "FAILED",
        "failure": "HTTP 422: Invalid 'from' address (Telnyx 40305)"
      }
    ]
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_always_asks_for_a_moment_does_not_use_up_the_tries_in_one() {
    let (phones, gateway) = carried().await;
    let shop = Shop::open(&gateway).await;
    phones.script(std::iter::repeat_n(Script::Busy("1"), 4));
    shop.hears("e1", THEIRS, "Hello?").await;
    // It is asked again after two seconds, four, and eight; the next time is not in this half minute.
    for _ in 0..29 {
        gateway.clock.advance(TimeDelta::seconds(1));
        gateway.work().await;
    }
    assert_eq!((phones.asked().len(), phones.arrived().len()), (4, 0));
    gateway.clock.advance(TimeDelta::seconds(20));
    gateway.work().await;
    assert_eq!((phones.asked().len(), phones.arrived().len()), (5, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_is_several_texts_in_order() {
    let long = "A sentence of the answer. ".repeat(60);
    let (phones, _model, gateway) = modelled(answers(&long)).await;
    let shop = Shop::open(&gateway).await;
    // The first part is refused for now: the second does not overtake it.
    phones.script([Script::Refuse(503, Value::Null)]);
    shop.hears("e1", THEIRS, "Tell me all").await;
    assert_eq!(phones.arrived().len(), 0);
    gateway.clock.advance(TimeDelta::minutes(1));
    gateway.work().await;
    assert_eq!(phones.arrived().len(), 2);
    assert_eq!(phones.arrived().join(" "), long.trim());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_given_up_says_so_and_takes_the_rest_of_its_message_with_it() {
    let long = "A sentence of the answer. ".repeat(60);
    let (phones, _model, gateway) = modelled(answers(&long)).await;
    let shop = Shop::open(&gateway).await;
    let down =
        || Script::Refuse(503, json!({ "errors": [{ "code": "40006", "title": "Recipient server unavailable" }] }));
    phones.script(std::iter::repeat_with(down).take(12));
    shop.hears("e1", THEIRS, "Tell me all").await;
    for _ in 0..15 {
        gateway.clock.advance(TimeDelta::minutes(20));
        gateway.work().await;
    }
    assert_eq!((phones.asked().len(), phones.arrived().len()), (12, 0));
    let texts = shop.seen().await[0]["messages"]["nodes"][1]["texts"].clone();
    let fates: Vec<_> =
        texts.as_array().expect("texts").iter().map(|text| (&text["status"], &text["failure"])).collect();
    insta::assert_debug_snapshot!(fates, @r#"
    [
        (
            String("FAILED"),
            String("HTTP 503: Recipient server unavailable (Telnyx 40006)"),
        ),
        (
            String("FAILED"),
            String("An earlier part of it was not sent."),
        ),
    ]
    "#);
    // The customer writes again, and is answered.
    shop.hears("e2", THEIRS, "Hello?").await;
    assert_eq!(phones.arrived().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_gateway_lost_is_not_sent_again_where_the_provider_would_not_know_it() {
    let (phones, gateway) = carried().await;
    let shop = Shop::open(&gateway).await;
    phones.script([Script::Refuse(504, Value::Null)]);
    let fields =
        [("MessageSid", "SM1"), ("AccountSid", SID), ("From", THEIRS), ("To", "+15555550123"), ("Body", "Hello?")];
    assert_eq!(twilio_posts(&gateway, TOKEN, &fields).await.status(), StatusCode::OK);
    gateway.work().await;
    gateway.clock.advance(TimeDelta::hours(1));
    gateway.work().await;
    assert_eq!(phones.asked().len(), 1);
    assert_eq!(shop.seen().await[0]["messages"]["nodes"][1]["texts"][0]["status"], "UNKNOWN");
    // Telnyx knows it by its key, for a while: who comes back after two hours does not ask again.
    phones.script([Script::Vanish]);
    shop.hears("e1", "+15555550112", "And you?").await;
    assert_eq!(phones.asked().len(), 2);
    gateway.clock.advance(TimeDelta::hours(2));
    gateway.work().await;
    assert_eq!(phones.asked().len(), 2);
    assert_eq!(shop.seen().await[1]["messages"]["nodes"][1]["texts"][0]["status"], "UNKNOWN");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_servers_error_says_nothing_of_is_asked_for_again_for_an_hour_in_all() {
    let (phones, gateway) = carried().await;
    let shop = Shop::open(&gateway).await;
    phones.script([504, 500, 502].map(|status| Script::Refuse(status, Value::Null)));
    shop.hears("e1", THEIRS, "Hello?").await;
    let status = async || shop.seen().await[0]["messages"]["nodes"][1]["texts"][0]["status"].clone();
    for _ in 0..2 {
        assert_eq!(status().await, "SENDING");
        gateway.clock.advance(TimeDelta::minutes(25));
        gateway.work().await;
    }
    let asked = phones.asked();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|sent| sent.mark == asked[0].mark && !sent.mark.is_empty()));
    // The hour is counted from the first time: no such answer begins another.
    gateway.clock.advance(TimeDelta::minutes(25));
    gateway.work().await;
    assert_eq!((phones.asked().len(), status().await), (3, json!("UNKNOWN")));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_telnyx_is_never_asked_again_it_is_not_after_a_servers_error_either() {
    let phones = FakePhones::start().await;
    let mut settings = phones.settings();
    settings.push(("TELNYX_IDEMPOTENCY_MINUTES", "0".to_owned()));
    let gateway = Gateway::planned(Plan { settings, ..Plan::default() }).await;
    let shop = Shop::open(&gateway).await;
    for (n, status) in [500, 502, 504].into_iter().enumerate() {
        phones.script([Script::Refuse(status, Value::Null)]);
        shop.hears(&format!("e{n}"), &format!("+1555555011{n}"), "Hello?").await;
        gateway.clock.advance(TimeDelta::hours(1));
        gateway.work().await;
        assert_eq!(phones.asked().len(), n + 1, "{status}");
        let seen = shop.seen().await;
        assert_eq!(seen[n]["messages"]["nodes"][1]["texts"][0]["status"], "UNKNOWN", "{status}");
    }
    // One that was not taken is asked for again.
    phones.script([Script::Refuse(503, Value::Null)]);
    shop.hears("e3", "+15555550113", "Hello?").await;
    gateway.clock.advance(TimeDelta::hours(1));
    gateway.work().await;
    assert_eq!((phones.asked().len(), phones.arrived().len()), (5, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_does_not_make_a_text_new_whose_answer_was_lost() {
    let (phones, gateway) = carried().await;
    let shop = Shop::open(&gateway).await;
    let busy = || Script::Refuse(429, Value::Null);
    phones.script([Script::Vanish, busy(), busy()]);
    shop.hears("e1", THEIRS, "Hello?").await;
    for _ in 0..2 {
        gateway.clock.advance(TimeDelta::minutes(25));
        gateway.work().await;
        assert_eq!(shop.seen().await[0]["messages"]["nodes"][1]["texts"][0]["status"], "SENDING");
    }
    assert_eq!(phones.asked().len(), 3);
    // An hour after it was taken, Telnyx no longer knows it: whoever asked now would have it sent again.
    phones.forgets();
    gateway.clock.advance(TimeDelta::minutes(25));
    gateway.work().await;
    assert_eq!((phones.asked().len(), phones.arrived().len()), (3, 1));
    assert_eq!(shop.seen().await[0]["messages"]["nodes"][1]["texts"][0]["status"], "UNKNOWN");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_may_have_been_sent_nobody_says_that_it_was_not() {
    let (phones, gateway) = carried().await;
    let shop = Shop::open(&gateway).await;
    let wrong = |code: &str| Script::Refuse(422, json!({ "errors": [{ "code": code, "title": "No" }] }));
    // What a provider says of it later is that it does not send it now.
    for (event, from, code) in [("e1", THEIRS, "40305"), ("e2", "+15555550112", "40300")] {
        phones.script([Script::Vanish, wrong(code)]);
        shop.hears(event, from, "Hello?").await;
        gateway.clock.advance(TimeDelta::minutes(1));
        gateway.work().await;
    }
    // Nobody asks for it again once the business is closed.
    phones.script([Script::Vanish]);
    shop.hears("e3", "+15555550113", "Hello?").await;
    let off = "mutation($id: ID!) { deactivateTenant(id: $id) { isActive } }";
    gateway.root().await.ask(off, json!({ "id": shop.tenant.id.to_string() })).await;
    gateway.clock.advance(TimeDelta::minutes(1));
    gateway.work().await;
    assert_eq!((phones.asked().len(), phones.arrived().len()), (5, 3));
    let fates = "SELECT status || ': ' || failure FROM texts";
    let owner = crate::support::cluster::owner(&gateway.database).await;
    for fate in owner.query(fates, &[]).await.expect("texts") {
        let lost = "UNKNOWN: The provider was asked, and its answer was lost. It may have been sent.";
        assert_eq!(fate.get::<_, &str>(0), lost);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_out_from_a_number_that_has_become_anothers() {
    let (phones, gateway) = carried().await;
    let shop = Shop::open(&gateway).await;
    // One waits to be sent, and of another nobody knows whether it was, when the number changes hands.
    phones.script([Script::Refuse(503, Value::Null)]);
    shop.hears("e1", THEIRS, "Hello?").await;
    phones.script([Script::Vanish]);
    shop.hears("e2", "+15555550112", "Hello?").await;
    set_sms(&shop.admin, json!({ "telnyxPhoneNumber": null })).await;
    with_number(&gateway.tenant("rival").await, OURS, &Account::new(2)).await;
    gateway.clock.advance(TimeDelta::minutes(1));
    gateway.work().await;
    assert_eq!(phones.asked().len(), 2);
    let seen = shop.seen().await;
    let fate = |n: usize| {
        let text = &seen[n]["messages"]["nodes"][1]["texts"][0];
        [&text["status"], &text["failure"]].map(|word| word.as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(fate(0), ["FAILED", "The number that it was to be sent from is not the business's any more."]);
    assert_eq!(fate(1), ["UNKNOWN", "The provider was asked, and its answer was lost. It may have been sent."]);
}
