//! The responder that needs no provider: it quotes the tenant's own words, or says that it
//! does not know and how to reach a person. Must not make anything up.

use std::collections::HashSet;

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};

use crate::{
    kernel::vocabulary::FinishReason,
    llm::{ChatModel, Delta, Grounding, ModelError, ModelRequest, Patience, Said, Sign, Usage},
};

/// Answers from the tenant's own FAQ, and from the documents that were found for the question.
pub struct BuiltIn;

impl ChatModel for BuiltIn {
    fn name(&self) -> &'static str {
        "built-in"
    }

    fn reply(&self, request: ModelRequest, _: Patience) -> BoxStream<'static, Result<Sign, ModelError>> {
        let asked = request
            .turns
            .iter()
            .rev()
            .find_map(|turn| match turn {
                Said::Customer(text) => Some(text.as_str()),
                _ => None,
            })
            .unwrap_or_default();
        let answer = answer(asked, &request.grounding);
        // Word by word, like any model.
        let words: Vec<_> = answer.split_inclusive(char::is_whitespace).map(str::to_owned).collect();
        let end = Delta::End { finish: FinishReason::Stop, usage: Some(Usage::default()) };
        stream::iter(words.into_iter().map(Delta::Text).chain([end]).map(Sign::Piece).map(Ok))
            .then(|piece| async {
                // Others may run between two words, and watchers see each.
                tokio::task::yield_now().await;
                piece
            })
            .boxed()
    }
}

fn answer(asked: &str, grounding: &Grounding) -> String {
    let asked_words = words(asked);
    let best = grounding
        .faq
        .as_deref()
        .map(pairs)
        .unwrap_or_default()
        .into_iter()
        .map(|(question, answer)| (score(&asked_words, &question, &answer), answer))
        .filter(|(score, _)| *score >= 2)
        // The first of equals: the tenant's own order.
        .reduce(|best, next| if next.0 > best.0 { next } else { best });
    if let Some((_, answer)) = best {
        return answer;
    }
    if let Some(answer) = quoted(&asked_words, &grounding.passages) {
        return answer;
    }
    let business = if grounding.business.is_empty() { "the team" } else { grounding.business.as_str() };
    if asked_words.is_empty() && !asked.trim().is_empty() {
        return format!("Hello! What would you like to know about {business}?");
    }
    if grounding.contacts.is_empty() {
        format!(
            "I don't have an answer to that. A person from {business} will read your message here and get back to you."
        )
    } else {
        format!("I don't have an answer to that. You can reach {business} at {}.", grounding.contacts.join(" or "))
    }
}

/// The sentence of the passages that shares most words with the question, and the one behind it. One word in common is
/// too little, unless the question has no more.
fn quoted(asked: &HashSet<String>, passages: &[String]) -> Option<String> {
    let enough = asked.len().min(2);
    let mut best: Option<(usize, String)> = None;
    for passage in passages {
        let sentences = sentences(passage);
        for (at, sentence) in sentences.iter().enumerate() {
            let score = words(sentence).intersection(asked).count();
            if score >= enough && score > best.as_ref().map_or(0, |(best, _)| *best) {
                let quote = sentences.iter().skip(at).take(2).copied().collect::<Vec<_>>().join(" ");
                best = Some((score, quote));
            }
        }
    }
    best.map(|(_, quote)| quote)
}

/// Ends of lines, and marks with a space behind them, end a sentence; the point in 24.50 does not.
fn sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut begin = 0;
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        let rest = text.get(end..).unwrap_or_default();
        let is_end = c == '\n' || (matches!(c, '.' | '!' | '?') && rest.starts_with(|c: char| c.is_whitespace()));
        if is_end || rest.is_empty() {
            sentences.push(text.get(begin..end).unwrap_or_default().trim());
            begin = end;
        }
    }
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

/// Twice the asked words that the question has, and once those that only its answer has.
fn score(asked: &HashSet<String>, question: &str, answer: &str) -> usize {
    let (question, answer) = (words(question), words(answer));
    asked.iter().map(|word| if question.contains(word) { 2 } else { usize::from(answer.contains(word)) }).sum()
}

/// Reads "Q: … / A: …", and plain questions with their answer on the lines below.
fn pairs(faq: &str) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for line in faq.lines().map(str::trim) {
        let question = marked(line, &["q", "question"]).or_else(|| line.ends_with('?').then_some(line));
        let said = marked(line, &["a", "answer"]);
        if let (Some(question), None) = (question, said) {
            // "When are you open? A: Always." on one line.
            let (question, rest) = question.split_once("A:").map_or((question, ""), |(q, a)| (q.trim(), a.trim()));
            pairs.push((question.to_owned(), rest.to_owned()));
        } else if let Some((_, answer)) = pairs.last_mut() {
            let text = said.unwrap_or(line);
            if !answer.is_empty() && !text.is_empty() {
                answer.push(' ');
            }
            answer.push_str(text);
        }
    }
    pairs.retain(|(_, answer)| !answer.is_empty());
    pairs
}

/// What follows `q:`, `Q.` or `question:` at the start of a line.
fn marked<'a>(line: &'a str, marks: &[&str]) -> Option<&'a str> {
    let (mark, rest) = line.split_once([':', '.'])?;
    let mark = mark.trim_start_matches(['-', '*', '#', ' ']);
    marks.iter().any(|known| mark.eq_ignore_ascii_case(known)).then(|| rest.trim())
}

