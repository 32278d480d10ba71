//! The words by which customers switch a channel of texts off and on, as carriers and providers have agreed on them (CTIA's
//! Messaging Principles; the lists of Telnyx and Twilio). Must not act on them.

/// What a message is, if it is one of those words alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyword {
    /// No more texts.
    Stop,
    /// Texts again.
    Start,
    /// Who is this?
    Help,
}

const STOP: &[&str] =
    &["STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "OPT OUT", "OPT-OUT", "REVOKE"];
const START: &[&str] = &["START", "UNSTOP"];
const HELP: &[&str] = &["HELP", "INFO"];

impl Keyword {
    /// Reads a message: the whole of it, but for case, and for spaces and marks around it.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let bare = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '.' | '!' | '"' | '\'' | '“' | '”'));
        let is_one_of = |words: &[&str]| words.iter().any(|word| bare.eq_ignore_ascii_case(word));
        match () {
            () if is_one_of(STOP) => Some(Self::Stop),
            () if is_one_of(START) => Some(Self::Start),
            () if is_one_of(HELP) => Some(Self::Help),
            () => None,
        }
    }

    /// Whether a message is the one word that means "texts again" to whoever has switched them off, and a plain answer to
    /// everybody else.
    #[must_use]
    pub fn is_yes(text: &str) -> bool {
        text.trim().eq_ignore_ascii_case("yes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_alone_counts_and_a_sentence_with_it_does_not() {
        for text in ["STOP", " stop. ", "Stop!", "\"stop\"", "stop all", "Unsubscribe", "opt-out", "REVOKE"] {
            assert_eq!(Keyword::of(text), Some(Keyword::Stop), "{text}");
        }
        assert_eq!(Keyword::of("start"), Some(Keyword::Start));
        assert_eq!(Keyword::of("Help"), Some(Keyword::Help));
        for text in ["", "Please stop by tomorrow", "stop it", "YES", "Can I cancel my class?", "help me", "ＳＴＯＰ"]
        {
            assert_eq!(Keyword::of(text), None, "{text}");
        }
        assert!(Keyword::is_yes(" Yes ") && !Keyword::is_yes("Yes please"));
    }
}
