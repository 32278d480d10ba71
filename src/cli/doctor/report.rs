//! What the doctor found, and the two ways to print it: for people, and as one JSON object. Must not know what is looked at.

use std::{collections::HashSet, fmt::Write};

use serde::Serialize;

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is right.
    Ok,
    /// It works; somebody should know.
    Note,
    /// It does not work, or is not safe.
    MustMend,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it belongs to.
    pub area: &'static str,
    /// A word for it that stays the same from version to version.
    pub name: String,
    /// How bad it is.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do about it, where there is something to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

/// An address of ours that is pasted into a provider's portal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Webhook {
    /// Whose portal, and where in it.
    pub portal: &'static str,
    /// The field.
    pub field: &'static str,
    /// The address.
    pub url: String,
}

/// All that was found.
#[derive(Debug, Default)]
pub struct Report {
    /// In the order in which it was looked at.
    pub findings: Vec<Finding>,
    /// What to paste where.
    pub webhooks: Vec<Webhook>,
}

/// A part of a report, to be written into.
pub(super) struct Area<'r> {
    name: &'static str,
    findings: &'r mut Vec<Finding>,
}

impl Area<'_> {
    pub(super) fn ok(&mut self, name: &str, found: impl Into<String>) {
        self.add(Verdict::Ok, name, found.into(), None);
    }

    pub(super) fn note(&mut self, name: &str, found: impl Into<String>, mend: impl Into<String>) {
        self.add(Verdict::Note, name, found.into(), Some(mend.into()));
    }

    pub(super) fn must_mend(&mut self, name: &str, found: impl Into<String>, mend: impl Into<String>) {
        self.add(Verdict::MustMend, name, found.into(), Some(mend.into()));
    }

    /// A fault where `is_bad`, else worth a note.
    pub(super) fn judge(&mut self, is_bad: bool, name: &str, found: impl Into<String>, mend: impl Into<String>) {
        let verdict = if is_bad { Verdict::MustMend } else { Verdict::Note };
        self.add(verdict, name, found.into(), Some(mend.into()));
    }

    fn add(&mut self, verdict: Verdict, name: &str, found: String, mend: Option<String>) {
        self.findings.push(Finding { area: self.name, name: name.to_owned(), verdict, found, mend });
    }
}

impl Report {
    pub(super) fn area(&mut self, name: &'static str) -> Area<'_> {
        Area { name, findings: &mut self.findings }
    }

    /// Nothing must be mended.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.count(Verdict::MustMend) == 0
    }

    /// How many findings there are of one verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == verdict).count()
    }

    /// One object, for programs.
    #[must_use]
    pub fn json(&self) -> String {
        let all = serde_json::json!({
            "healthy": self.is_healthy(),
            "findings": self.findings,
            "webhooks": self.webhooks,
        });
        format!("{all:#}")
    }

    /// Lines, for people.
    #[must_use]
    pub fn human(&self, is_coloured: bool) -> String {
        let mut text = String::new();
        let width = self.findings.iter().map(|finding| finding.name.len()).max().unwrap_or_default();
        let mut areas: Vec<_> = self.findings.iter().map(|finding| finding.area).collect();
        let mut seen = HashSet::new();
        areas.retain(|area| seen.insert(*area));
        let by_area = areas.iter().flat_map(|area| self.findings.iter().filter(move |finding| finding.area == *area));
        let mut area = "";
        for Finding { name, verdict, found, mend, area: of } in by_area {
            if *of != area {
                area = of;
                let _ = writeln!(text, "{area}");
            }
            let _ = writeln!(text, "  {}  {name:width$}  {found}", verdict.word(is_coloured));
            if let Some(mend) = mend {
                let _ = writeln!(text, "        {:width$}  -> {mend}", "");
            }
        }
        if !self.webhooks.is_empty() {
            let _ = writeln!(text, "\naddresses to paste");
        }
        let width = self.webhooks.iter().map(|webhook| webhook.field.len()).max().unwrap_or_default();
        let mut portal = "";
        for Webhook { portal: of, field, url } in &self.webhooks {
            if *of != portal {
                portal = of;
                let _ = writeln!(text, "  {portal}");
            }
            let _ = writeln!(text, "    {field:width$}  {url}");
        }
        let notes = self.count(Verdict::Note);
        let _ = match self.count(Verdict::MustMend) {
            0 => writeln!(text, "\nNothing must be mended; {notes} note(s)."),
            bad => writeln!(text, "\n{bad} thing(s) MUST BE MENDED; {notes} note(s)."),
        };
        text
    }
}

impl Verdict {
    fn word(self, is_coloured: bool) -> &'static str {
        match (self, is_coloured) {
            (Self::Ok, false) => "ok  ",
            (Self::Note, false) => "note",
            (Self::MustMend, false) => "MEND",
            (Self::Ok, true) => "\x1b[32mok\x1b[0m  ",
            (Self::Note, true) => "\x1b[33mnote\x1b[0m",
            (Self::MustMend, true) => "\x1b[31mMEND\x1b[0m",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_verdict_is_coloured_and_sentences_stand_below_each_other() {
        let mut report = Report::default();
        report.area("web").ok("cors", "One origin may call.");
        report.area("web").must_mend("public-url-local", "It is local.", "Set it.");
        report.area("redis").note("redis-unset", "It is not set.", "Set it.");
        insta::assert_snapshot!(report.human(false), @"
        web
          ok    cors              One origin may call.
          MEND  public-url-local  It is local.
                                  -> Set it.
        redis
          note  redis-unset       It is not set.
                                  -> Set it.

        1 thing(s) MUST BE MENDED; 1 note(s).
        ");
        let plain = |text: String| {
            ["\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[0m"].iter().fold(text, |text, code| text.replace(code, ""))
        };
        assert_ne!(report.human(true), report.human(false));
        assert_eq!(plain(report.human(true)), report.human(false));
    }
}
