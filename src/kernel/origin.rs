//! Where on the web a request comes from: the `Origin` header (RFC 6454) in one spelling. Must not know which are welcome.

use url::Url;

/// Longest origin, in bytes.
const MAX: usize = 300;

/// What a request says of where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nothing: it is not from a page, or from one of the same server.
    Absent,
    /// A page of this website.
    Page(String),
    /// A page without an origin of its own (`null`), or something that is no origin.
    Opaque,
}

impl Origin {
    /// Reads the header's values; two of them are none that could be trusted. `None` stands for one that is no text.
    pub fn read<'v>(mut values: impl Iterator<Item = Option<&'v str>>) -> Self {
        match (values.next(), values.next()) {
            (None, _) => Self::Absent,
            (Some(Some(text)), None) => normalise(text).map_or(Self::Opaque, Self::Page),
            (Some(_), _) => Self::Opaque,
        }
    }
}

/// `scheme://host[:port]` in its one spelling: lower case, without a default port. `None` for anything else, and for a host
/// with `*`: it is no website's, and nothing here reads it as a pattern.
#[must_use]
pub fn normalise(text: &str) -> Option<String> {
    let text = text.trim();
    let url = Url::parse(text).ok().filter(|_| text.len() <= MAX)?;
    let origin = url.origin().ascii_serialization();
    let is_plain = matches!(url.scheme(), "http" | "https") && url.as_str().trim_end_matches('/') == origin;
    (is_plain && !origin.contains('*')).then_some(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_one_spelling() {
        for text in ["https://Shop.Example", "https://shop.example:443", "https://shop.example/"] {
            assert_eq!(normalise(text).as_deref(), Some("https://shop.example"), "{text}");
        }
        assert_eq!(normalise("http://localhost:5500").as_deref(), Some("http://localhost:5500"));
        for text in
            ["null", "", "*", "shop.example", "https://a.example/path", "https://u@a.example", "file:///a", "data:,"]
        {
            assert_eq!(normalise(text), None, "{text}");
        }
        for text in ["https://*.shop.example", "https://*", "https://*.shop.example:8443", "https://%2a.shop.example"] {
            assert_eq!(normalise(text), None, "{text}");
        }
    }

    #[test]
    fn two_origins_are_none() {
        assert_eq!(Origin::read([].into_iter()), Origin::Absent);
        assert_eq!(Origin::read([Some("https://a.example")].into_iter()), Origin::Page("https://a.example".into()));
        for values in [vec![Some("null")], vec![None], vec![Some("https://a.example"), Some("https://a.example")]] {
            assert_eq!(Origin::read(values.into_iter()), Origin::Opaque);
        }
    }
}
