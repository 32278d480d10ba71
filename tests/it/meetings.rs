//! When the business meets its customers: said by its administrator, looked up, booked and called off by its people.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{Actor, Gateway, cluster, code};

const BOOK: &str = "mutation($i: BookMeetingInput!) { bookMeeting(input: $i) { id startsAt endsAt status title lead { name } conversation { id } } }";
const SLOTS: &str = "query($from: DateTime!, $to: DateTime!) { availableSlots(from: $from, to: $to) { startsAt } }";

/// Opens the business by a wall clock; the rest is as it is by default.
async fn opened(admin: &Actor<'_>, zone: &str, weekday: &str, opens: &str, closes: &str) {
    admin
        .data(&format!(
            r#"mutation {{ updateTenantProfile(input: {{ timeZone: "{zone}" }}) {{ id }}
               updateBookingSettings(input: {{ openingHours: [{{ weekday: {weekday}, opensAt: "{opens}", closesAt: "{closes}" }}] }}) {{ slotMinutes }} }}"#
        ))
        .await;
}

async fn slots(actor: &Actor<'_>, from: &str, to: &str) -> Vec<String> {
    let answer = actor.ask(SLOTS, json!({ "from": from, "to": to })).await;
    let slots = answer["data"]["availableSlots"].as_array().unwrap_or_else(|| panic!("no slots: {answer}")).clone();
    slots.iter().map(|slot| slot["startsAt"].as_str().expect("a time").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_says_when_the_business_is_open() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let (admin, staff, root) = (acme.admin().await, acme.staff().await, gateway.root().await);
    let fields = "{ timeZone slotMinutes noticeMinutes horizonDays openingHours { weekday opensAt closesAt } closedDays { date reason } }";
    let untouched = staff.data(&format!("{{ tenant {{ booking {fields} }} }}")).await;
    insta::assert_json_snapshot!(untouched["tenant"]["booking"], @r#"
    {
      "timeZone": "UTC",
      "slotMinutes": 30,
      "noticeMinutes": 120,
      "horizonDays": 30,
      "openingHours": [],
      "closedDays": []
    }
    "#);
    let set = r#"updateBookingSettings(input: {
        slotMinutes: 45, noticeMinutes: 60, horizonDays: 90,
        openingHours: [
          { weekday: TUESDAY, opensAt: "13:00", closesAt: "24:00" }
          { weekday: MONDAY, opensAt: "09:00", closesAt: "12:30" }
          { weekday: TUESDAY, opensAt: "09:00", closesAt: "12:30" }
        ],
        closedDays: [{ date: "2026-12-25", reason: "Christmas" }, { date: "2026-12-24" }, { date: "2026-12-25" }]
      })"#;
    admin.data(r#"mutation { updateTenantProfile(input: { timeZone: "America/Chicago" }) { id } }"#).await;
    let answer = admin.data(&format!("mutation {{ {set} {fields} }}")).await;
    insta::assert_json_snapshot!(answer["updateBookingSettings"], @r#"
    {
      "timeZone": "America/Chicago",
      "slotMinutes": 45,
      "noticeMinutes": 60,
      "horizonDays": 90,
      "openingHours": [
        {
          "weekday": "MONDAY",
          "opensAt": "09:00",
          "closesAt": "12:30"
        },
        {
          "weekday": "TUESDAY",
          "opensAt": "09:00",
          "closesAt": "12:30"
        },
        {
          "weekday": "TUESDAY",
          "opensAt": "13:00",
          "closesAt": "24:00"
        }
      ],
      "closedDays": [
        {
          "date": "2026-12-24",
          "reason": null
        },
        {
          "date": "2026-12-25",
          "reason": "Christmas"
        }
      ]
    }
    "#);
    // What is omitted stays, and the platform sees it too.
    admin.data("mutation { updateBookingSettings(input: { slotMinutes: 30 }) { slotMinutes } }").await;
    let seen = root.data(&format!("{{ tenants {{ nodes {{ booking {fields} }} }} }}")).await;
    assert_eq!(seen["tenants"]["nodes"][0]["booking"]["slotMinutes"], 30);
    assert_eq!(seen["tenants"]["nodes"][0]["booking"]["openingHours"].as_array().map(Vec::len), Some(3));
    for (input, field) in [
        ("slotMinutes: 4", "slotMinutes"),
        ("slotMinutes: null", "slotMinutes"),
        ("noticeMinutes: -1", "noticeMinutes"),
        ("horizonDays: 366", "horizonDays"),
        (r#"openingHours: [{ weekday: MONDAY, opensAt: "9:00", closesAt: "12:00" }]"#, "opensAt"),
        (r#"openingHours: [{ weekday: MONDAY, opensAt: "09:00", closesAt: "09:00" }]"#, "closesAt"),
        (
            r#"openingHours: [{ weekday: MONDAY, opensAt: "09:00", closesAt: "12:00" }, { weekday: MONDAY, opensAt: "11:59", closesAt: "13:00" }]"#,
            "openingHours",
        ),
        (r#"closedDays: [{ date: "2027-02-29" }]"#, "date"),
    ] {
        let answer = admin.query(&format!("mutation {{ updateBookingSettings(input: {{ {input} }}) {fields} }}")).await;
        let field_at_fault = &answer["errors"][0]["extensions"]["field"];
        assert_eq!((code(&answer), field_at_fault), ("BAD_USER_INPUT", &json!(field)), "{input}");
    }
    assert_eq!(code(&staff.query(&format!("mutation {{ {set} {fields} }}")).await), "FORBIDDEN");
    let cleared = admin
        .data("mutation { updateBookingSettings(input: { openingHours: [], closedDays: [] }) { openingHours { weekday } closedDays { date } } }")
        .await;
    assert_eq!(cleared["updateBookingSettings"], json!({ "openingHours": [], "closedDays": [] }));
    let log = admin.data(r#"{ auditLog(filter: { action: "settings.booking" }) { nodes { target detail } } }"#).await;
    assert_eq!(
        log["auditLog"]["nodes"][0],
        json!({ "target": acme.id.to_string(), "detail": "openingHours, closedDays" })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meeting_is_booked_seen_and_called_off() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let (admin, staff) = (acme.admin().await, acme.staff().await);
    let monday = ("2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z");
    // Nobody has said yet when the business is open.
    assert!(slots(&staff, monday.0, monday.1).await.is_empty());
    let early = staff.ask(BOOK, json!({ "i": { "startsAt": "2026-11-23T15:00:00Z" } })).await;
    assert_eq!(code(&early), "BAD_USER_INPUT");
    opened(&admin, "America/Chicago", "MONDAY", "09:00", "10:30").await;
    let free = slots(&staff, monday.0, monday.1).await;
    assert_eq!(free, ["2026-11-23T15:00:00Z", "2026-11-23T15:30:00Z", "2026-11-23T16:00:00Z"]);
    staff.data(r#"mutation { createLead(input: { name: "Ann" }) { id } startConversation(input: { leadId: "lead_1" }) { id } }"#).await;
    let form = json!({ "i": { "startsAt": "2026-11-23T09:30:00-06:00", "conversationId": "conversation_1", "title": " Trial lesson " } });
    let booked = staff.ask(BOOK, form.clone()).await;
    insta::assert_json_snapshot!(booked["data"], @r#"
    {
      "bookMeeting": {
        "id": "meeting_1",
        "startsAt": "2026-11-23T15:30:00Z",
        "endsAt": "2026-11-23T16:00:00Z",
        "status": "BOOKED",
        "title": "Trial lesson",
        "lead": {
          "name": "Ann"
        },
        "conversation": {
          "id": "conversation_1"
        }
      }
    }
    "#);
    // The same from the same conversation is the same; from elsewhere the time is taken.
    assert_eq!(staff.ask(BOOK, form).await, booked);
    let taken = staff.ask(BOOK, json!({ "i": { "startsAt": "2026-11-23T15:30:00Z" } })).await;
    insta::assert_json_snapshot!(taken, @r#"
    {
      "errors": [
        {
          "message": "This time is taken. Ask for `availableSlots` and choose another.",
          "locations": [
            {
              "line": 1,
              "column": 35
            }
          ],
          "path": [
            "bookMeeting"
          ],
          "extensions": {
            "code": "CONFLICT",
            "field": "startsAt",
            "requestId": "test"
          }
        }
      ],
      "data": null
    }
    "#);
    for starts in ["2026-11-23T15:10:00Z", "2026-11-23T16:30:00Z", "2026-11-24T15:00:00Z", "2026-12-28T15:00:00Z"] {
        let never = staff.ask(BOOK, json!({ "i": { "startsAt": starts } })).await;
        assert_eq!((code(&never), &never["errors"][0]["extensions"]["field"]), ("BAD_USER_INPUT", &json!("startsAt")));
    }
    assert_eq!(slots(&staff, monday.0, monday.1).await, ["2026-11-23T15:00:00Z", "2026-11-23T16:00:00Z"]);
    // A longer meeting would reach into the one that is booked.
    admin.data("mutation { updateBookingSettings(input: { slotMinutes: 45 }) { slotMinutes } }").await;
    assert!(slots(&staff, monday.0, monday.1).await.is_empty());
    admin.data("mutation { updateBookingSettings(input: { slotMinutes: 30 }) { slotMinutes } }").await;
    staff
        .ask(BOOK, json!({ "i": { "startsAt": "2026-11-23T16:00:00Z", "leadId": "lead_1", "notes": "By phone" } }))
        .await;
    let list = "query($f: MeetingFilter) { meetings(filter: $f, first: 1) { totalCount nodes { id startsAt lead { name } notes } pageInfo { hasNextPage } } }";
    let first = staff.ask(list, json!({ "f": { "startsFrom": "2026-11-23T00:00:00Z", "leadId": "lead_1" } })).await;
    insta::assert_json_snapshot!(first["data"], @r#"
    {
      "meetings": {
        "totalCount": 2,
        "nodes": [
          {
            "id": "meeting_1",
            "startsAt": "2026-11-23T15:30:00Z",
            "lead": {
              "name": "Ann"
            },
            "notes": null
          }
        ],
        "pageInfo": {
          "hasNextPage": true
        }
      }
    }
    "#);
    for (filter, expected) in [
        (json!({ "status": ["CANCELLED"] }), 0),
        (json!({ "conversationId": "conversation_1" }), 1),
        (json!({ "startsBefore": "2026-11-23T16:00:00Z" }), 1),
        (json!({ "startsFrom": "2026-11-23T16:00:01Z" }), 0),
        (Value::Null, 2),
    ] {
        assert_eq!(staff.ask(list, json!({ "f": filter })).await["data"]["meetings"]["totalCount"], expected);
    }
    let cancel = r#"mutation { cancelMeeting(id: "meeting_1") { status } }"#;
    for _ in 0..2 {
        assert_eq!(staff.data(cancel).await["cancelMeeting"]["status"], "CANCELLED");
    }
    assert_eq!(slots(&staff, monday.0, monday.1).await, ["2026-11-23T15:00:00Z", "2026-11-23T15:30:00Z"]);
    let again = staff
        .ask(BOOK, json!({ "i": { "startsAt": "2026-11-23T15:30:00Z", "conversationId": "conversation_1" } }))
        .await;
    assert_eq!(again["data"]["bookMeeting"]["id"], "meeting_3", "a cancelled one stays cancelled");
    // A lead that is removed leaves its meetings.
    staff.data(r#"mutation { deleteLead(id: "lead_1") }"#).await;
    let left =
        staff.data(r#"{ meeting(id: "meeting_3") { status lead { name } } node(id: "meeting_3") { id } }"#).await;
    assert_eq!(left["meeting"], json!({ "status": "BOOKED", "lead": null }));
    let log = admin.data(r#"{ auditLog(filter: { action: "meeting" }) { nodes { action target } } }"#).await;
    assert_eq!(log["auditLog"]["nodes"].as_array().map(Vec::len), Some(4), "three bookings, one calling off: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_at_once_one_gets_the_time() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let (admin, staff) = (acme.admin().await, acme.staff().await);
    opened(&admin, "UTC", "MONDAY", "09:00", "10:00").await;
    let form = json!({ "i": { "startsAt": "2026-11-23T09:00:00Z" } });
    let answers = futures_util::future::join_all((0..20).map(|_| staff.ask(BOOK, form.clone()))).await;
    let (booked, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.get("errors").is_none());
    assert_eq!(booked.len(), 1, "{answers:?}");
    for answer in refused {
        assert_eq!(code(answer), "CONFLICT", "{answer}");
        assert_eq!(answer["errors"][0]["message"], "This time is taken. Ask for `availableSlots` and choose another.");
    }
    assert_eq!(staff.data("{ meetings { totalCount } }").await["meetings"]["totalCount"], 1);
    // From the same conversation they are all the same meeting.
    let conversation = staff.conversation().await;
    let form = json!({ "i": { "startsAt": "2026-11-23T09:30:00Z", "conversationId": conversation } });
    let answers = futures_util::future::join_all((0..20).map(|_| staff.ask(BOOK, form.clone()))).await;
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.get("errors").is_none()), "{answers:?}");
    // And whatever a program forgets, the database refuses: also a time that only overlaps.
    let owner = cluster::owner(&gateway.database).await;
    let insert = |tenant: i64, status: &str| {
        format!(
            "INSERT INTO meetings (tenant_id, starts_at, ends_at, status, created_at, updated_at)
             VALUES ({tenant}, '2026-11-23T09:15:00Z', '2026-11-23T09:20:00Z', '{status}', now(), now())"
        )
    };
    let refused = owner.batch_execute(&insert(acme.id.0, "BOOKED")).await.expect_err("overlaps");
    assert_eq!(refused.code().map(tokio_postgres::error::SqlState::code), Some("23P01"));
    let rival = gateway.tenant("rival").await;
    for other in [insert(acme.id.0, "CANCELLED"), insert(rival.id.0, "BOOKED")] {
        owner.batch_execute(&other).await.expect("in nobody's way");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_is_taken_behind_the_servers_back_is_a_conflict() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let (admin, staff) = (acme.admin().await, acme.staff().await);
    opened(&admin, "UTC", "MONDAY", "09:00", "10:00").await;
    let owner = cluster::owner(&gateway.database).await;
    owner
        .batch_execute(
            "BEGIN; INSERT INTO meetings (tenant_id, starts_at, ends_at, status, created_at, updated_at)
             VALUES (1001, '2026-11-23T09:00:00Z', '2026-11-23T09:30:00Z', 'BOOKED', now(), now())",
        )
        .await
        .expect("begun");
    let commit = async {
        cluster::until_somebody_waits(&gateway.database).await;
        owner.batch_execute("COMMIT").await.expect("committed");
    };
    let form = json!({ "i": { "startsAt": "2026-11-23T09:00:00Z" } });
    let (answer, ()) = tokio::join!(staff.ask(BOOK, form), commit);
    assert_eq!(code(&answer), "CONFLICT", "{answer}");
    assert!(answer["errors"][0]["message"].as_str().expect("text").starts_with("Somebody else just took"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hours_follow_the_wall_clock_when_it_is_changed() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let admin = acme.admin().await;
    opened(&admin, "America/Chicago", "SUNDAY", "00:30", "03:30").await;
    // 2027-03-14, the night of spring: 02:00 to 03:00 is leapt over.
    gateway.clock.advance(TimeDelta::days(100));
    let admin = gateway.sign_in("admin@acme.example").await;
    let spring = slots(&admin, "2027-03-13T12:00:00Z", "2027-03-15T12:00:00Z").await;
    let times = ["06:30", "07:00", "07:30", "08:00"].map(|time| format!("2027-03-14T{time}:00Z"));
    assert_eq!(spring, times);
    let leapt = admin.ask(BOOK, json!({ "i": { "startsAt": "2027-03-14T02:30:00-06:00" } })).await;
    assert_eq!(code(&leapt), "BAD_USER_INPUT", "half past three, when it is closed");
    // 2027-11-07, the night of autumn: 01:00 to 02:00 comes twice, and each of the two is a time of its own.
    gateway.clock.advance(TimeDelta::days(240));
    let admin = gateway.sign_in("admin@acme.example").await;
    for offset in ["-05:00", "-06:00"] {
        let booked = admin.ask(BOOK, json!({ "i": { "startsAt": format!("2027-11-07T01:30:00{offset}") } })).await;
        assert!(booked.get("errors").is_none(), "{booked}");
    }
    let autumn = slots(&admin, "2027-11-06T12:00:00Z", "2027-11-08T12:00:00Z").await;
    let times = ["05:30", "06:00", "07:00", "08:00", "08:30", "09:00"].map(|time| format!("2027-11-07T{time}:00Z"));
    assert_eq!(autumn, times);
    for (from, to) in [
        ("2027-11-07T00:00:00Z", "2027-11-07T00:00:00Z"),
        ("2027-11-07T00:00:00Z", "2027-12-09T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
    ] {
        let answer = admin.ask(SLOTS, json!({ "from": from, "to": to })).await;
        assert_eq!(answer["errors"][0]["extensions"]["field"], "to", "{answer}");
    }
    assert!(slots(&admin, "9999-12-20T00:00:00Z", "9999-12-31T23:59:59Z").await.is_empty());
    assert!(slots(&admin, "0001-01-01T00:00:00Z", "0001-01-02T00:00:00Z").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_is_looked_through_at_once_also_when_the_clock_is_put_back_in_it() {
    let gateway = Gateway::start().await;
    let admin = gateway.tenant("acme").await.admin().await;
    opened(&admin, "Europe/Berlin", "SUNDAY", "23:00", "24:00").await;
    admin.data("mutation { updateBookingSettings(input: { horizonDays: 365 }) { horizonDays } }").await;
    // October 2027: 31 days, of which the last has an hour more.
    let october = slots(&admin, "2027-10-01T00:00:00+02:00", "2027-11-01T00:00:00+01:00").await;
    assert_eq!(october.len(), 10, "two on each of five Sundays");
    assert_eq!((october[0].as_str(), october[9].as_str()), ("2027-10-03T21:00:00Z", "2027-10-31T22:30:00Z"));
    let longer =
        admin.ask(SLOTS, json!({ "from": "2027-10-01T00:00:00+02:00", "to": "2027-11-01T03:00:00+01:00" })).await;
    assert_eq!(longer["errors"][0]["message"], "`to` must be after `from`, and by at most 31 days.", "{longer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_lead_and_conversation_are_in_no_meeting() {
    let gateway = Gateway::start().await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    let (owner, thief) = (acme.staff().await, rival.staff().await);
    owner.data(r#"mutation { createLead(input: { name: "Ann" }) { id } startConversation(input: {}) { id } }"#).await;
    opened(&rival.admin().await, "UTC", "MONDAY", "09:00", "10:00").await;
    for reference in [json!({ "leadId": "lead_1" }), json!({ "conversationId": "conversation_1" })] {
        let mut input = json!({ "startsAt": "2026-11-23T09:00:00Z" });
        input.as_object_mut().expect("an object").extend(reference.as_object().expect("an object").clone());
        let answer = thief.ask(BOOK, json!({ "i": input })).await;
        assert_eq!(code(&answer), "NOT_FOUND", "{answer}");
    }
    assert_eq!(thief.data("{ meetings { totalCount } }").await["meetings"]["totalCount"], 0);
}
