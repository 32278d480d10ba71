//! Subdomains: a DNS label, and not one of the names the platform keeps for itself.

use crate::kernel::failure::Refusal;

/// Names that would shadow the platform's own hosts.
const RESERVED: &[&str] = &[
    "admin",
    "api",
    "app",
    "assets",
    "auth",
    "cdn",
    "dashboard",
    "docs",
    "ftp",
    "graphiql",
    "graphql",
    "help",
    "localhost",
    "mail",
    "root",
    "static",
    "status",
    "support",
    "system",
    "www",
];

/// Normalises a subdomain to lower case.
///
/// # Errors
/// `BAD_USER_INPUT` naming `subdomain`, and which rule it breaks.
pub fn normalise(text: &str) -> Result<String, Refusal> {
    let slug = text.trim().to_lowercase();
    let shaped = (1..=63).contains(&slug.len())
        && slug.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !slug.starts_with('-')
        && !slug.ends_with('-');
    if !shaped {
        return Err(Refusal::input(
            "subdomain",
            "`subdomain` must be 1 to 63 letters, digits and inner dashes, such as `exampleco`.",
        ));
    }
    if slug.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::input(
            "subdomain",
            "`subdomain` must hold a letter: digits alone would read as a tenant's number.",
        ));
    }
    if RESERVED.contains(&slug.as_str()) {
        return Err(Refusal::input("subdomain", format!("The subdomain `{slug}` is reserved; choose another.")));
    }
    Ok(slug)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_a_label_with_a_letter_and_not_reserved() {
        assert_eq!(normalise(" ExampleCo ").as_deref(), Ok("exampleco"));
        for text in ["", "-a", "a-", "a.b", "a_b", "1042", "www", "über", &"a".repeat(64)] {
            assert!(normalise(text).is_err(), "{text:?}");
        }
    }
}
