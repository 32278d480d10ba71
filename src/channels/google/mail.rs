//! A message as Gmail gives it, and the mail in it: who wrote, what about, in plain text. Must not decide whether it is answered.

use chrono::{DateTime, Utc};
use mail_parser::MessageParser;
use serde::Deserialize;

use crate::{
    channels::google::{
        loops,
        parts::{Part, cut_chars},
    },
    kernel::email,
};

/// References that are kept: the first, and the newest.
const REFERENCES_MAX: usize = 20;

/// A message, as far as it was asked for.
#[derive(Debug, Clone, Deserialize)]
pub struct Message {
    /// Gmail's id of it.
    pub id: String,
    /// The thread that it is in.
    #[serde(rename = "threadId")]
    pub thread: String,
    /// What Gmail filed it under.
    #[serde(rename = "labelIds", default)]
    pub labels: Vec<String>,
    /// When Gmail had it, in milliseconds since 1970.
    #[serde(rename = "internalDate")]
    internal_date: Option<String>,
    #[serde(default)]
    payload: Part,
}

/// Who writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// Their address, in lower case.
    pub address: String,
    /// What they call themselves.
    pub name: Option<String>,
}

/// A mail that somebody wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Who it is from; `None` where that can't be told.
    pub from: Option<Sender>,
    /// Who wants the answer: who it is from, unless it says otherwise.
    pub reply_to: Option<Sender>,
    /// What it is about.
    pub subject: Option<String>,
    /// Its own id (RFC 5322, section 3.6.4), with its angle brackets.
    pub message_id: Option<String>,
    /// The ids of what it answers, oldest first.
    pub references: Vec<String>,
    /// Why it must not be answered, if so.
    pub unanswerable: Option<&'static str>,
}

/// What a mail says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// In plain text, without what it quotes.
    Said(String),
    /// In a part that lies apart; [`Message::read`] reads it once it was fetched.
    Apart(String),
    /// Nothing that could be read.
    Nothing,
}

impl Message {
    /// A header, whatever the case of its name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.payload.header(name)
    }

    /// When Gmail had it.
    #[must_use]
    pub fn arrived_at(&self) -> Option<DateTime<Utc>> {
        self.internal_date.as_deref().and_then(|date| date.parse().ok()).and_then(DateTime::from_timestamp_millis)
    }

    /// The mail, for the mailbox of this address.
    #[must_use]
    pub fn mail(&self, own: &str) -> Mail {
        let from = self.header("From").and_then(sender);
        let reply_to = self.header("Reply-To").and_then(sender).or_else(|| from.clone());
        let named = |name| self.header(name).map(ids).unwrap_or_default();
        let mut references = named("References");
        if references.is_empty() {
            references = named("In-Reply-To");
        }
        if references.len() > REFERENCES_MAX {
            references.drain(1..=references.len() - REFERENCES_MAX);
        }
        Mail {
            unanswerable: loops::unanswerable(self, &self.payload, &[&from, &reply_to], own),
            subject: self.header("Subject").and_then(subject),
            message_id: named("Message-ID").into_iter().next(),
            from,
            reply_to,
            references,
        }
    }

    /// What it says: its texts, HTML as what is seen of it. Attachments are not read. Takes a while, where it is long.
    #[must_use]
    pub fn body(&self) -> Body {
        match self.payload.words() {
            (Some(text), _) => Body::Said(text),
            (None, Some(apart)) => Body::Apart(apart),
            (None, None) => Body::Nothing,
        }
    }

    /// Reads the part that [`Body::Apart`] named.
    #[must_use]
    pub fn read(&self, apart: &str, bytes: &[u8]) -> Option<String> {
        self.payload.words_apart(apart, bytes)
    }
}

/// Reads one header by the rules of mail: encoded words, comments, quoted names, groups.
fn parsed(name: &str, value: &str) -> Option<mail_parser::Message<'static>> {
    let line = value.replace(['\r', '\n'], " ");
    let block = format!("{name}: {line}\r\n\r\n");
    Some(MessageParser::new().parse_headers(block.as_bytes())?.into_owned())
}

fn sender(value: &str) -> Option<Sender> {
    let message = parsed("From", value)?;
    let first = message.from()?.first()?;
    let address = email::normalise("from", first.address.as_deref()?).ok()?;
    let name = first.name.as_deref().and_then(|name| plain(name, 200)).filter(|name| !name.contains('@'));
    Some(Sender { address, name })
}

fn subject(value: &str) -> Option<String> {
    plain(parsed("Subject", value)?.subject()?, 300)
}

/// One line without control characters.
fn plain(text: &str, max: usize) -> Option<String> {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(cut_chars(&line, max).trim().to_owned()).filter(|line| !line.is_empty())
}

