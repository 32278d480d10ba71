//! Where customers are sent to register. An address leads to Jackrabbit, or to the site that the tenant itself named: to
//! nowhere else, whatever a list or a model says.

use std::fmt::Write;

use url::Url;

use crate::{channels::jackrabbit::Class, kernel::web};

/// The form of a school.
const FORM: &str = "https://app.jackrabbitclass.com/regv2.asp";
/// Longest address: the form's server reads no more.
const MAX: usize = 2_000;

/// What a form can be filled in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrefillField {
    /// The parent's first name.
    FirstName,
    /// The parent's last name.
    LastName,
    /// The parent's address.
    Email,
    /// The parent's number.
    Phone,
}

/// How the form's fields are called in its address. Jackrabbit does not document it, so it is a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefill(Vec<(PrefillField, String)>);

impl Default for Prefill {
    /// As one integrator has seen it work.
    fn default() -> Self {
        let named = |field, name: &str| (field, name.to_owned());
        Self(vec![
            named(PrefillField::FirstName, "MFName"),
            named(PrefillField::LastName, "MLName"),
            named(PrefillField::Email, "MEmail"),
            named(PrefillField::Email, "ConfirmMEmail"),
            named(PrefillField::Phone, "MCPhone"),
        ])
    }
}

impl Prefill {
    /// Reads `first_name=MFName,email=MEmail,email=ConfirmMEmail`, or `none`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.trim() == "none" {
            return Some(Self(Vec::new()));
        }
        let pairs = text.split(',').map(|pair| {
            let (field, name) = pair.split_once('=')?;
            let field = match field.trim() {
                "first_name" => PrefillField::FirstName,
                "last_name" => PrefillField::LastName,
                "email" => PrefillField::Email,
                "phone" => PrefillField::Phone,
                _ => return None,
            };
            let name = name.trim();
            let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            is_name.then(|| (field, name.to_owned()))
        });
        pairs.collect::<Option<Vec<_>>>().map(Self)
    }
}

/// What somebody registers for.
#[derive(Default)]
pub struct Registration<'r> {
    /// The school.
    pub org: Option<&'r str>,
    /// The class, if it is known already.
    pub class: Option<&'r Class>,
    /// The place's code.
    pub location: Option<&'r str>,
    /// The level.
    pub level: Option<&'r str>,
    /// What the form is filled in with.
    pub known: &'r [(PrefillField, &'r str)],
}

impl Registration<'_> {
    /// The address on the tenant's own site: its pattern, filled in. Nothing if the pattern is not one, or would lead
    /// elsewhere.
    #[must_use]
    pub fn on_site(&self, pattern: &str) -> Option<String> {
        let filled = web::fill(pattern, |name| match name {
            "org_id" => self.org,
            "class_id" => self.class.map(|class| class.id.as_str()),
            "location" => self.location,
            "level" => self.level,
            _ => None,
        })?;
        Some(filled).filter(|url| url.len() <= MAX)
    }

    /// The address at Jackrabbit, with what is known filled in, as far as it fits. Nothing without a school.
    #[must_use]
    pub fn at_jackrabbit(&self, prefill: &Prefill) -> Option<String> {
        let listed = self.class.filter(|class| class.is_open()).and_then(|class| class.link.clone());
        let mut url = match listed {
            Some(link) => link,
            None => self.built(self.org?),
        };
        for (field, name) in &prefill.0 {
            let value = self.known.iter().find(|(known, _)| known == field).map(|(_, value)| *value);
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                let more = format!("&{name}={}", web::encoded(value));
                if url.len() + more.len() <= MAX {
                    url.push_str(&more);
                }
            }
        }
        own(&url)
    }

    fn built(&self, org: &str) -> String {
        let mut url = format!("{FORM}?id={}", web::encoded(org));
        let mut add = |name: &str, value: &str| {
            // Writing to a string can't fail.
            let _ = write!(url, "&{name}={}", web::encoded(value));
        };
        if let Some(class) = self.class {
            add("preLoadClassID", &class.id);
            // Without a place, the form opens for the line of those who wait.
            if !class.is_open() {
                add("WL", "1");
            }
        }
        if let Some(location) = self.location {
            add("loc", location);
        }
        url
    }
}

