//! Reads a reply from the frames of its stream, and judges when it is over. Must not know how they came, nor what stands in
//! them.

use std::collections::VecDeque;

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::time::{Instant, timeout_at};

use crate::llm::{Delta, ModelError, Patience, Sign};

/// The data of each frame as it comes; of one that has none, such as a comment, nothing. An error is the connection's.
pub(super) type RawFrames = BoxStream<'static, Result<String, ModelError>>;

/// Reads a provider's frames.
pub(super) trait Frames: Send {
    /// Reads the next one. Whether it brings more of the reply: text, or of a call for tools.
    fn read(&mut self, frame: &str, told: &mut VecDeque<Result<Delta, ModelError>>) -> bool;
    /// Whether the model has said why it ends, no more came behind that, and it was not told.
    fn has_reason(&self) -> bool;
    /// There are no more: tells what was held back. Nothing, if the stream was cut.
    fn end(&mut self, told: &mut VecDeque<Result<Delta, ModelError>>);
}

/// A reply that is being read.
pub(super) struct Reading {
    frames: RawFrames,
    reader: Box<dyn Frames>,
    patience: Patience,
    stage: Stage,
    told: VecDeque<Result<Delta, ModelError>>,
    is_over: bool,
}

/// How near its end a reply is, as far as what its model says of that can be believed.
#[derive(Clone, Copy)]
enum Stage {
    /// Nothing of it has come. Some servers write a reason to end while their model still thinks.
    Awaited,
    /// Some of it has come.
    Begun,
    /// With the first of it came a reason to end, which some servers write into every frame: more is waited for until then, as
    /// between any two signs of life.
    Perhaps(Instant),
    /// Behind some of it came a reason to end: all that may come is what it used, until then.
    Whole(Instant),
    /// More came behind a reason to end: this server's say nothing.
    Doubtful,
}

impl Reading {
    pub(super) fn new(frames: RawFrames, reader: Box<dyn Frames>, patience: Patience) -> Self {
        Self { frames, reader, patience, stage: Stage::Awaited, told: VecDeque::new(), is_over: false }
    }

