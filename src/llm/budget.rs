//! How much of a conversation a model is told: as many of the last turns as fit into a budget of tokens. Counts are
//! estimates, since each model counts in its own way. Must not look at what is said.

use crate::llm::{ModelRequest, Said};

/// Letters to a token, as it is in English. Letters outside of ASCII are a token each: in some scripts it is less than
/// that, and more in none that many write.
const LETTERS: usize = 4;
/// Tokens that a turn costs beside its text.
const OVERHEAD: u32 = 4;
/// Tokens below which the beginning of an older turn is not worth telling.
const WORTHWHILE: u32 = 64;
/// What stands where a text was cut.
const CUT: &str = "\n[… cut: too long]";

/// About how many tokens a text is: one for four letters of ASCII or one of another script, rounded up.
#[must_use]
pub fn estimate_tokens(text: &str) -> u32 {
    u32::try_from(text.chars().map(weight).sum::<usize>().div_ceil(LETTERS)).unwrap_or(u32::MAX)
}

/// About how many tokens a model reads to answer a request.
#[must_use]
pub fn estimate(request: &ModelRequest) -> u32 {
    let tools = request.tools.iter().map(|tool| {
        let words = [tool.name.as_str(), tool.description.as_str(), &tool.parameters.to_string()];
        words.map(estimate_tokens).into_iter().fold(OVERHEAD, u32::saturating_add)
    });
    let turns = request.turns.iter().map(cost);
    turns.chain(tools).fold(estimate_tokens(&request.system), u32::saturating_add)
}

fn weight(letter: char) -> usize {
    if letter.is_ascii() { 1 } else { LETTERS }
}

/// The newest of `turns` that fit into `budget` tokens, in their order. The last is always there; a turn that does not fit
/// is cut, with a mark, and what is older goes.
#[must_use]
pub fn fit(turns: Vec<Said>, budget: u32) -> Vec<Said> {
    let mut left = budget;
    let mut kept = Vec::new();
    for turn in turns.into_iter().rev() {
        let cost = cost(&turn);
        if cost <= left {
            left -= cost;
            kept.push(turn);
            continue;
        }
        if kept.is_empty() || left >= WORTHWHILE {
            kept.push(shortened(turn, left));
        }
        break;
    }
    kept.reverse();
    kept
}

fn cost(turn: &Said) -> u32 {
    let text = match turn {
        Said::Customer(text) | Said::Business(text) => estimate_tokens(text),
        Said::Called { text, calls } => calls.iter().fold(estimate_tokens(text), |sum, call| {
            sum.saturating_add(estimate_tokens(&call.name)).saturating_add(estimate_tokens(&call.arguments.to_string()))
        }),
        Said::Results(results) => {
            results.iter().fold(0, |sum: u32, result| sum.saturating_add(estimate_tokens(&result.content)))
        }
    };
    text.saturating_add(OVERHEAD)
}

/// Cut to `budget` tokens, as far as that goes. Calls and their results stay whole: half of one would be nonsense.
fn shortened(turn: Said, budget: u32) -> Said {
    let room = budget.saturating_sub(OVERHEAD);
    match turn {
        Said::Customer(text) => Said::Customer(within(&text, room)),
        Said::Business(text) => Said::Business(within(&text, room)),
        whole @ (Said::Called { .. } | Said::Results(_)) => whole,
    }
}

/// The text in at most `room` tokens, mark included.
fn within(text: &str, room: u32) -> String {
    if estimate_tokens(text) <= room {
        return text.to_owned();
    }
    let room = usize::try_from(room).unwrap_or(usize::MAX).saturating_mul(LETTERS);
    let mut left = room.saturating_sub(CUT.chars().map(weight).sum());
    let fits = |letter: &char| {
        let is_room = weight(*letter) <= left;
        left = left.saturating_sub(weight(*letter));
        is_room
    };
    let begin: String = text.chars().take_while(fits).collect();
    format!("{begin}{CUT}")
}

/// The text in at most `room` characters, mark included; of a longer one its beginning and the mark.
#[must_use]
pub fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let begin: String = text.chars().take(room.saturating_sub(CUT.chars().count())).collect();
    format!("{begin}{CUT}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(turn: &Said) -> &str {
        match turn {
            Said::Customer(text) | Said::Business(text) => text,
            _ => panic!("only texts here"),
        }
    }

    fn turns() -> impl Strategy<Value = Vec<Said>> {
        let turn = (any::<bool>(), "\\PC{0,400}")
            .prop_map(|(customer, text)| if customer { Said::Customer(text) } else { Said::Business(text) });
        prop::collection::vec(turn, 1..20)
    }

    proptest! {
        #[test]
        fn the_newest_that_fit_are_kept_and_always_the_question(turns in turns(), budget in 10_u32..1_500) {
            let kept = fit(turns.clone(), budget);
            let total: u32 = kept.iter().map(cost).sum();
            prop_assert!(total <= budget, "{total} of {budget}");
            prop_assert!(!kept.is_empty());
            // A tail of what there was; all of it whole but the oldest, which is the beginning of what it was.
            let tail = &turns[turns.len() - kept.len()..];
            prop_assert_eq!(&kept[1..], &tail[1..]);
            let (first, was) = (text(&kept[0]), text(&tail[0]));
            prop_assert!(first == was || was.starts_with(first.strip_suffix(CUT).expect("the mark")));
            // Nothing that would have fitted was left out.
            if turns.iter().map(cost).sum::<u32>() <= budget {
                prop_assert_eq!(&kept, &turns);
            }
        }
    }

    #[test]
    fn a_question_that_is_too_long_is_cut_with_a_mark() {
        let kept = fit(vec![Said::Business("Hi".into()), Said::Customer("x".repeat(1_000))], 24);
        assert_eq!(kept.len(), 1);
        let told = text(&kept[0]);
        assert!(told.ends_with(CUT) && cost(&kept[0]) == 24, "{told}");
    }

    #[test]
    fn an_estimate_is_a_quarter_of_the_letters_and_one_for_each_of_another_script() {
        assert_eq!(["", "a", "abcd", "abcde", "äöüß", "你好 hello"].map(estimate_tokens), [0, 1, 1, 2, 4, 4]);
    }
}
