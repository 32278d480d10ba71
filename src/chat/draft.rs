//! A reply while it is being written: its text, and what it cost so far. Read by whoever keeps it meanwhile. Must not know who
//! writes it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::llm::{self, Usage};

/// What there is of a reply while it is being written.
#[derive(Default)]
pub(super) struct Draft(Mutex<Written>);

/// What was written, and what it cost so far.
#[derive(Default, Clone)]
pub(super) struct Written {
    pub(super) text: String,
    pub(super) usage: Option<Usage>,
    /// Whether the provider did not say all of what was used.
    pub(super) is_estimated: bool,
    asked: Option<Asked>,
    /// Bytes of the text that the database has.
    kept: usize,
    /// Where the answer to the last question begins, once there is any.
    answer: Option<usize>,
}

/// A question whose cost nobody has told yet.
#[derive(Clone, Copy)]
struct Asked {
    /// Tokens of its prompt, by estimate.
    prompt: u32,
    /// Where its answer begins.
    from: usize,
}

impl Written {
    /// Takes an estimate for what the provider did not say.
    fn estimate(&mut self) {
        let Some(Asked { prompt, from }) = self.asked.take() else { return };
        let completion = llm::estimate_tokens(self.text.get(from..).unwrap_or_default());
        let count = |tokens: u32| i32::try_from(tokens).unwrap_or(i32::MAX);
        *self.usage.get_or_insert_default() += Usage { prompt: count(prompt), completion: count(completion) };
        self.is_estimated = true;
    }
}

impl Draft {
    /// As it would stand if it ended now.
    pub(super) fn written(&self) -> Written {
        let mut written = self.lock().clone();
        written.estimate();
        written
    }

    /// What the answers before cost.
    pub(super) fn used(&self) -> Usage {
        self.lock().usage.unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().text.is_empty()
    }

    /// The text so far, unless the database has all of it.
    pub(super) fn unkept(&self) -> Option<String> {
        let written = self.lock();
        // It only grows.
        (written.text.len() > written.kept).then(|| written.text.clone())
    }

    /// The database has so many bytes of the text.
    pub(super) fn kept(&self, bytes: usize) {
        self.lock().kept = bytes;
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a provider is asked, for money.
    pub(super) fn asked(&self, prompt: u32) {
        let mut draft = self.lock();
        draft.asked = Some(Asked { prompt, from: draft.text.len() });
    }

    /// The question was refused before a word was said, which costs nothing.
    pub(super) fn refused(&self) {
        self.lock().asked = None;
    }

    /// What is added from now on answers another question.
    pub(super) fn begin_answer(&self) {
        self.lock().answer = None;
    }

    /// Adds a piece; gives what to tell of it. What a model says after its tools does not run into what it said before.
    pub(super) fn add(&self, more: String) -> String {
        let mut draft = self.lock();
        let is_apart = draft.text.is_empty() || draft.text.ends_with(char::is_whitespace);
        let gap = if draft.answer.is_none() && !is_apart { "\n\n" } else { "" };
        draft.text.push_str(gap);
        let begins = draft.text.len();
        draft.answer.get_or_insert(begins);
        draft.text.push_str(&more);
        if gap.is_empty() { more } else { format!("{gap}{more}") }
    }

    /// What there is of the answer to the last question.
    pub(super) fn answer(&self) -> String {
        let draft = self.lock();
        draft.answer.and_then(|begins| draft.text.get(begins..)).unwrap_or_default().to_owned()
    }

    /// An answer is whole, or came to nothing and is owed all the same; what it cost, where the provider said so.
    pub(super) fn answered(&self, usage: Option<Usage>) {
        let mut draft = self.lock();
        let Some(usage) = usage else { return draft.estimate() };
        draft.asked = None;
        *draft.usage.get_or_insert_default() += usage;
    }
}