    pub(super) fn signs(self) -> BoxStream<'static, Result<Sign, ModelError>> {
        stream::unfold(self, |mut reading| async move { Some((reading.next().await?, reading)) }).boxed()
    }

    async fn next(&mut self) -> Option<Result<Sign, ModelError>> {
        loop {
            if let Some(piece) = self.told.pop_front() {
                // What breaks behind a whole reply takes nothing of it.
                let is_whole = matches!(self.stage, Stage::Perhaps(_) | Stage::Whole(_)) && self.reader.has_reason();
                if piece.is_err() && is_whole {
                    self.told.clear();
                    self.reader.end(&mut self.told);
                    continue;
                }
                // Whatever stands behind an end is not the reply's.
                if !matches!(piece, Ok(Delta::Text(_) | Delta::Calls(_))) {
                    self.told.clear();
                    self.is_over = true;
                }
                return Some(piece.map(Sign::Piece));
            }
            if self.is_over {
                return None;
            }
            let frame = match self.stage {
                // A connection that is held open has no more to say.
                Stage::Perhaps(until) | Stage::Whole(until) => {
                    timeout_at(until, self.frames.next()).await.unwrap_or(None)
                }
                Stage::Awaited | Stage::Begun | Stage::Doubtful => self.frames.next().await,
            };
            match frame {
                Some(Ok(frame)) => {
                    self.read(&frame);
                    if self.told.is_empty() {
                        return Some(Ok(Sign::Life));
                    }
                }
                Some(Err(error)) => self.told.push_back(Err(error)),
                None => {
                    self.reader.end(&mut self.told);
                    self.is_over = self.told.is_empty();
                }
            }
        }
    }

    /// Reads a frame. One without data is a comment, or nothing that we know.
    fn read(&mut self, frame: &str) {
        let had_reason = self.reader.has_reason();
        let is_more = !frame.is_empty() && self.reader.read(frame, &mut self.told);
        let (has_reason, now) = (self.reader.has_reason(), Instant::now());
        self.stage = match self.stage {
            _ if is_more && had_reason => Stage::Doubtful,
            Stage::Awaited if is_more && has_reason => Stage::Perhaps(now + self.patience.silence),
            Stage::Awaited if is_more => Stage::Begun,
            Stage::Begun if has_reason => Stage::Whole(now + self.patience.usage),
            Stage::Perhaps(_) => Stage::Perhaps(now + self.patience.silence),
            stage => stage,
        };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::{
        kernel::vocabulary::{FinishReason, ReplyFailure},
        llm::{Provider, gemini, openai, patiently},
    };

    const PROVIDERS: [Provider; 2] = [Provider::OpenAi, Provider::Gemini];

    /// A frame, so many seconds after the one before.
    type Timed = (u64, Result<String, ModelError>);

    /// Text, a call for `f` and a reason to end, in a frame; each may be empty.
    #[expect(clippy::unnecessary_wraps, reason = "a frame stands beside the errors that may come in its place")]
    fn frame(provider: Provider, text: &str, arguments: &str, reason: &str) -> Result<String, ModelError> {
        let frame = match provider {
            Provider::OpenAi => {
                let call = json!([{ "index": 0, "function": { "name": "f", "arguments": arguments } }]);
                let calls = if arguments.is_empty() { json!(null) } else { call };
                json!({ "choices": [{ "delta": { "content": text, "tool_calls": calls }, "finish_reason": reason }] })
            }
            Provider::Gemini => {
                let call = json!([{ "functionCall": { "name": "f", "args": { "text": arguments } } }]);
                let parts = if arguments.is_empty() { json!([{ "text": text }]) } else { call };
                json!({ "candidates": [{ "content": { "parts": parts }, "finishReason": reason }] })
            }
        };
        Ok(frame.to_string())
    }

    /// What comes over a connection that is closed then.
    fn after(frames: Vec<Timed>) -> RawFrames {
        let frames = stream::iter(frames).then(|(seconds, frame)| async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            frame
        });
        frames.boxed()
    }

    /// The same over one that is held open.
    fn held(frames: Vec<Timed>) -> RawFrames {
        after(frames).chain(stream::pending()).boxed()
    }

    /// The text that is told and the arguments of calls, how the reply ends, and after how many seconds.
    async fn told(provider: Provider, frames: RawFrames) -> (String, Result<FinishReason, ReplyFailure>, u64) {
        let (begin, patience) = (Instant::now(), Patience::default());
        let reader: Box<dyn Frames> = match provider {
            Provider::OpenAi => Box::new(openai::Reader::default()),
            Provider::Gemini => Box::new(gemini::Reader::default()),
        };
        let signs = Reading::new(frames, reader, patience).signs();
        let mut pieces = patiently(signs, patience, begin + patience.whole).collect::<Vec<_>>().await;
        let end = match pieces.pop() {
            Some(Ok(Delta::End { finish, .. })) => Ok(finish),
            Some(Err(error)) => Err(error.cause),
            other => panic!("no end: {other:?}"),
        };
        let said = pieces.into_iter().map(|piece| match piece {
            Ok(Delta::Text(text)) => text,
            Ok(Delta::Calls(calls)) => calls.into_iter().map(|call| call.arguments.to_string()).collect(),
            other => panic!("in mid-reply: {other:?}"),
        });
        (said.collect(), end, begin.elapsed().as_secs())
    }

    fn broken() -> Result<String, ModelError> {
        Err(ModelError::cut("a reset"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_whole_reply_is_not_waited_behind_and_nothing_takes_it_back() {
        for provider in PROVIDERS {
            let frame = |text, reason| frame(provider, text, "", reason);
            let whole = || vec![(1, frame("Hi.", "")), (1, frame("", "STOP"))];
            let hi = |seconds| ("Hi.".to_owned(), Ok(FinishReason::Stop), seconds);
            assert_eq!(told(provider, held(whole())).await, hi(4));
            let comments = (0..9).map(|_| (1, Ok(String::new())));
            assert_eq!(told(provider, held(whole().into_iter().chain(comments).collect())).await, hi(4));
            assert_eq!(told(provider, after(whole().into_iter().chain([(1, broken())]).collect())).await, hi(3));
            // Of one frame that is all there is, nobody knows that it is, until the connection says so.
            let one = || (1, frame("Hi.", "STOP"));
            assert_eq!(told(provider, after(vec![one()])).await, hi(1));
            assert_eq!(told(provider, after(vec![one(), (5, broken())])).await, hi(6));
            assert_eq!(told(provider, held(vec![one()])).await, hi(31));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reason_to_end_in_every_frame_is_none() {
        for provider in PROVIDERS {
            let frame = |text, reason| frame(provider, text, "", reason);
            let every = |last: Option<Timed>| -> Vec<Timed> {
                let frames = [(1, frame("One ", "STOP")), (5, frame("two ", "STOP")), (29, frame("three.", "STOP"))];
                frames.into_iter().chain(last).collect()
            };
            let text = || "One two three.".to_owned();
            assert_eq!(told(provider, after(every(None))).await, (text(), Ok(FinishReason::Stop), 35));
            let cut = (text(), Err(ReplyFailure::CutOff), 40);
            assert_eq!(told(provider, after(every(Some((5, broken()))))).await, cut);
            let late = (text(), Err(ReplyFailure::TimedOut), 65);
            assert_eq!(told(provider, held(every(None))).await, late);
            // Nor is the one that more came behind, where none came with that.
            let frames = || vec![(1, frame("One ", "")), (1, frame("", "STOP")), (1, frame("two ", ""))];
            let cut = ("One two ".to_owned(), Err(ReplyFailure::CutOff), 3);
            assert_eq!(told(provider, after(frames())).await, cut);
            let cut = ("One two ".to_owned(), Err(ReplyFailure::CutOff), 8);
            assert_eq!(told(provider, after(frames().into_iter().chain([(5, broken())]).collect())).await, cut);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reason_to_end_before_the_first_word_is_waited_behind() {
        for provider in PROVIDERS {
            let frame = |text, reason| frame(provider, text, "", reason);
            let early = || vec![(1, frame("", "STOP")), (1, frame("", "STOP"))];
            let late = (String::new(), Err(ReplyFailure::TimedOut), 32);
            assert_eq!(told(provider, held(early())).await, late);
            let cut: Vec<_> = early().into_iter().chain([(5, broken())]).collect();
            assert_eq!(told(provider, after(cut)).await, (String::new(), Err(ReplyFailure::CutOff), 7));
            let hi = |last| early().into_iter().chain([(25, frame("Hi.", "")), (9, last)]).collect::<Vec<_>>();
            let whole = after(hi(frame("", "STOP")));
            assert_eq!(told(provider, whole).await, ("Hi.".to_owned(), Ok(FinishReason::Stop), 36));
            let cut = after(hi(broken()));
            assert_eq!(told(provider, cut).await, ("Hi.".to_owned(), Err(ReplyFailure::CutOff), 36));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_for_tools_is_of_the_reply_as_text_is() {
        let openai = |arguments, reason| frame(Provider::OpenAi, "", arguments, reason);
        let called = |seconds| (r#"{"x":1}"#.to_owned(), Ok(FinishReason::ToolCalls), seconds);
        let whole = vec![(1, openai("{\"x\":", "")), (1, openai("1}", "")), (1, openai("", "tool_calls"))];
        assert_eq!(told(Provider::OpenAi, held(whole)).await, called(5));
        let every = vec![(1, openai("{\"x\":", "tool_calls")), (9, openai("1}", "tool_calls"))];
        assert_eq!(told(Provider::OpenAi, after(every)).await, called(10));
        let gemini = |arguments, reason| frame(Provider::Gemini, "", arguments, reason);
        let both = (r#"{"text":"a"}{"text":"b"}"#.to_owned(), Ok(FinishReason::ToolCalls), 10);
        let every = vec![(1, gemini("a", "STOP")), (9, gemini("b", "STOP"))];
        assert_eq!(told(Provider::Gemini, after(every)).await, both);
    }
}
