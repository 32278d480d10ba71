//! A line of the log as JSON. The same form as `tracing-subscriber`'s own, which reads and writes each span's fields anew for
//! every line and every field that is added: a sixth of what a small query cost. Here they are written once, as a piece of the
//! line. Must not know what is logged.

use std::fmt::{self, Write};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::Record,
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    registry::{LookupSpan, SpanRef},
};

/// Fields as members of an object: `"a":1,"b":"c"`.
#[derive(Debug)]
pub(super) struct Members;

impl<'w> FormatFields<'w> for Members {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        Pairs::write(writer, false, fields).map(drop)
    }

    fn add_fields(&self, current: &'w mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        let is_more = !current.fields.is_empty();
        Pairs::write(current.as_writer(), is_more, fields).map(drop)
    }
}

/// One object a line: `timestamp`, `level`, `fields`, `target`, the innermost `span`, and all `spans` from the outermost on.
#[derive(Debug)]
pub(super) struct Lines;

impl<S> FormatEvent<S, Members> for Lines
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, Members>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let known = event.metadata();
        line.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut line)?;
        write!(line, "\",\"level\":\"{}\",\"fields\":{{", known.level())?;
        let target = Pairs::write(line.by_ref(), false, event)?;
        line.write_str("},\"target\":")?;
        text(&mut line, target.as_deref().unwrap_or(known.target()))?;
        if let Some(innermost) = ctx.lookup_current() {
            line.write_str(",\"span\":")?;
            object(&mut line, &innermost)?;
            line.write_str(",\"spans\":[")?;
            for (place, span) in innermost.scope().from_root().enumerate() {
                if place > 0 {
                    line.write_char(',')?;
                }
                object(&mut line, &span)?;
            }
            line.write_char(']')?;
        }
        line.write_str("}\n")
    }
}

fn object<S: for<'s> LookupSpan<'s>>(line: &mut Writer<'_>, span: &SpanRef<'_, S>) -> fmt::Result {
    line.write_char('{')?;
    if let Some(fields) = span.extensions().get::<FormattedFields<Members>>()
        && !fields.is_empty()
    {
        write!(line, "{fields},")?;
    }
    line.write_str("\"name\":")?;
    text(line, span.name())?;
    line.write_char('}')
}

/// Writes fields, and keeps the first thing that went wrong.
struct Pairs<'w> {
    to: Writer<'w>,
    is_more: bool,
    /// Where a record of the `log` crate came from.
    target: Option<String>,
    so_far: fmt::Result,
}

impl<'w> Pairs<'w> {
    fn write<R: RecordFields>(to: Writer<'w>, is_more: bool, fields: R) -> Result<Option<String>, fmt::Error> {
        let mut pairs = Pairs { to, is_more, target: None, so_far: Ok(()) };
        fields.record(&mut pairs);
        pairs.so_far.map(|()| pairs.target)
    }

    fn pair(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'w>) -> fmt::Result) {
        // What else the `log` crate says of its records.
        if self.so_far.is_err() || field.name().starts_with("log.") {
            return;
        }
        let comma = if std::mem::replace(&mut self.is_more, true) { "," } else { "" };
        // Raw identifiers are written without their mark.
        let name = field.name().trim_start_matches("r#");
        self.so_far = write!(self.to, "{comma}\"{name}\":").and_then(|()| value(&mut self.to));
    }
}

impl Visit for Pairs<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no word for the others.
        self.pair(field, |to| if value.is_finite() { write!(to, "{value}") } else { to.write_str("null") });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.pair(field, |to| write!(to, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.pair(field, |to| write!(to, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.pair(field, |to| write!(to, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "log.target" {
            self.target = Some(value.to_owned());
        }
        self.pair(field, |to| text(to, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.pair(field, |to| {
            to.write_char('"')?;
            write!(Escaped(to), "{value:?}")?;
            to.write_char('"')
        });
    }
}

fn text(to: &mut Writer<'_>, text: &str) -> fmt::Result {
    to.write_char('"')?;
    Escaped(to).write_str(text)?;
    to.write_char('"')
}

/// Writes what may stand between the quotes of a JSON string (RFC 8259, section 7).
struct Escaped<'a, 'w>(&'a mut Writer<'w>);

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < b' ') {
            let (plain, special) = rest.split_at(at);
            self.0.write_str(plain)?;
            let mut characters = special.chars();
            match characters.next() {
                Some(c @ ('"' | '\\')) => write!(self.0, "\\{c}")?,
                Some('\n') => self.0.write_str("\\n")?,
                Some(c) => write!(self.0, "\\u{:04x}", u32::from(c))?,
                None => {}
            }
            rest = characters.as_str();
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use serde_json::{Value, json};
    use tracing::{field::Empty, subscriber};
    use tracing_subscriber::{fmt, layer::SubscriberExt};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("lines").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What our lines and the library's own say of the same.
    fn both(say: impl Fn()) -> [Vec<Value>; 2] {
        let read = |kept: Kept| {
            let text = String::from_utf8(kept.0.lock().expect("lines").clone()).expect("text");
            let lines = text.lines().map(|line| serde_json::from_str(line).expect(line));
            lines
                .map(|mut line: Value| {
                    assert!(line["timestamp"].take().is_string());
                    line
                })
                .collect()
        };
        let (ours, theirs) = (Kept::default(), Kept::default());
        let (to_us, to_them) = (ours.clone(), theirs.clone());
        let layer = fmt::layer().fmt_fields(Members).event_format(Lines).with_writer(move || to_us.clone());
        subscriber::with_default(tracing_subscriber::registry().with(layer), &say);
        let layer = fmt::layer().json().with_writer(move || to_them.clone());
        subscriber::with_default(tracing_subscriber::registry().with(layer), &say);
        [read(ours), read(theirs)]
    }

    #[test]
    fn a_line_says_the_same_as_the_librarys_own() {
        let [ours, theirs] = both(|| {
            tracing::info!("alone");
            let outer =
                tracing::info_span!("request", id = "a\"b\\c\n\t\u{1}ü", tenant = Empty, other = Empty).entered();
            outer.record("tenant", 1042);
            let what = vec!["x\"", "y"];
            let _inner = tracing::info_span!("empty").entered();
            tracing::warn!(status = 200_u16, least = -1, most = u64::MAX, ok = true, share = 0.5, r#type = ?what, "it {}", 1);
            outer.record("other", tracing::field::display("late"));
            tracing::error!(error = %"said \"no\"", none = Empty, odd = f64::NAN);
        });
        assert_eq!(ours, theirs);
        assert_eq!(ours.len(), 3);
        assert_eq!(
            ours[1]["spans"],
            json!([{ "id": "a\"b\\c\n\t\u{1}ü", "tenant": 1042, "name": "request" }, { "name": "empty" }])
        );
    }
}
