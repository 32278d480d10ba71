//! Cuts a long reply into texts: between paragraphs where that goes, else between sentences, else between words. Carriers
//! charge and carry texts by segments (3GPP TS 23.038 and 23.040): 160 GSM-7 characters, or 153 of several joined; 70 and
//! 67 for text with any other character. Must not know where they go.

/// Segments of one text at the most: more than these arrive late, or in another order.
const SEGMENTS: usize = 6;
/// Texts of one reply at the most. What is left is not sent: nobody wants a book by text.
const TEXTS: usize = 5;
/// What stands for the rest.
const MORE: &str = "...";

/// GSM 03.38's basic table, but for the escape.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// Its extension, whose characters count twice.
const EXTENDED: &str = "^{}\\[~]|€";

/// The texts of a reply, in order; none for a blank one.
#[must_use]
pub fn split(reply: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut rest = reply.trim();
    while !rest.is_empty() && texts.len() < TEXTS {
        let (text, left) = rest.split_at(cut(rest));
        texts.push(text.trim_end().to_owned());
        rest = left.trim_start();
    }
    if !rest.is_empty()
        && let Some(last) = texts.last_mut()
    {
        // An ellipsis of one character would be no GSM-7, and the text two or three times as long.
        while last.pop().is_some() && room(&format!("{last}{MORE}")) < last.len() + MORE.len() {}
        last.push_str(MORE);
    }
    texts
}

/// How many bytes of `rest` go into the next text.
fn cut(rest: &str) -> usize {
    let end = room(rest);
    let Some(head) = rest.get(..end).filter(|head| head.len() < rest.len()) else { return rest.len() };
    let behind = |marks: &[&str]| marks.iter().filter_map(|mark| head.rfind(mark).map(|at| at + mark.len())).max();
    // A cut near the beginning would make more texts than are needed.
    let late = |at: &usize| *at > head.len() / 3;
    behind(&["\n\n"])
        .filter(late)
        .or_else(|| behind(&["\n", ". ", "! ", "? ", "… ", "。", "！", "？"]).filter(late))
        .or_else(|| behind(&[" ", "\t"]).filter(late))
        .unwrap_or(end)
}

/// How many bytes of `rest` fit into one text.
fn room(rest: &str) -> usize {
    let (mut gsm, mut units, mut end) = (Some(0_usize), 0_usize, 0);
    for c in rest.chars() {
        units += c.len_utf16();
        gsm = gsm.zip(septets(c)).map(|(sum, more)| sum + more);
        let fits = match gsm {
            Some(septets) => septets <= SEGMENTS * 153,
            None => units <= SEGMENTS * 67,
        };
        if !fits {
            break;
        }
        end += c.len_utf8();
    }
    end
}

fn septets(c: char) -> Option<usize> {
    if BASIC.contains(c) {
        Some(1)
    } else if EXTENDED.contains(c) {
        Some(2)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_reply_is_one_text_and_a_blank_one_none() {
        assert_eq!(split(" Yes, at 10. \n"), ["Yes, at 10."]);
        assert!(split(" \n ").is_empty());
    }

    #[test]
    fn a_long_reply_is_cut_where_a_reader_would_pause() {
        let paragraphs = format!("{}\n\n{}", "Short. ".repeat(80).trim(), "More. ".repeat(100).trim());
        let texts = split(&paragraphs);
        assert_eq!(texts.len(), 2);
        assert!(texts.iter().all(|text| text.ends_with('.')), "{texts:?}");
        assert!(texts.first().is_some_and(|text| text.ends_with("Short.")));
        let words = split(&"word ".repeat(300));
        assert!(words.len() == 2 && words.iter().all(|text| text.ends_with("word")));
        assert_eq!(split(&"x".repeat(919)).iter().map(String::len).collect::<Vec<_>>(), [918, 1]);
    }

    #[test]
    fn one_character_that_gsm_does_not_have_makes_a_text_shorter() {
        assert_eq!(split(&"ж".repeat(403)).iter().map(|text| text.chars().count()).collect::<Vec<_>>(), [402, 1]);
        assert_eq!(split(&"😀".repeat(202)).iter().map(|text| text.chars().count()).collect::<Vec<_>>(), [201, 1]);
        assert_eq!(split(&"€".repeat(460)).iter().map(|text| text.chars().count()).collect::<Vec<_>>(), [459, 1]);
    }

    #[test]
    fn a_book_is_not_sent_and_the_last_text_says_so() {
        let texts = split(&"A sentence. ".repeat(2_000));
        assert_eq!(texts.len(), TEXTS);
        assert!(texts.last().is_some_and(|text| text.ends_with(MORE)));
        for book in ["x".repeat(9_000), "ж".repeat(9_000), "😀".repeat(9_000), "€".repeat(9_000)] {
            let texts = split(&book);
            assert!(texts.iter().all(|text| room(text) == text.len()), "{texts:?}");
            assert!(texts.len() == TEXTS && texts.iter().all(|text| text.chars().count() > 150), "{texts:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_between_the_texts(reply in "\\PC{0,1500}") {
            let texts = split(&reply);
            prop_assert!(texts.iter().all(|text| !text.trim().is_empty() && room(text) == text.len()));
            let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            if texts.len() < TEXTS {
                prop_assert_eq!(bare(&texts.concat()), bare(&reply));
            }
        }
    }
}
