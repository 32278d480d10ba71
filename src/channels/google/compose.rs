//! A reply as a mail (RFC 5322): into its thread, marked as a machine's. Must not hold a line break that came from outside.

use base64::{Engine, engine::general_purpose::URL_SAFE};
use mail_builder::{
    MessageBuilder,
    headers::{address::Address, raw::Raw, text::Text},
};

/// The header by which we find our own replies: Gmail gives a `Message-ID` of its own.
pub(super) const MARKER: &str = "X-Frontdesk-Reply";
/// Longest line of references, in characters.
const REFERENCES_MAX: usize = 900;

/// A reply to a mail.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// The mailbox.
    pub from: &'a str,
    /// Whom it goes to.
    pub to: &'a str,
    /// What the thread is about.
    pub subject: Option<&'a str>,
    /// The id of the mail that it answers.
    pub in_reply_to: Option<&'a str>,
    /// The ids of what that one answered, oldest first.
    pub references: &'a [String],
    /// What it is found again by: the same on each try, and no other's.
    pub marker: &'a str,
    /// Whether a machine wrote it.
    pub is_automatic: bool,
    /// What it says.
    pub text: &'a str,
}

impl Reply<'_> {
    /// The mail as Gmail takes it: base64url.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn raw(&self) -> anyhow::Result<String> {
        let mut references: Vec<&str> = self.references.iter().map(String::as_str).collect();
        references.extend(self.in_reply_to.filter(|id| !references.contains(id)));
        while references.len() > 2 && references.iter().map(|id| id.len() + 1).sum::<usize>() > REFERENCES_MAX {
            references.remove(1);
        }
        let domain = self.from.split_once('@').map_or("localhost", |(_, domain)| domain);
        let mut mail = MessageBuilder::new()
            .from(Address::new_address(None::<String>, line(self.from)))
            .to(Address::new_address(None::<String>, line(self.to)))
            .header("Subject", Text::new(answered(self.subject)))
            .message_id(line(&format!("frontdesk.{}@{domain}", self.marker)));
        if let Some(id) = self.in_reply_to {
            mail = mail.header("In-Reply-To", Raw::new(line(id)));
        }
        if !references.is_empty() {
            mail = mail.header("References", Raw::new(line(&references.join(" "))));
        }
        if self.is_automatic {
            mail = mail
                .header("Auto-Submitted", Raw::new("auto-replied"))
                .header("X-Auto-Response-Suppress", Raw::new("All"));
        }
        let mail = mail.header(MARKER, Raw::new(line(self.marker))).text_body(self.text.replace('\0', ""));
        Ok(URL_SAFE.encode(mail.write_to_vec()?))
    }
}

/// The subject of an answer: Gmail keeps it in the thread only where it is the thread's own.
fn answered(subject: Option<&str>) -> String {
    let subject = line(subject.unwrap_or_default());
    let is_answer = subject.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("re:"));
    if is_answer { subject } else { format!("Re: {subject}").trim_end().to_owned() }
}

/// Without anything that could begin another header.
fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail_parser::MessageParser;
    use proptest::prelude::*;

    const REPLY: Reply<'_> = Reply {
        from: "front.desk@exampleco.test",
        to: "pat@parent.test",
        subject: Some("Saturday lessons?"),
        in_reply_to: Some("<2@mail.parent.test>"),
        references: &[],
        marker: "7f3a",
        is_automatic: true,
        text: "Yes, at 9:00.\n\nSee you!",
    };

    fn written(reply: &Reply<'_>) -> String {
        String::from_utf8(URL_SAFE.decode(reply.raw().expect("a mail")).expect("base64")).expect("a text")
    }

    #[test]
    fn a_reply_stays_in_its_thread_and_says_that_it_is_a_machines() {
        let references = ["<1@mail.parent.test>".to_owned()];
        let mail = written(&Reply { references: &references, ..REPLY });
        let lines: Vec<&str> = mail.split("\r\n").filter(|line| !line.starts_with("Date: ")).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        From: <front.desk@exampleco.test>
        To: <pat@parent.test>
        Subject: Re: Saturday lessons?
        Message-ID: <frontdesk.7f3a@exampleco.test>
        In-Reply-To: <2@mail.parent.test>
        References: <1@mail.parent.test> <2@mail.parent.test>
        Auto-Submitted: auto-replied
        X-Auto-Response-Suppress: All
        X-Frontdesk-Reply: 7f3a
        MIME-Version: 1.0
        Content-Type: text/plain; charset="utf-8"
        Content-Transfer-Encoding: 7bit

        Yes, at 9:00.

        See you!
        "#);
    }

    #[test]
    fn a_person_is_not_called_a_machine() {
        let mail = written(&Reply { is_automatic: false, ..REPLY });
        assert!(!mail.contains("Auto-Submitted") && !mail.contains("X-Auto-Response-Suppress"), "{mail}");
    }

    #[test]
    fn words_of_any_language_arrive() {
        let text = "Sí, el sábado a las 9.\n".repeat(40);
        let mail = written(&Reply { subject: Some("¿Clase sábado? 泳ぐ"), text: &text, ..REPLY });
        assert!(mail.is_ascii() && mail.split("\r\n").all(|line| line.len() <= 998));
        let read = MessageParser::new().parse(mail.as_bytes()).expect("a mail");
        assert_eq!(read.subject(), Some("Re: ¿Clase sábado? 泳ぐ"));
        assert_eq!(read.body_text(0).expect("a text").replace("\r\n", "\n").trim(), text.trim());
    }

    #[test]
    fn an_answer_is_called_so_once() {
        assert_eq!(answered(Some("RE: x")), "RE: x");
        assert_eq!(answered(Some("Regarding x")), "Re: Regarding x");
        assert_eq!(answered(None), "Re:");
        assert_eq!(answered(Some("é")), "Re: é");
    }

    #[test]
    fn a_long_thread_keeps_its_first_and_its_newest_references() {
        let references: Vec<String> = (0..100).map(|n| format!("<{n:03}@mail.parent.test>")).collect();
        let mail = written(&Reply { references: &references, ..REPLY });
        let read = MessageParser::new().parse(mail.as_bytes()).expect("a mail");
        let kept = read.references().as_text_list().expect("references").to_vec();
        assert_eq!((kept[0].as_ref(), kept[kept.len() - 1].as_ref()), ("000@mail.parent.test", "2@mail.parent.test"));
        assert!(kept.len() < 50);
    }

    proptest! {
        #[test]
        fn nothing_from_outside_begins_another_header(text in "[a-z<>@ é\r\n\0:]{0,60}") {
            let injected = format!("{text}\r\nBcc: victim@x.test\r\n\r\nbody");
            let references = [injected.clone()];
            let reply = Reply {
                to: &injected, subject: Some(&injected), in_reply_to: Some(&injected), references: &references,
                marker: &injected, ..REPLY
            };
            let mail = written(&reply);
            let (head, _) = mail.split_once("\r\n\r\n").expect("a head");
            prop_assert!(!head.split("\r\n").any(|line| line.to_lowercase().starts_with("bcc:")), "{head}");
        }
    }
}
