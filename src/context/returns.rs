//! Which pages people are sent back to from another service. Anywhere else would be an open door for whoever sends links about.

use url::{Host, Url};

use crate::{db::tables::tenants::TenantRow, kernel::origin};

/// Longest address, in bytes.
const MAX: usize = 2_000;

/// The platform's own pages.
#[derive(Debug, Clone)]
pub struct Returns {
    origins: Vec<String>,
    any_of_this_machine: bool,
}

impl Returns {
    /// The pages of these origins, and, in development, those that are served on the developer's own machine.
    #[must_use]
    pub fn new(origins: &[String], is_development: bool) -> Self {
        let origins =
            origins.iter().filter_map(|text| origin::normalise(&Url::parse(text).ok()?.origin().ascii_serialization()));
        Self { origins: origins.collect(), any_of_this_machine: is_development }
    }

    /// The address, if people of this tenant may be sent there.
    #[must_use]
    pub fn allowed(&self, text: &str, tenant: &TenantRow) -> Option<Url> {
        let url = Url::parse(text.trim()).ok().filter(|_| text.len() <= MAX)?;
        let is_plain = url.username().is_empty() && url.password().is_none();
        // Only http and https have an origin that is one.
        let origin = origin::normalise(&url.origin().ascii_serialization()).filter(|_| is_plain)?;
        let is_here = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let is_known = self.origins.contains(&origin) || tenant.allows(&origin);
        (is_known || (is_here && self.any_of_this_machine)).then_some(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::ids::TenantId;

    #[test]
    fn people_come_back_to_pages_that_are_known() {
        let at = "2026-11-21T12:00:00Z".parse().expect("a time");
        let tenant = TenantRow {
            id: TenantId(1),
            subdomain: "acme".into(),
            name: "Acme".into(),
            is_active: true,
            system_prompt: None,
            business_name: None,
            website_url: None,
            phone_number: None,
            contact_email: None,
            time_zone: None,
            allowed_origins: serde_json::json!(["https://shop.example"]),
            monthly_token_quota: None,
            created_at: at,
            updated_at: at,
        };
        let origins = ["https://app.example".to_owned(), "https://desk.example/base".to_owned()];
        let (strict, lax) = (Returns::new(&origins, false), Returns::new(&origins, true));
        for good in [
            "https://app.example/a?b=1#c",
            "https://APP.example:443/",
            "https://desk.example/",
            "https://shop.example/x",
        ] {
            assert!(strict.allowed(good, &tenant).is_some(), "{good}");
        }
        for bad in [
            "https://evil.example/",
            "https://app.example.evil.example/",
            "https://app.example@evil.example/",
            "https://user@app.example/",
            "http://app.example/",
            "https://app.example:444/",
            "//app.example/",
            "/settings",
            "javascript:alert(1)",
            "data:text/html,x",
            "https:app.example",
        ] {
            let allowed = strict.allowed(bad, &tenant);
            assert!(allowed.is_none() || bad == "https:app.example", "{bad}");
        }
        for here in ["http://localhost:3000/x", "http://127.0.0.1:5173/", "http://[::1]:1/"] {
            assert!(lax.allowed(here, &tenant).is_some() && strict.allowed(here, &tenant).is_none(), "{here}");
        }
    }
}