/// The message ids of a header, each in its angle brackets.
fn ids(value: &str) -> Vec<String> {
    let is_id = |id: &&str| {
        (3..=250).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>".contains(&byte))
    };
    let inside = value.split('<').skip(1).filter_map(|part| part.split_once('>')).map(|(id, _)| id.trim());
    inside.filter(is_id).map(|id| format!("<{id}>")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::google::parts::{LOOKED_AT_MAX, TEXT_MAX};
    use base64::{Engine, engine::general_purpose::URL_SAFE};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const OWN: &str = "front.desk@exampleco.test";

    fn message(value: Value) -> Message {
        serde_json::from_value(value).expect("a message")
    }

    fn part(kind: &str, content_type: &str, bytes: &[u8]) -> Value {
        json!({ "mimeType": kind, "filename": "", "headers": [{ "name": "content-type", "value": content_type }],
            "body": { "size": bytes.len(), "data": URL_SAFE.encode(bytes) } })
    }

    fn with(payload: &Value) -> Message {
        message(json!({ "id": "1", "threadId": "1", "labelIds": ["INBOX"], "payload": payload }))
    }

    #[test]
    fn every_recorded_mail_is_read_as_the_vectors_say() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../../tests/vectors/gmail-message.json")).expect("vectors");
        let cases = vectors["cases"].as_array().expect("cases");
        assert_eq!(cases.len(), 18);
        for case in cases {
            let (name, expected) = (&case["name"], &case["expected"]);
            let message = message(case["message"].clone());
            let mail = message.mail(vectors["mailbox"].as_str().expect("a mailbox"));
            assert_eq!(mail.unanswerable.is_some(), expected["skip"], "{name}: {:?}", mail.unanswerable);
            for (told, read) in [
                ("from", mail.from.map(|from| from.address)),
                ("subject", mail.subject),
                ("rfc_message_id", mail.message_id),
            ] {
                assert!(expected[told].is_null() || expected[told].as_str() == read.as_deref(), "{name}: {read:?}");
            }
            let Body::Said(text) = message.body() else { panic!("{name}") };
            assert!(expected["text"].is_null() || expected["text"] == text.as_str(), "{name}: {text}");
            for part in expected["text_contains"].as_array().into_iter().flatten() {
                assert!(text.contains(part.as_str().expect("a text")), "{name}: {text}");
            }
            for part in expected["text_not_contains"].as_array().into_iter().flatten() {
                assert!(!text.contains(part.as_str().expect("a text")), "{name}: {text}");
            }
        }
    }

    #[test]
    fn bytes_are_read_in_the_characters_that_the_part_names() {
        for (content_type, bytes, text) in [
            ("text/plain; charset=windows-1252", &b"caf\xe9 \x80"[..], "café €"),
            ("text/plain; format=flowed; charset=\"Shift_JIS\"", b"\x82\xb1\x82\xf1", "こん"),
            ("text/plain; charset=utf-16le", b"h\0i\0", "hi"),
            ("text/plain; charset=nobody-knows", b"plain", "plain"),
            ("text/plain", b"bad \xff byte\0", "bad \u{fffd} byte"),
        ] {
            assert_eq!(
                with(&part("text/plain", content_type, bytes)).body(),
                Body::Said(text.into()),
                "{content_type}"
            );
        }
    }

    #[test]
    fn nesting_attachments_and_parts_that_lie_apart_are_told_apart() {
        let apart = json!({ "mimeType": "text/plain", "filename": "", "body": { "size": 9, "attachmentId": "far" } });
        let file = json!({ "mimeType": "text/plain", "filename": "a.txt", "body": { "size": 9, "data": "eA==" } });
        let html = part("text/html", "text/html", b"<p>From HTML</p>");
        let multi = |parts: Value| json!({ "mimeType": "multipart/mixed", "filename": "", "parts": parts });
        assert_eq!(with(&multi(json!([file, html]))).body(), Body::Said("From HTML".into()));
        let far = with(&multi(json!([apart])));
        assert_eq!(far.body(), Body::Apart("far".into()));
        assert_eq!(far.read("far", b"at last").as_deref(), Some("at last"));
        assert_eq!(far.read("other", b"x"), None);
        assert_eq!(with(&multi(json!([file]))).body(), Body::Nothing);
        // A mail that hangs on it is another's; a blank text is none.
        let hung = json!({ "mimeType": "message/rfc822", "filename": "", "parts": [part("text/plain", "text/plain", b"theirs")] });
        assert_eq!(
            with(&multi(json!([hung, part("text/plain", "text/plain", b" \n "), html]))).body(),
            Body::Said("From HTML".into())
        );
        let deep = (0..40).fold(part("text/plain", "text/plain", b"deep"), |inner, _| multi(json!([inner])));
        assert_eq!(with(&deep).body(), Body::Nothing);
        let attached = json!({ "mimeType": "text/plain", "filename": "", "body": { "size": 9, "data": "eA==" },
            "headers": [{ "name": "Content-Disposition", "value": "ATTACHMENT" }] });
        assert_eq!(with(&multi(json!([attached]))).body(), Body::Nothing);
        let long = part("text/plain", "text/plain", "é".repeat(20_000).as_bytes());
        assert!(matches!(with(&long).body(), Body::Said(text) if text.chars().count() == TEXT_MAX));
    }

    #[test]
    fn texts_around_a_picture_belong_together_and_alternatives_do_not() {
        let of = |kind: &str, parts: Value| json!({ "mimeType": kind, "filename": "", "parts": parts });
        let text = |text: &str| part("text/plain", "text/plain", text.as_bytes());
        let html = |text: &str| part("text/html", "text/html", text.as_bytes());
        let picture =
            json!({ "mimeType": "image/png", "filename": "a.png", "body": { "size": 9, "attachmentId": "p" } });
        let mixed = of("multipart/mixed", json!([text("This lane:\n"), picture, text("\nand this hour.")]));
        assert_eq!(with(&mixed).body(), Body::Said("This lane:\n\nand this hour.".into()));
        let rich = of("multipart/mixed", json!([html("<p>One</p>"), picture, html("<p>two</p>")]));
        assert_eq!(with(&rich).body(), Body::Said("One\n\ntwo".into()));
        let both = of("multipart/alternative", json!([rich, text("plain")]));
        assert_eq!(with(&both).body(), Body::Said("plain".into()));
        let rich_alone = of("multipart/alternative", json!([text(" \n"), rich]));
        assert_eq!(with(&rich_alone).body(), Body::Said("One\n\ntwo".into()));
        let quoting =
            of("multipart/mixed", json!([text("See:"), picture, text("On Fri, Jan 2, 2026, Desk wrote:\n> Hi")]));
        assert_eq!(with(&quoting).body(), Body::Said("See:".into()));
        let far = json!({ "mimeType": "text/plain", "filename": "", "body": { "size": 9, "attachmentId": "far" } });
        assert_eq!(with(&of("multipart/mixed", json!([text("near"), far]))).body(), Body::Said("near".into()));
    }

    #[test]
    fn no_nul_and_no_more_than_half_a_megabyte_comes_out_of_html() {
        let nul = part("text/html", "text/html", b"<p>a&#0;b&#x0;c\0d</p>");
        assert_eq!(with(&nul).body(), Body::Said("a&#0;b&#x0;cd".into()));
        let mut page = "<i>".repeat(LOOKED_AT_MAX / 3 + 1);
        page.push_str("behind");
        assert_eq!(with(&part("text/html", "text/html", page.as_bytes())).body(), Body::Nothing);
    }

    #[test]
    fn addresses_subjects_and_ids_are_read_by_the_rules_of_mail() {
        let mail = with(&json!({ "headers": [
            { "name": "FROM", "value": "=?utf-8?Q?Jos=C3=A9_Roe?= <Jose@Parent.TEST>" },
            { "name": "reply-to", "value": "office@parent.test" },
            { "name": "Subject", "value": "=?iso-8859-1?Q?Re:_ni=F1os?=\r\n and more" },
            { "name": "Message-Id", "value": " <a@b> " },
            { "name": "References", "value": "<1@x> junk <2@x>\r\n <bad id> <3@x>" },
        ] }))
        .mail(OWN);
        let from = mail.from.expect("a sender");
        assert_eq!((from.address.as_str(), from.name.as_deref()), ("jose@parent.test", Some("José Roe")));
        assert_eq!(mail.reply_to.map(|to| to.address).as_deref(), Some("office@parent.test"));
        assert_eq!(mail.subject.as_deref(), Some("Re: niños and more"));
        assert_eq!(mail.message_id.as_deref(), Some("<a@b>"));
        assert_eq!(mail.references, ["<1@x>", "<2@x>", "<3@x>"]);
        let many = (0..50).map(|n| format!("<{n:03}@x>")).collect::<Vec<_>>().join(" ");
        let mail = with(&json!({ "headers": [{ "name": "References", "value": many }] })).mail(OWN);
        assert_eq!((mail.references.len(), mail.references[0].as_str()), (REFERENCES_MAX, "<000@x>"));
        assert_eq!(mail.references[1], "<031@x>");
    }

    proptest! {
        #[test]
        fn no_mail_makes_it_stumble(
            header in ".{0,120}",
            name in "(From|Subject|Reply-To|References|Content-Type|Auto-Submitted)",
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            kind in "(text/plain|text/html|multipart/mixed)",
            label in "(utf-8|utf-7|iso-2022-jp|big5|x)",
        ) {
            let mut value = part(&kind, &format!("{kind}; charset={label}"), &bytes);
            value["headers"].as_array_mut().expect("headers").push(json!({ "name": name, "value": header }));
            let message = with(&value);
            let mail = message.mail(OWN);
            prop_assert!(mail.subject.is_none_or(|subject| !subject.contains(['\r', '\n', '\0'])));
            if let Body::Said(text) = message.body() {
                prop_assert!(!text.contains('\0') && !text.is_empty());
            }
        }
    }
}
