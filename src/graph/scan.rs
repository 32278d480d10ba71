//! A first look at a document's bytes: counts tokens and brackets without recursion, so that no parser is ever asked to
//! climb a tower of 50,000 of them. Must not judge grammar.

/// What there is in a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) tokens: usize,
    pub(super) nesting: usize,
    /// Bytes of names, and of numbers.
    pub(super) names: usize,
    /// It ends within a block string: the specification knows no such document, but the parser would read an empty string and go on
    /// behind it, where nothing was counted.
    pub(super) is_open: bool,
}

/// Counts names, numbers, strings and punctuators, and the deepest nesting of brackets.
pub(super) fn scan(document: &str) -> Scan {
    let (mut count, mut names, mut nesting, mut deepest) = (0, 0, 0usize, 0);
    let mut last: &[u8] = b"";
    for token in tokens(document) {
        count += 1 + run_together(token);
        last = token;
        match token {
            b"{" | b"(" | b"[" => {
                nesting += 1;
                deepest = deepest.max(nesting);
            }
            b"}" | b")" | b"]" => nesting = nesting.saturating_sub(1),
            [first, ..] if is_of_word(*first) => names += token.len(),
            _ => {}
        }
    }
    let is_open = last.strip_prefix(b"\"\"\"").is_some_and(|block| block_end(block).is_none());
    Scan { tokens: count, nesting: deepest, names, is_open }
}

/// How many words more the parser reads in one: it knows no end of these three but their last letter.
fn run_together(token: &[u8]) -> usize {
    let mut rest = token;
    let mut count = 0;
    while let Some(more) = [&b"true"[..], b"false", b"null"].into_iter().find_map(|word| rest.strip_prefix(word)) {
        count += usize::from(!more.is_empty());
        rest = more;
    }
    count
}

/// Names, numbers, strings and punctuators, as they stand; what is between them is left out.
pub(super) fn tokens(document: &str) -> impl Iterator<Item = &[u8]> {
    let mut rest = document.as_bytes();
    std::iter::from_fn(move || {
        loop {
            let (&byte, tail) = rest.split_first()?;
            let (is_token, next) = match byte {
                0xEF if tail.starts_with(b"\xBB\xBF") => (false, tail.get(2..)?),
                b'.' if tail.starts_with(b"..") => (true, tail.get(2..)?),
                b' ' | b'\t' | b'\n' | b'\r' | b',' => (false, tail),
                b'#' => (false, after(tail, |byte| byte != b'\n' && byte != b'\r')),
                b'"' => (true, string(tail)),
                b'-' | b'+' => (true, after_word(byte, tail)),
                byte if is_of_word(byte) => (true, after_word(byte, tail)),
                _ => (true, tail),
            };
            let token = rest.get(..rest.len() - next.len())?;
            rest = next;
            if is_token {
                return Some(token);
            }
        }
    })
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// What follows a name or a number whose first byte is `first`. In a number, a point stands before a digit, and a sign behind the
/// letter of its power; anywhere else they begin a token of their own.
fn after_word(first: u8, bytes: &[u8]) -> &[u8] {
    let is_number = !first.is_ascii_alphabetic() && first != b'_';
    let mut before = first;
    let mut rest = bytes;
    // Behind a zero that begins a number, a digit begins another.
    let mut is_zero = first == b'0';
    while let Some((&byte, tail)) = rest.split_first() {
        let goes_on = match byte {
            b'0'..=b'9' if is_zero => false,
            b'.' => is_number && tail.first().is_some_and(u8::is_ascii_digit),
            b'+' | b'-' => is_number && matches!(before, b'e' | b'E'),
            _ => is_of_word(byte),
        };
        if !goes_on {
            break;
        }
        is_zero = matches!(before, b'-' | b'+') && rest.len() == bytes.len() && byte == b'0';
        (before, rest) = (byte, tail);
    }
    rest
}

fn after(bytes: &[u8], skip: impl Fn(u8) -> bool) -> &[u8] {
    let end = bytes.iter().position(|byte| !skip(*byte)).unwrap_or(bytes.len());
    bytes.get(end..).unwrap_or_default()
}

/// What follows a string whose first quote has been read.
fn string(bytes: &[u8]) -> &[u8] {
    if let Some(block) = bytes.strip_prefix(b"\"\"") {
        return block_end(block).unwrap_or_default();
    }
    let mut escaped = false;
    let end = bytes.iter().position(|byte| match byte {
        _ if escaped => {
            escaped = false;
            false
        }
        b'\\' => {
            escaped = true;
            false
        }
        b'"' | b'\n' => true,
        _ => false,
    });
    end.and_then(|end| bytes.get(end + 1..)).unwrap_or_default()
}

/// What follows a block string whose first three quotes have been read; `None` where it does not end.
fn block_end(block: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    while let Some(rest) = block.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(b"\\\"\"\"") {
            at += 4;
        } else if let Some(after) = rest.strip_prefix(b"\"\"\"") {
            return Some(after);
        } else {
            at += 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_brackets_are_counted_and_text_is_not_read_as_code() {
        let counted = |text: &str| {
            let Scan { tokens, nesting, .. } = scan(text);
            (tokens, nesting)
        };
        assert_eq!(counted("{ me { id } } # { { {"), (6, 2));
        assert_eq!(counted(r#"{ a(b: "{{{ \" {{{") }"#), (8, 2));
        assert_eq!(counted("{ a(b: \"\"\"{{{ \\\"\"\" {{{ \"\"\") }"), (8, 2));
        assert_eq!(counted("query($a: [Int!]! = [-1.5e3]) { ...f }"), (19, 2));
        assert_eq!(counted("\u{feff}{ id...f ... on A { b } }"), (11, 2));
        let tower = "[".repeat(50_000);
        assert_eq!(counted(&tower), (50_000, 50_000));
        assert_eq!(counted("\"open"), (1, 0));
        // As the parser reads them: a sign ends a name and a number, and so does a mark of the byte order.
        assert_eq!(counted("[$x-1$x+1 a-b]"), (10, 1));
        assert_eq!(counted("[1-1-1.5e+3-2]"), (6, 1));
        assert_eq!(counted("[0001 -00 10 0.50]"), (10, 1));
        assert_eq!(counted("[nullnulltrue nullable]"), (7, 1));
        assert!(scan("{ a(b: [\"\"\"\" [[[").is_open && scan("\"\"\" \\\"\"\"").is_open);
        assert!(!scan("{ a(b: \"\"\"c\"\"\") }").is_open && !scan("{ a(b: \"\") }").is_open);
        assert_eq!(counted("$x\u{feff}$x\u{feff}id"), (5, 0));
    }
}
