//! What of a mail its sender wrote: without the earlier mails around it, and without the signature. In doubt it stays. Must not
//! change what is left.

/// Lines between which an introduction of a quote may stretch ("On … \n wrote:").
const INTRODUCTION: usize = 3;
/// Lines of a signature below dashes that people draw for other ends too, and characters of each.
const SIGNED_LINES: usize = 5;
const SIGNED_CHARS: usize = 60;

/// What is between the dashes above an earlier mail, as programs write it.
const DIVIDERS: &[&str] = &[
    "original message",
    "original-nachricht",
    "ursprüngliche nachricht",
    "weitergeleitete nachricht",
    "forwarded message",
    "forwarded by",
    "begin forwarded message",
    "reply message",
    "mensaje original",
    "mensaje reenviado",
    "message d'origine",
    "message original",
    "message transféré",
    "message transmis",
    "messaggio originale",
    "messaggio inoltrato",
    "mensagem original",
    "mensagem encaminhada",
];

/// The text without what it quotes.
pub(super) fn stripped(text: &str) -> &str {
    let lines: Vec<(usize, &str)> = starts(text);
    let end = cut_at(&lines).unwrap_or(text.len());
    let own = text.get(..end).unwrap_or(text).trim_end();
    let own = signature(below_quote(own)).trim_end();
    // Nothing but quotes: then they are what is said.
    if own.trim().is_empty() { text.trim() } else { own }
}

/// Each line with the place where it begins.
fn starts(text: &str) -> Vec<(usize, &str)> {
    let mut at = 0;
    text.split_inclusive('\n')
        .map(|line| {
            let start = at;
            at += line.len();
            (start, line.trim())
        })
        .collect()
}

/// Where the earlier mails begin.
fn cut_at(lines: &[(usize, &str)]) -> Option<usize> {
    let forwarded = lines.iter().enumerate().find(|(at, (_, line))| is_divider(line) || is_outlook(lines, *at));
    let last_own = lines.iter().rposition(|(_, line)| !line.is_empty() && !is_quoted(line)).unwrap_or_default();
    let introduced = (0..lines.len()).find_map(|at| {
        let behind = introduction(lines, at)?;
        // Marked lines with words of one's own below them are answered there.
        let is_answered = next_said(lines, behind).is_some_and(|(next, line)| is_quoted(line) && next < last_own);
        (!is_answered).then(|| lines.get(at).map(|(start, _)| *start)).flatten()
    });
    let quoted = trailing_quote(lines);
    [forwarded.map(|(_, (start, _))| *start), introduced, quoted].into_iter().flatten().min()
}

fn is_quoted(line: &str) -> bool {
    line.starts_with('>')
}

/// The first line from there on that is not empty, and which it is.
fn next_said<'t>(lines: &[(usize, &'t str)], from: usize) -> Option<(usize, &'t str)> {
    let said = lines.iter().enumerate().skip(from).find(|(_, (_, line))| !line.is_empty());
    said.map(|(at, (_, line))| (at, *line))
}

/// What stands below a quote with its introduction, where nothing else is around: it is answered there. Quotes that are
/// answered one by one stay, or nobody knew to what.
fn below_quote(text: &str) -> &str {
    let lines = starts(text);
    let below = || {
        let behind = introduction(&lines, next_said(&lines, 0)?.0)?;
        let (quote, _) = next_said(&lines, behind).filter(|(_, line)| is_quoted(line))?;
        let own = lines.iter().skip(quote).position(|(_, line)| !line.is_empty() && !is_quoted(line))? + quote;
        let is_last = lines.iter().skip(own).all(|(_, line)| !is_quoted(line));
        text.get(lines.get(own).filter(|_| is_last)?.0..)
    };
    below().unwrap_or(text)
}

/// `-----Original Message-----`, in the languages that are known, and what forwarding puts there.
fn is_divider(line: &str) -> bool {
    let inner = line.trim_matches(['-', ' ', ':']).to_lowercase().replace('’', "'");
    let dashes = line.len() - line.trim_start_matches('-').len();
    dashes >= 4 && line.ends_with("---") && DIVIDERS.iter().any(|known| inner.starts_with(known))
}