/// The address, if it is Jackrabbit's own: by https, on its own host or one below it, and with nobody's name in it.
pub(super) fn own(link: &str) -> Option<String> {
    let url = Url::parse(link.trim()).ok()?;
    let host = url.host_str()?;
    let is_own = url.scheme() == "https"
        && (host == "jackrabbitclass.com" || host.ends_with(".jackrabbitclass.com"))
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    // A form that is filled in by `&` has a question mark before.
    (is_own && url.query().is_some() && url.fragment().is_none()).then(|| url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(seats: i64, link: Option<&str>) -> Class {
        let row = serde_json::json!({ "success": true, "rows": [{
            "id": 7, "name": "Tadpole", "openings": { "calculated_openings": seats }, "online_reg_link": link,
        }] });
        let classes = super::super::feed::read(row.to_string().as_bytes()).expect("a list");
        classes[0].clone()
    }

    #[test]
    fn only_jackrabbits_own_addresses_are_its_own() {
        for link in [
            "https://app.jackrabbitclass.com/regv2.asp?id=1",
            "https://jackrabbitclass.com/reg.asp?id=1",
            "https://app3.jackrabbitclass.com:443/regv2/reg.aspx?id=1",
        ] {
            assert!(own(link).is_some(), "{link}");
        }
        for link in [
            "http://app.jackrabbitclass.com/regv2.asp?id=1",
            "https://app.jackrabbitclass.com.evil.example/?id=1",
            "https://evil.example/?app.jackrabbitclass.com",
            "https://notjackrabbitclass.com/?id=1",
            "https://app.jackrabbitclass.com@evil.example/?id=1",
            "https://user@app.jackrabbitclass.com/?id=1",
            "https://app.jackrabbitclass.com:8443/?id=1",
            "https://app.jackrabbitclass.com/regv2.asp",
            "https://app.jackrabbitclass.com/regv2.asp?id=1#x",
            "javascript:alert(1)//jackrabbitclass.com?",
            "app.jackrabbitclass.com/regv2.asp?id=1",
            "",
        ] {
            assert_eq!(own(link), None, "{link}");
        }
    }

    #[test]
    fn a_link_is_the_lists_own_or_built_and_is_filled_in() {
        let known = [(PrefillField::FirstName, "Ann Marie"), (PrefillField::Email, "a+b@x.example")];
        let listed = class(2, Some("https://app.jackrabbitclass.com/regv2.asp?id=1&amp;preLoadClassID=7"));
        let asked = Registration { org: Some("1"), class: Some(&listed), known: &known, ..Registration::default() };
        let filled = "https://app.jackrabbitclass.com/regv2.asp?id=1&preLoadClassID=7&MFName=Ann%20Marie\
                      &MEmail=a%2Bb%40x.example&ConfirmMEmail=a%2Bb%40x.example";
        assert_eq!(asked.at_jackrabbit(&Prefill::default()).as_deref(), Some(filled));
        let none = Prefill::parse("none").expect("none");
        let plain = "https://app.jackrabbitclass.com/regv2.asp?id=1&preLoadClassID=7";
        assert_eq!(asked.at_jackrabbit(&none).as_deref(), Some(plain));
        let renamed = Prefill::parse("email=Mail").expect("a setting");
        assert_eq!(asked.at_jackrabbit(&renamed), Some(format!("{plain}&Mail=a%2Bb%40x.example")));
        // Full: for the line of those who wait, and never by the list's own link.
        let full = class(0, Some("https://app.jackrabbitclass.com/regv2.asp?id=1&amp;preLoadClassID=7"));
        let waiting =
            Registration { org: Some("1"), class: Some(&full), location: Some("M&N"), ..Registration::default() };
        let built = "https://app.jackrabbitclass.com/regv2.asp?id=1&preLoadClassID=7&WL=1&loc=M%26N";
        assert_eq!(waiting.at_jackrabbit(&none).as_deref(), Some(built));
        // A name that does not fit is left out.
        let long = "x".repeat(1_950);
        let known = [(PrefillField::LastName, long.as_str()), (PrefillField::Phone, "+1555")];
        let asked = Registration { org: Some("1"), known: &known, ..Registration::default() };
        let short = "https://app.jackrabbitclass.com/regv2.asp?id=1&MCPhone=%2B1555";
        assert_eq!(asked.at_jackrabbit(&Prefill::default()).as_deref(), Some(short));
        assert_eq!(Registration::default().at_jackrabbit(&none), None);
    }

    #[test]
    fn a_tenants_own_site_gets_what_it_asks_for() {
        let open = class(1, None);
        let asked = Registration {
            org: Some("990001"),
            class: Some(&open),
            location: Some("Main Pool"),
            level: Some("a/b?c&d"),
            known: &[(PrefillField::Email, "ann@x.example")],
        };
        let pattern = "https://brand.example/{org_id}/register/?loc={location}&type={level}&class={class_id}";
        let filled = "https://brand.example/990001/register/?loc=Main%20Pool&type=a%2Fb%3Fc%26d&class=7";
        assert_eq!(asked.on_site(pattern).as_deref(), Some(filled));
        assert_eq!(
            Registration::default().on_site(pattern).as_deref(),
            Some("https://brand.example//register/?loc=&type=&class=")
        );
        assert_eq!(asked.on_site("https://{location}/x"), None);
    }

    #[test]
    fn settings_that_make_no_sense_are_none() {
        for text in ["", "email", "email=", "email=a b", "street=MStreet", "email=a&b=c", "email=a,"] {
            assert_eq!(Prefill::parse(text), None, "{text}");
        }
    }
}