/// The words that carry meaning, roughly stemmed.
fn words(text: &str) -> HashSet<String> {
    const EMPTY: &[&str] = &[
        "a", "about", "all", "am", "an", "and", "any", "are", "at", "be", "can", "could", "do", "does", "for", "from",
        "get", "have", "hello", "hey", "hi", "how", "i", "if", "in", "is", "it", "me", "much", "my", "of", "on", "or",
        "our", "please", "tell", "thank", "thanks", "that", "the", "there", "this", "to", "us", "was", "we", "what",
        "when", "where", "which", "who", "will", "with", "would", "you", "your",
    ];
    text.split(|c: char| !c.is_alphanumeric())
        .map(str::to_lowercase)
        .filter(|word| !word.is_empty() && !EMPTY.contains(&word.as_str()))
        .map(|word| stem(&word))
        .collect()
}

/// One for all forms of a word, roughly: `prices`, `priced` and `price` are `pric`, `parties` and `party` are `parti`.
fn stem(word: &str) -> String {
    let one = if word.ends_with("ss") { word } else { without(word, "s", 3).unwrap_or(word) };
    let root = ["ing", "ed"].into_iter().find_map(|ending| without(one, ending, 3)).unwrap_or(one);
    // Care is no car; but what is left of `boxes` and of `sizes` looks alike.
    let least = if ["se", "xe", "ze", "ie"].into_iter().any(|ending| root.ends_with(ending)) { 3 } else { 4 };
    let root = without(root, "e", least).unwrap_or(root);
    root.strip_suffix('y').map_or_else(|| root.to_owned(), |root| format!("{root}i"))
}

/// A word without this ending, where at least so many letters are left of it.
fn without<'w>(word: &'w str, ending: &str, least: usize) -> Option<&'w str> {
    word.strip_suffix(ending).filter(|root| root.chars().count() >= least)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grounding() -> Grounding {
        Grounding {
            faq: Some(
                "Q: When are you open?\nA: Monday to Saturday,\n9 am to 7 pm.\n\nHow much does a lesson cost?\n24 dollars.\n\
                 Q: Do you sell gift cards? A: Yes, at the desk."
                    .into(),
            ),
            business: "Bright Waves".into(),
            contacts: vec!["hello@example.com".into()],
            passages: vec!["Parking is free. It would cost 4.50 elsewhere. We are proud of it.".into()],
        }
    }

    #[test]
    fn it_quotes_the_answer_of_the_most_similar_question() {
        for (asked, expected) in [
            ("Hi! When do you open on Monday?", "Monday to Saturday, 9 am to 7 pm."),
            ("what do lessons cost", "24 dollars."),
            ("do you have a gift card", "Yes, at the desk."),
        ] {
            assert_eq!(answer(asked, &grounding()), expected, "{asked}");
        }
    }

    #[test]
    fn forms_of_a_word_are_one_and_other_words_stay_apart() {
        let stems = |words: &str| words.split(' ').map(stem).collect::<HashSet<_>>();
        for forms in [
            "class classes",
            "price prices priced pricing",
            "close closes closed closing",
            "course courses",
            "lesson lessons",
            "open opens opened opening openings",
            "meeting meetings",
            "address addresses",
            "bus buses",
            "box boxes",
            "size sizes",
            "fee fees",
            "baby babies",
            "try tries tried trying",
        ] {
            assert_eq!(stems(forms).len(), 1, "{forms}: {:?}", stems(forms));
        }
        for words in [
            "class classic clause",
            "price prize",
            "course court",
            "pass past",
            "bus busy",
            "car care",
            "not note",
            "fee feed",
        ] {
            assert_eq!(stems(words).len(), words.split(' ').count(), "{words}: {:?}", stems(words));
        }
    }

    #[test]
    fn a_question_is_known_in_other_forms_of_its_words() {
        let faq = "Q: What does a class cost?\nA: 24 dollars.\nQ: When do you close?\nA: At 7 pm.\n\
                   Q: Is the price the same for babies?\nA: It is half.";
        let grounding = Grounding { faq: Some(faq.to_owned()), ..Grounding::default() };
        for (asked, expected) in [
            ("Do you have classes?", "24 dollars."),
            ("What are your closing hours?", "At 7 pm."),
            ("Are you closed now?", "At 7 pm."),
            ("What prices do you have?", "It is half."),
            ("And my baby?", "It is half."),
        ] {
            assert_eq!(answer(asked, &grounding), expected, "{asked}");
        }
    }

    #[test]
    fn it_quotes_a_passage_where_the_faq_has_nothing() {
        let quote = "Parking is free. It would cost 4.50 elsewhere.";
        assert_eq!(answer("Is parking free?", &grounding()), quote);
        assert_eq!(answer("parking?", &grounding()), quote);
        assert!(answer("Is the building heated?", &grounding()).starts_with("I don't have an answer"));
    }

    #[test]
    fn it_says_when_it_does_not_know() {
        assert_eq!(
            answer("Is the pool salted?", &grounding()),
            "I don't have an answer to that. You can reach Bright Waves at hello@example.com."
        );
        assert_eq!(
            answer("Is the pool salted?", &Grounding::default()),
            "I don't have an answer to that. A person from the team will read your message here and get back to you."
        );
        assert_eq!(answer("Hello!", &grounding()), "Hello! What would you like to know about Bright Waves?");
    }
}
