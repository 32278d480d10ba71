//! `docs/TOUR.md` from top to bottom, as a reader would paste it: what stands there works.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::support::{Gateway, PASSWORD, code};

/// One document of the tour, and what its first line says of it.
struct Stop {
    who: String,
    tenant: Option<String>,
    keeps: Option<String>,
    refused: Option<String>,
    document: String,
}

fn stops(page: &str) -> Vec<Stop> {
    page.split("```graphql\n")
        .skip(1)
        .map(|rest| {
            let document = rest.split("```").next().expect("an end").to_owned();
            let first = document.lines().next().and_then(|line| line.strip_prefix("# ")).expect("a first line");
            let (who, note) = first.split_once("; ").unwrap_or((first, ""));
            let (who, tenant) = who.split_once(" in ").map_or((who, None), |(who, tenant)| (who, Some(tenant)));
            let (who, tenant) = (who.to_owned(), tenant.map(str::to_owned));
            let keeps = note.strip_prefix("keep the accessToken as ").map(str::to_owned);
            let refused = note.strip_prefix("refused with ").map(str::to_owned);
            Stop { who, tenant, keeps, refused, document }
        })
        .collect()
}

/// What a reader notes: the newest id of each noun, and the newest token.
fn note(answer: &Value, ids: &mut HashMap<String, String>, token: &mut Option<String>) {
    match answer {
        Value::Object(members) => {
            if let Some(found) = members.get("accessToken").and_then(Value::as_str) {
                *token = Some(found.to_owned());
            }
            if let Some((noun, id)) =
                members.get("id").and_then(Value::as_str).and_then(|id| Some((id.split_once('_')?.0, id)))
            {
                ids.insert(noun.to_owned(), id.to_owned());
            }
            members.values().for_each(|value| note(value, ids, token));
        }
        Value::Array(items) => items.iter().for_each(|value| note(value, ids, token)),
        _ => {}
    }
}

/// The document with the reader's own ids in the place of the examples; ids that nobody has stay.
fn filled(document: &str, ids: &HashMap<String, String>) -> String {
    let parts = document.split('"').enumerate().map(|(at, part)| {
        let noun = part.split_once('_').filter(|(_, number)| number.len() < 6 && number.parse::<u32>().is_ok());
        let id = noun.and_then(|(noun, _)| ids.get(noun)).filter(|_| at % 2 == 1);
        id.map_or_else(|| part.to_owned(), Clone::clone)
    });
    parts.collect::<Vec<_>>().join("\"")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tour_works_as_it_is_printed() {
    let page = std::fs::read_to_string("docs/TOUR.md").expect("the tour");
    let page = page
        .replace("put the printed password here", PASSWORD)
        .replace("admin@frontdesk.example", "root@platform.example");
    let gateway = Gateway::start().await;
    let mut ids = HashMap::new();
    let mut tokens: HashMap<String, String> = HashMap::new();
    let stops = stops(&page);
    assert!(stops.len() > 30, "the stops were found");
    for stop in stops {
        let mut actor = gateway.stranger();
        if !stop.who.starts_with("nobody") {
            actor = actor.with_token(tokens.get(&stop.who).unwrap_or_else(|| panic!("no token of {}", stop.who)));
        }
        if let Some(tenant) = &stop.tenant {
            actor = actor.in_tenant(tenant);
        }
        let document = filled(&stop.document, &ids);
        if document.contains("\nsubscription") {
            let response =
                actor.post("/graphql/stream").json(&json!({ "query": document })).send().await.expect("sent");
            let text = response.text().await.expect("text");
            assert!(text.contains("ReplyCompleted") && text.contains("Parking is free"), "{text}");
            continue;
        }
        let answer = actor.query(&document).await;
        match &stop.refused {
            Some(expected) => assert_eq!(code(&answer), expected, "{document}"),
            None => assert!(answer.get("errors").is_none(), "{document}\n{answer}"),
        }
        let mut token = None;
        note(&answer, &mut ids, &mut token);
        if let Some(name) = stop.keeps {
            tokens.insert(name, token.expect("a token"));
        }
    }
}