/// The heading that Outlook puts above an earlier mail: `From:`, then `Sent:` or `Date:` and `Subject:` within a few lines; or
/// `To:`, where it is from an address. People write lists like that as well.
fn is_outlook(lines: &[(usize, &str)], at: usize) -> bool {
    let begins = |line: &str, names: &[&str]| {
        let line = line.trim_start_matches('*').to_lowercase();
        names.iter().any(|name| line.starts_with(name))
    };
    let first = lines.get(at).map_or("", |(_, line)| *line);
    let here = begins(first, &["from:", "von:", "de:", "de :"]);
    let behind = || lines.iter().skip(at + 1).take(5).map(|(_, line)| *line);
    here && behind().any(|line| begins(line, &["sent:", "date:", "gesendet:", "datum:", "enviado", "fecha:", "envoy"]))
        && (behind().any(|line| begins(line, &["subject:", "betreff:", "asunto:", "objet"]))
            || first.contains('@') && behind().any(|line| begins(line, &["to:", "an:", "para:", "à :", "à:"])))
}

/// "On Friday, … wrote:", also broken into lines, in the languages that say so at its end. Gives the line behind it.
fn introduction(lines: &[(usize, &str)], at: usize) -> Option<usize> {
    let (_, first) = lines.get(at)?;
    let opens = ["On ", "El ", "Le ", "Am ", "Il ", "Em "].iter().any(|word| first.starts_with(word));
    if !opens {
        return None;
    }
    let joined: Vec<&str> = lines.iter().skip(at).take(INTRODUCTION).map(|(_, line)| *line).collect();
    let length = (1..=joined.len()).find(|count| {
        let text = joined.iter().take(*count).copied().collect::<Vec<_>>().join(" ");
        let dated = text.bytes().any(|byte| byte.is_ascii_digit());
        let said = ["wrote:", "escribió:", "a écrit :", "a écrit:", "ha scritto:", "escreveu:"]
            .iter()
            .any(|end| text.ends_with(end));
        dated && (said || (text.ends_with(':') && text.contains(" schrieb")))
    });
    length.map(|length| at + length)
}

/// Lines marked with `>` that go on to the end, and the introduction above them, in whichever language.
fn trailing_quote(lines: &[(usize, &str)]) -> Option<usize> {
    let first = lines.iter().rposition(|(_, line)| !line.is_empty() && !is_quoted(line)).map_or(0, |last| last + 1);
    let (start, _) = lines.iter().skip(first).find(|(_, line)| is_quoted(line))?;
    let above: Vec<_> = lines.iter().take(first).rev().take(INTRODUCTION).collect();
    // The introduction is what stands alone between a blank line and the quote, and ends with a colon.
    if above.first().is_some_and(|(_, line)| line.ends_with(':')) {
        let length = above.iter().take_while(|(_, line)| !line.is_empty()).count();
        let is_alone = length < first || length == lines.len();
        let reach = above.iter().take(length).any(|(_, line)| line.contains('@') || line.contains(char::is_numeric));
        if let Some((start, _)) = above.get(length.saturating_sub(1)).filter(|_| is_alone && reach) {
            return Some(*start);
        }
    }
    Some(*start)
}

/// What is above the line that begins a signature: two dashes and a space (RFC 3676, section 4.3). Some programs lose the space,
/// and people draw two dashes between other things: so dashes alone count only where what stands below looks like a signature.
fn signature(text: &str) -> &str {
    let below = |start: usize| text.get(start..).unwrap_or_default();
    let dashes = starts(text).into_iter().filter(|(start, line)| *line == "--" && *start > 0);
    let dashes: Vec<usize> = dashes.map(|(start, _)| start).collect();
    let marked = dashes.iter().copied().rfind(|&start| below(start).starts_with("-- \n"));
    let at = marked.or_else(|| dashes.last().copied().filter(|&start| is_signature(below(start))));
    at.and_then(|at| text.get(..at)).unwrap_or(text)
}

