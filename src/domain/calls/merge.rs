//! How two pieces of what is known of a call become one. Whichever comes first, and however often, the same comes of it:
//! names stay, times widen, and of two outcomes the weightier stands.

use serde_json::{Map, Value};

use crate::{channels::telnyx::calls::CallEvent, db::tables::calls::Known, kernel::vocabulary::CallOutcome};

/// Longest summary, in characters.
const SUMMARY_MAX: usize = 2_000;

/// What is known, with what an event says.
pub(super) fn with(known: Option<&Known>, event: &CallEvent) -> Known {
    let said = Known {
        call_control_id: event.call.clone(),
        provider_conversation_id: event.conversation.clone(),
        lead_id: None,
        direction: event.direction,
        from_number: event.from.clone(),
        to_number: event.to.clone(),
        customer_number: event.customer.clone(),
        agent_number: event.agent.clone(),
        is_attested: event.is_attested,
        started_at: event.started_at,
        ended_at: event.ended_at,
        duration_seconds: event.duration_seconds,
        outcome: event.outcome,
        recording_url: event.recording_url.clone(),
        summary: None,
        insights: Value::Object(event.insights.clone().into_iter().collect()),
    };
    both(known.unwrap_or(&Known::default()), &said)
}

/// What either knows.
pub(super) fn both(known: &Known, said: &Known) -> Known {
    let insights = joined(&known.insights, &said.insights);
    Known {
        call_control_id: first(known.call_control_id.as_ref(), said.call_control_id.as_ref()),
        provider_conversation_id: first(
            known.provider_conversation_id.as_ref(),
            said.provider_conversation_id.as_ref(),
        ),
        lead_id: known.lead_id.or(said.lead_id),
        direction: known.direction.or(said.direction),
        from_number: first(known.from_number.as_ref(), said.from_number.as_ref()),
        to_number: first(known.to_number.as_ref(), said.to_number.as_ref()),
        customer_number: first(known.customer_number.as_ref(), said.customer_number.as_ref()),
        agent_number: first(known.agent_number.as_ref(), said.agent_number.as_ref()),
        is_attested: known.is_attested || said.is_attested,
        started_at: [known.started_at, said.started_at].into_iter().flatten().min(),
        ended_at: known.ended_at.max(said.ended_at),
        duration_seconds: known.duration_seconds.max(said.duration_seconds),
        outcome: [known.outcome, said.outcome].into_iter().flatten().min_by_key(|outcome| weight(*outcome)),
        recording_url: first(known.recording_url.as_ref(), said.recording_url.as_ref()),
        summary: summary(&insights),
        insights: Value::Object(insights),
    }
}

fn first(known: Option<&String>, said: Option<&String>) -> Option<String> {
    known.or(said).cloned()
}

/// The weightier, the smaller. That the assistant failed, or held the call, is its own word; the rest is what the line saw.
fn weight(outcome: CallOutcome) -> u8 {
    match outcome {
        CallOutcome::AssistantFailed => 0,
        CallOutcome::Completed => 1,
        CallOutcome::NoAnswer => 2,
        CallOutcome::Busy => 3,
        CallOutcome::Rejected => 4,
        CallOutcome::Cancelled => 5,
        CallOutcome::Failed => 6,
    }
}

fn joined(known: &Value, said: &Value) -> Map<String, Value> {
    let mut all = Map::new();
    for (id, result) in [said, known].into_iter().filter_map(Value::as_object).flatten() {
        all.insert(id.clone(), result.clone());
    }
    all
}

/// What the insights make of the call: one that calls itself a summary, else the first in words, by its name.
fn summary(insights: &Map<String, Value>) -> Option<String> {
    let named = insights.values().find_map(|insight| insight.get("summary")?.as_str());
    let said = named.or_else(|| {
        let mut worded: Vec<_> = insights.iter().filter_map(|(id, insight)| Some((id, insight.as_str()?))).collect();
        worded.sort_unstable();
        worded.first().map(|(_, words)| *words)
    })?;
    Some(said.chars().take(SUMMARY_MAX).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::kernel::vocabulary::CallDirection;

    fn pieces() -> Vec<CallEvent> {
        let at = |text: &str| Some(text.parse().expect("a time"));
        let call = || CallEvent { call: Some("v3:A".into()), ..CallEvent::default() };
        vec![
            CallEvent {
                started_at: at("2026-01-02T10:17:30Z"),
                customer: Some("+1".into()),
                agent: Some("+2".into()),
                is_attested: true,
                ..call()
            },
            CallEvent {
                direction: Some(CallDirection::Inbound),
                from: Some("+1".into()),
                to: Some("+2".into()),
                started_at: at("2026-01-02T10:17:36Z"),
                ..call()
            },
            CallEvent {
                conversation: Some("c".into()),
                duration_seconds: Some(60),
                ended_at: at("2026-01-02T10:20:00Z"),
                outcome: Some(CallOutcome::Completed),
                ..call()
            },
            CallEvent {
                duration_seconds: Some(62),
                ended_at: at("2026-01-02T10:20:06Z"),
                outcome: Some(CallOutcome::Failed),
                ..call()
            },
            CallEvent {
                insights: [
                    ("i2".to_owned(), json!("Wants Saturdays.")),
                    ("i1".to_owned(), json!({ "intent": "register" })),
                ]
                .into(),
                ..call()
            },
            CallEvent {
                insights: [("i0".to_owned(), json!("Asked for a place."))].into(),
                recording_url: Some("https://r.example/1".into()),
                ..call()
            },
        ]
    }

    proptest! {
        #[test]
        fn the_order_of_the_pieces_does_not_matter(order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle(), again in proptest::collection::vec(0..6_usize, 0..4)) {
            let pieces = pieces();
            let whole = |order: &[usize]| order.iter().fold(None, |known: Option<Known>, piece| Some(with(known.as_ref(), &pieces[*piece])));
            let expected = whole(&[0, 1, 2, 3, 4, 5]);
            prop_assert_eq!(whole(&order), expected.clone());
            prop_assert_eq!(whole(&[order, again].concat()), expected);
        }
    }

    #[test]
    fn a_summary_is_the_one_that_says_so_or_the_first_in_words() {
        let of = |insights: Value| summary(insights.as_object().expect("an object"));
        assert_eq!(of(json!({})), None);
        assert_eq!(of(json!({ "b": "second", "a": "first", "c": { "x": 1 } })).as_deref(), Some("first"));
        assert_eq!(of(json!({ "a": "first", "c": { "summary": "short" } })).as_deref(), Some("short"));
    }
}
