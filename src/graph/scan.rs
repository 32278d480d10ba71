//! A first look at a document's bytes: counts tokens and brackets without recursion, so that no parser is ever asked to
//! climb a tower of 50,000 of them. Must not judge grammar.

/// What there is in a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) tokens: usize,
    pub(super) nesting: usize,
}

/// Counts names, numbers, strings and punctuators, and the deepest nesting of brackets.
pub(super) fn scan(document: &str) -> Scan {
    let mut rest = document.as_bytes();
    let (mut tokens, mut nesting, mut deepest) = (0, 0usize, 0);
    while let Some((&byte, tail)) = rest.split_first() {
        rest = match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => tail,
            b'#' => after(tail, |byte| byte != b'\n' && byte != b'\r'),
            b'"' => {
                tokens += 1;
                string(tail)
            }
            b'{' | b'(' | b'[' => {
                tokens += 1;
                nesting += 1;
                deepest = deepest.max(nesting);
                tail
            }
            b'}' | b')' | b']' => {
                tokens += 1;
                nesting = nesting.saturating_sub(1);
                tail
            }
            byte if word(byte) => {
                tokens += 1;
                after(tail, word)
            }
            _ => {
                tokens += 1;
                tail
            }
        };
    }
    Scan { tokens, nesting: deepest }
}

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'.' | 0x80..)
}

fn after(bytes: &[u8], skip: impl Fn(u8) -> bool) -> &[u8] {
    let end = bytes.iter().position(|byte| !skip(*byte)).unwrap_or(bytes.len());
    bytes.get(end..).unwrap_or_default()
}

/// What follows a string whose first quote has been read.
fn string(bytes: &[u8]) -> &[u8] {
    if let Some(block) = bytes.strip_prefix(b"\"\"") {
        let mut at = 0;
        while let Some(rest) = block.get(at..).filter(|rest| !rest.is_empty()) {
            if rest.starts_with(b"\\\"\"\"") {
                at += 4;
            } else if let Some(after) = rest.strip_prefix(b"\"\"\"") {
                return after;
            } else {
                at += 1;
            }
        }
        return &[];
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_brackets_are_counted_and_text_is_not_read_as_code() {
        let counted = |text: &str| {
            let Scan { tokens, nesting } = scan(text);
            (tokens, nesting)
        };
        assert_eq!(counted("{ me { id } } # { { {"), (6, 2));
        assert_eq!(counted(r#"{ a(b: "{{{ \" {{{") }"#), (8, 2));
        assert_eq!(counted("{ a(b: \"\"\"{{{ \\\"\"\" {{{ \"\"\") }"), (8, 2));
        assert_eq!(counted("query($a: [Int!]! = [-1.5e3]) { ...f }"), (18, 2));
        let tower = "[".repeat(50_000);
        assert_eq!(counted(&tower), (50_000, 50_000));
        assert_eq!(counted("\"open"), (1, 0));
    }
}
