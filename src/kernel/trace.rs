//! The spans of traces: what they are seen by, and how a trace goes on in another process, or in a job that waits. A span holds
//! no word of a customer's, no address or number of theirs, no secret and no variable. Must not know where traces are sent;
//! where they are sent nowhere, a span costs a look at a flag.

use std::fmt;

use futures_util::{Stream, StreamExt, stream};
use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
};
use tracing::{Span, field};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The target of spans that are for traces alone. Logs do not show them.
pub const TARGET: &str = "frontdesk_trace";
/// The target of spans that begin a trace, and mark each line of the log between.
pub const ROOT: &str = "frontdesk::root";

/// Longest `traceparent`, in bytes: that of the version that there is.
const PARENT_LENGTH: usize = 55;

/// Gives a span of the target [`ROOT`] its name and kind (`server`, `consumer`) and, where there is a good one, the parent that a
/// `traceparent` names. The span has the fields `otel.name`, `otel.kind` and `trace_id`, all empty.
pub fn begin(span: &Span, name: fmt::Arguments<'_>, kind: &'static str, parent: Option<&str>) {
    let parent = parent.and_then(read).map(|parent| Context::new().with_remote_span_context(parent));
    if span.set_parent(parent.unwrap_or_default()).is_err() {
        return;
    }
    span.record("otel.name", field::display(name));
    span.record("otel.kind", kind);
    if let Some(context) = context(span) {
        span.record("trace_id", field::display(context.trace_id()));
    }
}

/// Whether a span is part of a trace.
#[must_use]
pub fn is_traced(span: &Span) -> bool {
    context(span).is_some()
}

/// What runs now, as the W3C's `traceparent`; `None` where it is part of no trace.
#[must_use]
pub fn parent() -> Option<String> {
    let context = context(&Span::current())?;
    let flags = context.trace_flags() & TraceFlags::SAMPLED;
    Some(format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), flags.to_u8()))
}

/// A stream that is polled inside of a span, wherever that is done.
pub fn inside<S: Stream>(span: Span, stream: S) -> impl Stream<Item = S::Item> {
    let mut stream = Box::pin(stream);
    stream::poll_fn(move |cx| span.in_scope(|| stream.poll_next_unpin(cx)))
}

/// Notes what came of what a span is of, in a word of ours, and whether that is an error. Not in the log, which has lines of its
/// own for that.
pub fn ended(span: &Span, outcome: &str, is_error: bool) {
    if !is_traced(span) {
        return;
    }
    span.record("outcome", outcome);
    if is_error {
        span.record("error.type", outcome);
        span.record("otel.status_code", "ERROR");
    }
}

fn context(span: &Span) -> Option<SpanContext> {
    let context = span.context().span().span_context().clone();
    context.is_valid().then_some(context)
}

/// Reads a `traceparent`. Of its flags only whether it is sampled counts, and of later versions only what this one knows.
fn read(text: &str) -> Option<SpanContext> {
    let (text, rest) = text.split_at_checked(PARENT_LENGTH)?;
    if !rest.is_empty() && (text.starts_with("00-") || !rest.starts_with('-')) {
        return None;
    }
    let mut parts = text.split('-');
    let mut part = |length: usize| {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        parts.next().filter(|part| part.len() == length && part.bytes().all(is_hex))
    };
    let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    (version != "ff" && context.is_valid()).then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_read_as_the_w3c_has_it() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let context = read(good).expect("good");
        assert_eq!(context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(context.span_id().to_string(), "b7ad6b7169203331");
        assert!(context.is_sampled() && context.is_remote());
        assert!(!read("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02").expect("good").is_sampled());
        // A later version may be longer; of it, what this one knows is read.
        assert!(read("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").is_some());
        assert!(read("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-else").is_some());
        for wrong in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.more",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b71692033-0101",
            "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
            "00-0af7651916cd43dd8448eb211c80319é-b7ad6b7169203331-01",
        ] {
            assert!(read(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn without_anybody_who_looks_there_is_no_trace() {
        let span = tracing::info_span!(target: ROOT, "work", otel.name = field::Empty, otel.kind = field::Empty);
        let parent_of_it = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        begin(&span, format_args!("work"), "server", parent_of_it);
        assert!(span.in_scope(|| !is_traced(&Span::current()) && parent().is_none()));
    }
}