/// Whether a few short lines stand below the first one, and none of them asks anything.
fn is_signature(text: &str) -> bool {
    let lines: Vec<&str> = text.lines().skip(1).filter(|line| !line.trim().is_empty()).collect();
    let is_short = |line: &&str| line.chars().count() <= SIGNED_CHARS && !line.contains(['?', '？', '؟']);
    lines.len() <= SIGNED_LINES && lines.iter().all(is_short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_written_before_is_left_out() {
        for text in [
            "Yes please.\n\nOn Fri, Jan 2, 2026 at 10:17 AM Front Desk <front.desk@exampleco.test> wrote:\n> Shall I book it?\n",
            "Yes please.\n\nOn Fri, Jan 2, 2026 at 10:17 AM Front Desk\n<front.desk@exampleco.test> wrote:\n\n> Shall I book it?\n> \n>> Hi\n",
            "Yes please.\n\nOn Fri, Jan 2, 2026, Front Desk wrote:\nShall I book it?",
            "Yes please.\n\nEl vie, 2 ene 2026 a las 10:17, Front Desk (<f@x.test>) escribió:\n> ¿Sí?",
            "Yes please.\n\nAm Fr., 2. Jan. 2026 um 10:17 Uhr schrieb Front Desk <f@x.test>:\n> Ja?",
            "Yes please.\n\nW dniu 2.01.2026 o 10:17, Front Desk pisze:\n> Tak?",
            "Yes please.\n\n-----Original Message-----\nFrom: Front Desk\n\nShall I?",
            "Yes please.\n\n________________________________\nFrom: Front Desk <f@x.test>\nSent: Friday, January 2, 2026\nTo: Pat\nSubject: Re: x\n\nShall I?",
            "Yes please.\n-- \nPat Doe\n555 0111",
            "Yes please.\n-- \nPat Doe\nDoes your roof leak? We mend roofs of all kinds, in town and on the farms all around it.",
            "Yes please.\n-- \nPat Doe\n--\nRoofs",
            "Yes please.\n--\nPat Doe\n\n555 0111",
            "Yes please.\n--",
            "Yes please.\n> Shall I book it?",
            "Yes please.\nOn Fri, Jan 2, 2026, Front Desk wrote:\n> Shall I book it?",
            "On Fri, Jan 2, 2026, Front Desk wrote:\n> Shall I book it?\n>\n> Front Desk\n\nYes please.",
            "On Fri, Jan 2, 2026, Front Desk\nwrote:\n\n> Shall I book it?\nYes please.\n-- \nPat",
            "Yes please.\n\n---------- Forwarded message ---------\nFrom: Sam\n\nHi",
            "Yes please.\n\n-----Message d’origine-----\nDe : Sam\n\nHi",
            "Yes please.\n\nFrom: Front Desk\nSent: Friday\nTo: Pat\nSubject: Re: x\n\nShall I?",
            "Yes please.",
        ] {
            let own = stripped(text);
            assert_eq!(own.trim_end_matches(['_', '\n']), "Yes please.", "{text}");
        }
    }

    #[test]
    fn what_stands_between_quotes_or_looks_alike_stays() {
        for text in [
            "> Which day?\nSaturday.\n> Which time?\nNine.",
            "On Saturday I can come.\nMy sister wrote: she can not.",
            "Two things:\n- the price\n- the time",
            "From: the airport\nwe drive straight to you",
            "We fly:\nFrom: JFK\nTo: Hilton\nDate: May 5\nIs that all right?",
            "---- Anna ----\nfour years old\n---- Ben ----\nsix years old",
            "Good question.\n\nOn Fri, Jan 2, 2026, Desk wrote:\n> Which day?\nSaturday please.",
            "On Fri, Jan 2, 2026, Desk wrote:\n> Which day?\nSaturday.\n> Which time?\nNine.",
            "> only a quote",
            "Two children:\n--\nAnna, four years\n--\nBen, six years. Is there room for both?",
            "Hello,\n--\nI was with you on Saturday, and we left a blue towel in the changing room.",
            "We need:\n--\nMonday\nTuesday\nWednesday\nThursday\nFriday\nSaturday",
            "-- \nPat Doe",
            "5 > 3",
            "",
        ] {
            assert_eq!(stripped(text), text.trim(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_takes_away_from_the_ends_alone(text in "(On |wrote:|> |--|\n|From: |Sent: |To: |1|é|a|----Original Message---){0,40}") {
            prop_assert!(text.contains(stripped(&text)));
        }
    }
}
