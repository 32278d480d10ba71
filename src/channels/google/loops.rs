//! Which mail nobody may answer by machine (RFC 3834): what a machine wrote, what went to many, what came back, and our own.
//! Two machines that answer each other never stop. Must not look at what a mail says, but for which parts it has.

use crate::channels::google::{Message, Sender, parts::Part};

/// Why a message must not be answered; `None` where it may be.
pub(super) fn unanswerable(
    message: &Message,
    payload: &Part,
    people: &[&Option<Sender>],
    own: &str,
) -> Option<&'static str> {
    let labelled = |labels: &[&str]| message.labels.iter().any(|label| labels.contains(&label.as_str()));
    let header = |name: &str| message.header(name).map(str::to_ascii_lowercase);
    let word = |name: &str| header(name).map(|value| value.split(';').next().unwrap_or_default().trim().to_owned());
    let addresses = || people.iter().filter_map(|sender| sender.as_ref()).map(|sender| sender.address.as_str());
    if labelled(&["SENT", "DRAFT"]) || addresses().any(|address| address == own) {
        return Some("it is our own");
    }
    if labelled(&["SPAM", "TRASH"]) {
        return Some("it is spam, or thrown away");
    }
    if people.iter().any(|sender| sender.is_none()) {
        return Some("nobody can be answered");
    }
    if word("Auto-Submitted").is_some_and(|value| value != "no") {
        return Some("a machine sent it");
    }
    if word("Precedence").is_some_and(|value| ["bulk", "list", "junk", "auto_reply"].contains(&value.as_str())) {
        return Some("it went to many");
    }
    if ["List-Id", "List-Unsubscribe", "List-Post", "Feedback-ID"].iter().any(|name| header(name).is_some()) {
        return Some("it is of a list");
    }
    let suppressed = header("X-Auto-Response-Suppress");
    if suppressed.is_some_and(|value| value.split(',').any(|word| ["all", "autoreply", "oof"].contains(&word.trim()))) {
        return Some("it asks for no answer by machine");
    }
    if ["X-Autoreply", "X-Autorespond", "X-Autoresponder"].iter().any(|name| header(name).is_some()) {
        return Some("a machine sent it");
    }
    let is_report = |value: &str| value.to_ascii_lowercase().starts_with("multipart/report");
    if header("Return-Path").is_some_and(|path| path.replace(' ', "") == "<>")
        || is_report(&payload.kind)
        || header("Content-Type").is_some_and(|value| is_report(&value))
    {
        return Some("it came back");
    }
    if payload.is_of_calendar() {
        return Some("a calendar wrote it");
    }
    if addresses().any(is_machine) {
        return Some("nobody reads what is sent there");
    }
    None
}

/// Addresses that no person reads.
fn is_machine(address: &str) -> bool {
    let local = address.split_once('@').map_or(address, |(local, _)| local);
    let name: String = local.split('+').next().unwrap_or_default().chars().filter(|c| !"-_.".contains(*c)).collect();
    name.starts_with("noreply")
        || name.starts_with("donotreply")
        || ["mailerdaemon", "postmaster", "bounce", "bounces", "autoreply", "autoresponder"].contains(&name.as_str())
        || local.starts_with("bounce-")
        || local.starts_with("bounces-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const OWN: &str = "front.desk@exampleco.test";

    fn judged(name: &str, value: &str) -> Option<&'static str> {
        let message: Message = serde_json::from_value(json!({ "id": "1", "threadId": "1", "labelIds": ["INBOX"],
            "payload": { "headers": [{ "name": name, "value": value }, { "name": "From", "value": "pat@parent.test" }] } }))
        .expect("a message");
        message.mail(OWN).unanswerable
    }

    #[test]
    fn machines_and_lists_are_known_by_their_headers() {
        for (name, value) in [
            ("auto-submitted", "AUTO-GENERATED; x=y"),
            ("Precedence", "Auto_Reply"),
            ("Precedence", "list"),
            ("X-Auto-Response-Suppress", "DR, OOF"),
            ("X-Autorespond", ""),
            ("Return-Path", "< >"),
            ("Content-Type", "Multipart/Report; report-type=delivery-status"),
            ("Reply-To", "Front Desk <FRONT.DESK@exampleco.test>"),
            ("Reply-To", "bounces-12@list.test"),
        ] {
            assert!(judged(name, value).is_some(), "{name}: {value}");
        }
        for (name, value) in [
            ("Auto-Submitted", "No"),
            ("Precedence", "first-class"),
            ("X-Auto-Response-Suppress", "None"),
            ("Return-Path", "<pat@parent.test>"),
            ("Content-Type", "multipart/alternative"),
            ("Reply-To", "bouncer@club.test"),
            ("Subject", "Auto-Submitted: auto-replied"),
        ] {
            assert_eq!(judged(name, value), None, "{name}: {value}");
        }
    }

    #[test]
    fn what_a_calendar_says_of_an_invitation_is_known_by_its_method() {
        let part = |kind: &str| {
            let bare = kind.split(';').next();
            json!({ "mimeType": bare, "filename": "", "headers": [{ "name": "Content-Type", "value": kind }] })
        };
        let judged = |inner: Value| {
            let headers = json!([{ "name": "From", "value": "pat@parent.test" }]);
            let message: Message = serde_json::from_value(json!({ "id": "1", "threadId": "1", "labelIds": ["INBOX"],
                "payload": { "mimeType": "multipart/mixed", "filename": "", "headers": headers, "parts": [inner] } }))
            .expect("a message");
            message.mail(OWN).unanswerable
        };
        let within = |kind: &str, inner: Value| json!({ "mimeType": kind, "filename": "", "parts": [inner] });
        for kind in [
            "text/calendar; charset=UTF-8; method=REPLY",
            "TEXT/CALENDAR; Method=\"counter\"; charset=utf-8",
            "text/calendar;method=Cancel",
            "text/calendar; method=REFRESH",
        ] {
            assert_eq!(judged(within("multipart/alternative", part(kind))), Some("a calendar wrote it"), "{kind}");
            assert_eq!(judged(within("message/rfc822", part(kind))), None, "{kind}: it hangs on what a person wrote");
        }
        for kind in ["text/calendar; method=REQUEST", "text/calendar", "text/plain; method=REPLY"] {
            assert_eq!(judged(part(kind)), None, "{kind}");
        }
    }

    #[test]
    fn addresses_that_nobody_reads_are_known() {
        for address in [
            "no-reply@a.test",
            "noreply+7@a.test",
            "do_not_reply@a.test",
            "mailer-daemon@a.test",
            "postmaster@a.test",
            "bounces+x=y@a.test",
            "no.reply-news@a.test",
        ] {
            assert!(is_machine(address), "{address}");
        }
        for address in ["pat@a.test", "reply@a.test", "norman@a.test", "bouncy@a.test"] {
            assert!(!is_machine(address), "{address}");
        }
    }
}
