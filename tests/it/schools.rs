//! What the assistant of a swim school tells of its classes, and where it sends people to register.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::{
    support::{
        Gateway, Plan,
        fake_jackrabbit::{FakeJackrabbit, Script, recorded},
    },
    toolbox::called,
};

async fn with_school(school: &FakeJackrabbit) -> Gateway {
    Gateway::planned(Plan { jackrabbit: Some(school.base_url.clone()), ..Plan::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn classes_are_found_in_the_schools_schedule() {
    let school = FakeJackrabbit::school().await;
    let gateway = with_school(&school).await;
    let acme = gateway.tenant("acme").await;
    let admin = acme.admin().await;
    admin.conversation().await;
    admin.data(r#"mutation { updateVoiceSettings(input: { jackrabbitOrgId: "990001" }) { isEnabled } }"#).await;
    let cx = gateway.inside(acme.id);
    // The recorded classes are over in May.
    school.script(Script::Rows(moved(recorded())));
    let told = called(&cx, 1, "get_classes", json!({ "level": "swim", "age_months": 50, "day": "SATURDAY", "location": null, "seats": null, "language": "es" })).await;
    insta::assert_json_snapshot!(told, @r#"
    {
      "say": "Encontré 2 clases con lugares. Tadpole Sat 10a, sábado a las 10:00, Main Pool: 3 lugares. No ages, no end, sábado a las 10:00, Main Pool: 4 lugares.",
      "as_of": "2026-11-21T12:00:00Z",
      "total": 2,
      "too_few_places": 2,
      "classes": [
        {
          "class_id": "20000001",
          "name": "Tadpole Sat 10a",
          "levels": [
            "Swim"
          ],
          "location": "Main Pool",
          "session": "Winter 2026",
          "days": [
            "SATURDAY"
          ],
          "starts": "10:00",
          "ends": "10:30",
          "first_day": "2026-01-10",
          "last_day": "2027-05-30",
          "min_age_months": 42,
          "max_age_months": 71,
          "open_places": 3,
          "fee": "35.50",
          "billing": "Monthly"
        },
        {
          "class_id": "20000005",
          "name": "No ages, no end",
          "levels": [
            "Swim"
          ],
          "location": "Main Pool",
          "session": "Winter 2026",
          "days": [
            "SATURDAY"
          ],
          "starts": "10:00",
          "ends": "10:30",
          "first_day": "2026-01-10",
          "last_day": null,
          "min_age_months": null,
          "max_age_months": null,
          "open_places": 4,
          "fee": null,
          "billing": null
        }
      ]
    }
    "#);
    // What a model leaves out is as if it had said null.
    let all = called(&cx, 1, "get_classes", json!({})).await;
    assert_eq!((&all["total"], &all["too_few_places"]), (&json!(4), &json!(2)), "{all}");
    assert!(!all.to_string().contains("Full class") && !all.to_string().contains("Over-enrolled"), "{all}");
    for (arguments, complaint) in [
        (
            json!({ "age_months": -1 }),
            "The arguments are not as the tool takes them: invalid value: integer `-1`, expected u32",
        ),
        (json!({ "age_months": 1201 }), "`age_months` must be from 0 to 1200."),
        (json!({ "seats": 0 }), "`seats` must be from 1 to 20."),
        (
            json!({ "day": "FUNDAY" }),
            "The arguments are not as the tool takes them: unknown variant `FUNDAY`, expected one of `MONDAY`, `TUESDAY`, `WEDNESDAY`, `THURSDAY`, `FRIDAY`, `SATURDAY`, `SUNDAY`",
        ),
        (json!({ "level": "x".repeat(101) }), "`level` is 101 characters long; at most 100 are allowed."),
        (json!({ "level": "a\u{0}b" }), "`level` holds a NUL character, which can't be stored."),
        (
            json!("text"),
            "The arguments are not as the tool takes them: invalid type: string \"text\", expected struct Arguments",
        ),
    ] {
        assert_eq!(called(&cx, 1, "get_classes", arguments).await, json!({ "error": complaint }));
    }
    let stranger = called(&cx, 1, "get_classes", json!({ "tenant_id": 1002 })).await;
    assert!(stranger["error"].as_str().expect("an error").contains("unknown field `tenant_id`"), "{stranger}");
    // A long schedule is cut at a whole class.
    let many: Vec<Value> = (1..=300)
        .map(|id| json!({ "id": id, "name": format!("Class {id}"), "openings": { "calculated_openings": 1 } }))
        .collect();
    school.script(Script::Rows(many.into()));
    gateway.clock.advance(TimeDelta::minutes(5));
    let told = called(&cx, 1, "get_classes", json!({})).await;
    assert_eq!(told["total"], 300);
    assert!(told["note"].as_str().expect("a note").ends_with("more are left out here. Ask for less to see them."));
    assert_eq!(
        told["say"],
        "I found 300 classes with open spots. Class 1: 1 spot. Class 2: 1 spot. Class 3: 1 spot. And 297 more."
    );
    // Without a schedule, and without a copy that is good enough.
    school.script(Script::Raw(500, "text/html", "canary".to_owned()));
    gateway.clock.advance(TimeDelta::hours(25));
    let told = called(&cx, 1, "get_classes", json!({})).await;
    let sentence = "The class schedule could not be loaded just now. Try again in a few minutes.";
    assert_eq!(told, json!({ "error": sentence }));
}

/// The recorded classes, in another year.
fn moved(rows: Value) -> Value {
    serde_json::from_str(&rows.to_string().replace("2026-05-30", "2027-05-30")).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn links_lead_to_the_school_or_to_the_tenants_own_site() {
    let school = FakeJackrabbit::start(Script::Rows(moved(recorded()))).await;
    let gateway = with_school(&school).await;
    let acme = gateway.tenant("acme").await;
    let admin = acme.admin().await;
    admin.conversation().await;
    admin.data(r#"mutation { updateVoiceSettings(input: { jackrabbitOrgId: "990001" }) { isEnabled } }"#).await;
    let cx = gateway.inside(acme.id);
    let link = async |arguments: Value| {
        let told = called(&cx, 1, "send_registration_link", arguments).await;
        told["url"].as_str().map_or_else(|| told.to_string(), str::to_owned)
    };
    let form = "https://app.jackrabbitclass.com/regv2.asp?id=990001";
    assert_eq!(link(json!({})).await, form);
    assert_eq!(link(json!({ "location": "west pool" })).await, format!("{form}&loc=EAST"));
    assert_eq!(link(json!({ "location": "Atlantis" })).await, form);
    let listed = format!("{form}&hc=&initEmpty=&hdColor=&wl=0&preLoadClassID=20000001&loc=MAIN");
    assert_eq!(link(json!({ "class_id": "20000001" })).await, listed);
    let known = json!({ "class_id": "20000001", "first_name": "Ann Marie", "last_name": null, "email": "Ann@X.example", "phone": "+1 555 010 0123" });
    let filled = "&MFName=Ann%20Marie&MEmail=ann%40x.example&ConfirmMEmail=ann%40x.example&MCPhone=%2B15550100123";
    assert_eq!(link(known).await, format!("{listed}{filled}"));
    // A full class has its wait list, or no link at all.
    let waiting = called(&cx, 1, "send_registration_link", json!({ "class_id": "20000003" })).await;
    insta::assert_json_snapshot!(waiting, @r#"
    {
      "url": "https://app.jackrabbitclass.com/regv2.asp?id=990001&preLoadClassID=20000003&WL=1&loc=MAIN",
      "note": "This class is full: the link leads to its wait list. Say so."
    }
    "#);
    let mut rows = moved(recorded());
    rows[2]["waitlist"] = json!(false);
    rows[0]["online_reg_link"] = json!("https://evil.example/regv2.asp?id=990001");
    school.script(Script::Rows(rows));
    gateway.clock.advance(TimeDelta::minutes(5));
    let full = r#"{"error":"This class is full. Call get_classes and offer another."}"#;
    assert_eq!(link(json!({ "class_id": "20000003" })).await, full);
    let built = format!("{form}&preLoadClassID=20000001&loc=MAIN");
    assert_eq!(link(json!({ "class_id": "20000001" })).await, built, "not where the list would lead");
    for (arguments, word) in [
        (json!({ "class_id": "1" }), "There is no such class."),
        (json!({ "email": "nobody" }), "`email` must be an e-mail address"),
        (json!({ "phone": "5550100123" }), "`phone` must be a phone number"),
        (json!({ "url": "https://evil.example" }), "unknown field `url`"),
    ] {
        let refused = link(arguments).await;
        assert!(refused.contains(word), "{refused}");
    }
    // The tenant's own site goes first.
    admin
        .data(r#"mutation { updateVoiceSettings(input: { registrationUrl: "https://brand.example/{org_id}/register/?loc={location}&type={level}&class={class_id}" }) { isEnabled } }"#)
        .await;
    let own = link(json!({ "location": "Main", "level": "a&b" })).await;
    assert_eq!(own, "https://brand.example/990001/register/?loc=MAIN&type=a%26b&class=");
    let elsewhere = link(json!({ "location": "@evil.example/", "level": "../.." })).await;
    assert_eq!(elsewhere, "https://brand.example/990001/register/?loc=%40evil.example%2F&type=..%2F..&class=");
    for pattern in ["https://{location}/", "https://brand.example/{secret}", "javascript:{level}"] {
        let input = json!({ "i": { "registrationUrl": pattern } });
        let answer = admin
            .ask("mutation($i: VoiceSettingsInput!) { updateVoiceSettings(input: $i) { isEnabled } }", input)
            .await;
        assert_eq!(answer["errors"][0]["extensions"]["field"], "registrationUrl", "{pattern}: {answer}");
    }
    // A schedule that can't be loaded is no reason to keep the general link back.
    school.script(Script::Raw(500, "text/html", String::new()));
    gateway.clock.advance(TimeDelta::hours(25));
    assert_eq!(
        link(json!({ "location": "Main" })).await,
        "https://brand.example/990001/register/?loc=Main&type=&class="
    );
    assert!(link(json!({ "class_id": "20000001" })).await.contains("could not be loaded"));
}
