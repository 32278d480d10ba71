//! An operation's answers over one HTTP response, as they come, with a sign of life while there are none. Leaving ends the
//! subscription, and nothing else. Must not know how an answer is framed.

use std::{io, sync::Arc, time::Duration};

use async_graphql::Response as Answer;
use axum::{
    body::{Body, Bytes},
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};
use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};

use crate::{
    context::{OpenStream, RequestId},
    graph::answer,
    http::{Web, caller::Proof, negotiate::Form, parts, sse, watch},
};

/// After how long a silence a sign of life is sent.
const KEEP_ALIVE: Duration = Duration::from_secs(12);

/// How answers are told apart in a response.
pub(super) struct Framing {
    pub(super) content_type: &'static str,
    /// Sent at once: it flushes the headers through browsers and proxies that wait for a body.
    pub(super) opening: &'static str,
    pub(super) answer: fn(&Answer, &mut Vec<u8>),
    /// The last word where the server ends what its client would go on with.
    pub(super) cut: fn(&Answer, &mut Vec<u8>),
    pub(super) sign_of_life: &'static str,
    pub(super) end: &'static str,
}

fn framing(form: Form) -> &'static Framing {
    if form == Form::Parts { &parts::FRAMING } else { &sse::FRAMING }
}

/// What is sent.
enum Word {
    Answer(Answer),
    Cut(Answer),
    /// Nothing, and not even an end: the server goes down, and another one has the rest. Clients take the end for that of the
    /// operation, and come again only when a response breaks off.
    BreakOff,
}

/// One answer as a stream.
pub(super) fn once(answer: Answer, form: Form) -> Response {
    framed(stream::iter([Word::Answer(answer)]), framing(form))
}

/// An operation's answers, as they come; cut when its caller may no longer be served, or the server goes down.
pub(super) fn respond(
    web: Arc<Web>,
    proof: Proof,
    answers: BoxStream<'static, Answer>,
    open: OpenStream,
    (form, id): (Form, RequestId),
) -> Response {
    let revoked = watch::start(web.clone(), proof);
    let state = Some((answers, revoked, web, id, open));
    let words = stream::unfold(state, |state| async move {
        let (mut answers, mut revoked, web, id, open) = state?;
        let answer = tokio::select! {
            biased;
            // The end of a right goes before what has come meanwhile; that of the server behind it.
            refusal = &mut revoked => {
                let refused = refusal.map(|refusal| web.graph.refused(&refusal, &id.0));
                return Some((refused.map_or(Word::BreakOff, Word::Cut), None));
            }
            answer = answers.next() => answer?,
            () = web.closing.cancelled() => return Some((Word::BreakOff, None)),
        };
        Some((Word::Answer(answer), Some((answers, revoked, web, id, open))))
    });
    framed(words, framing(form))
}

fn framed(words: impl Stream<Item = Word> + Send + 'static, framing: &'static Framing) -> Response {
    let next = words.map(|word| {
        let (write, answer) = match word {
            Word::Answer(answer) => (framing.answer, answer),
            Word::Cut(answer) => (framing.cut, answer),
            Word::BreakOff => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        let mut out = Vec::with_capacity(answer::length(&answer));
        write(&answer, &mut out);
        Ok(out.into())
    });
    let opening = stream::iter([Ok(framing.opening.into())]);
    let end = stream::iter([Ok(framing.end.into())]);
    let all = kept_alive(opening.chain(next).chain(end).boxed(), framing.sign_of_life);
    let headers = [
        (header::CONTENT_TYPE, framing.content_type),
        (header::CACHE_CONTROL, "no-cache, no-transform"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(all)).into_response()
}

fn kept_alive(
    words: BoxStream<'static, io::Result<Bytes>>,
    sign: &'static str,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::unfold(words, move |mut words| async move {
        match tokio::time::timeout(KEEP_ALIVE, words.next()).await {
            Ok(word) => word.map(|word| (word, words)),
            Err(_) => Some((Ok(sign.into()), words)),
        }
    })
}
