//! A log of events, held to one that is kept the plainest way: each event by itself.

use proptest::prelude::*;

use super::*;
use crate::chat::hub::tests::started;

/// What may happen to a log.
#[derive(Debug, Clone)]
enum Step {
    Told(Body),
    Birth,
    Gap(Option<(MessageId, String)>, Vec<MessageId>),
    Replaced(Vec<Body>, Option<(MessageId, String)>),
}

fn ended(message: MessageId) -> Body {
    let Body::ReplyStarted(row) = started(message, "") else { unreachable!() };
    Body::ReplyCompleted { message: row, finish: crate::kernel::vocabulary::FinishReason::Stop }
}

fn any_step() -> impl Strategy<Value = Step> {
    let message = || (1..4_i64).prop_map(MessageId);
    // Some so long that what came before has to go.
    let text = || prop_oneof![20 => "[a-zü]{0,4}", 1 => Just("long ".repeat(40_000))];
    let body = move || {
        prop_oneof![
            12 => (message(), text()).prop_map(|(message, text)| Body::ReplyDelta { message, text }),
            2 => (message(), "[A-Z]{0,3}").prop_map(|(message, content)| started(message, &content)),
            1 => message().prop_map(|message| Body::ToolCalled { message, name: "tool".to_owned() }),
            1 => message().prop_map(ended),
        ]
    };
    let live = move || proptest::option::of((message(), text()));
    prop_oneof![
        20 => body().prop_map(Step::Told),
        1 => Just(Step::Birth),
        1 => (live(), prop::collection::vec(message(), 0..2)).prop_map(|(live, ended)| Step::Gap(live, ended)),
        1 => (prop::collection::vec(body(), 1..6), live()).prop_map(|(bodies, live)| Step::Replaced(bodies, live)),
    ]
}

/// The text so far of the reply that is being written, by adding each delta to it.
#[derive(Default)]
struct Plain {
    live: Option<(MessageId, String)>,
    ended: Vec<MessageId>,
}

impl Plain {
    fn begin(&mut self, of: MessageId, text: String) {
        self.ended.retain(|ended| *ended != of);
        self.live = Some((of, text));
    }

    fn hear(&mut self, body: &Body) {
        let of = body.message();
        match body {
            Body::ReplyStarted(row) => self.begin(of, row.content.clone()),
            _ if self.ended.contains(&of) => {}
            Body::ReplyDelta { text, .. } => {
                if let Some((_, so_far)) = self.live.as_mut().filter(|(live, _)| *live == of) {
                    so_far.push_str(text);
                }
            }
            body if body.ends_reply() => {
                self.live.take_if(|(live, _)| *live == of);
                self.ended.push(of);
            }
            _ => {}
        }
    }
}

#[test]
fn a_reply_that_failed_is_written_anew_and_heard_of() {
    let now = DateTime::UNIX_EPOCH;
    let mut log = Log::new(ConversationId(7), now);
    let told = |text: &str| Body::ReplyDelta { message: MessageId(1), text: text.to_owned() };
    for body in [started(MessageId(1), ""), told("Half"), ended(MessageId(1)), told("a word that is late")] {
        log.append(now, body);
    }
    assert_eq!((log.live(), log.events), (None, 3));
    for body in [started(MessageId(1), ""), told("Whole"), ended(MessageId(1))] {
        log.append(now, body);
    }
    assert_eq!((log.live(), log.events), (None, 6));
}

proptest! {
    #[test]
    fn the_text_so_far_is_that_of_all_deltas(steps in prop::collection::vec(any_step(), 1..120), ours in 1..6_i64) {
        let (now, writes) = (DateTime::UNIX_EPOCH, |message| message == MessageId(ours));
        let (mut log, mut plain) = (Log::new(ConversationId(7), now), Plain::default());
        let entry = |before: Cursor, note| Entry { cursor: before.next(now), before, note };
        for step in steps {
            let place = log.last;
            match step {
                Step::Told(body) => {
                    plain.hear(&body);
                    prop_assert_eq!(log.apply(now, entry(place, Note::Event(body)), &writes), Applied::Yes);
                }
                Step::Birth => {
                    log.apply(now, entry(place, Note::Birth), &writes);
                }
                Step::Gap(live, ended) => {
                    plain.live.take_if(|(message, _)| ended.contains(message));
                    if !plain.live.as_ref().is_some_and(|(message, _)| writes(*message))
                        && let Some((message, text)) = live.clone()
                    {
                        plain.begin(message, text);
                    }
                    log.apply(now, entry(place, Note::Gap { live, ended }), &writes);
                }
                Step::Replaced(bodies, live) => {
                    let kept = plain.live.take().filter(|(message, _)| writes(*message));
                    for body in &bodies {
                        plain.hear(body);
                    }
                    plain.live = None;
                    if let Some((message, text)) = kept.or(live.clone()) {
                        plain.begin(message, text);
                    }
                    let mut before = place;
                    let entries = bodies.into_iter().map(|body| {
                        let entry = entry(before, Note::Event(body));
                        before = entry.cursor;
                        entry
                    });
                    log.replace(now, entries.collect(), live, &writes);
                }
            }
            prop_assert_eq!(log.live(), plain.live.clone());
            prop_assert!(log.bytes <= KEPT_BYTES);
            prop_assert_eq!(log.bytes, log.pieces.iter().map(Piece::size).sum::<usize>());
            prop_assert_eq!(log.events, log.pieces.iter().map(Piece::len).sum::<usize>());
        }
    }
}
