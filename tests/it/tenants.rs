//! Businesses: their profile, their checklist, and what it means to switch one off.

use serde_json::{Value, json};

use crate::support::{Gateway, code, login};

#[tokio::test(flavor = "multi_thread")]
async fn a_deactivated_tenant_is_shut_at_once() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let admin = acme.admin().await;
    let root = gateway.root().await;
    root.data(&format!(r#"mutation {{ deactivateTenant(id: "{}") {{ isActive }} }}"#, acme.id)).await;
    insta::assert_json_snapshot!(admin.query("{ me { email } }").await, @r#"
    {
      "errors": [
        {
          "message": "This tenant was deactivated. Ask the platform's administrators.",
          "locations": [
            {
              "line": 1,
              "column": 3
            }
          ],
          "extensions": {
            "code": "TENANT_INACTIVE",
            "requestId": "test"
          }
        }
      ]
    }
    "#);
    assert_eq!(code(&login(&gateway, "admin@acme.example").await), "TENANT_INACTIVE");
    // A wrong password learns nothing of it.
    let wrong = r#"mutation { login(input: { email: "admin@acme.example", password: "wrong" }) { accessToken } }"#;
    let wrong = gateway.stranger().query(wrong).await;
    assert_eq!(code(&wrong), "UNAUTHENTICATED");
    // The platform's administrators still look after it, and its data is there when it comes back.
    root.in_tenant("acme").data("{ tenant { isActive } }").await;
    root.data(&format!(
        r#"mutation {{ updateTenant(id: "{}", input: {{ isActive: true }}) {{ isActive }} }}"#,
        acme.id
    ))
    .await;
    admin.data("{ me { email } }").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_administrator_says_what_the_business_is_called() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let admin = acme.admin().await;
    let fields = "{ profile { businessName websiteUrl phoneNumber email timeZone } }";
    let update =
        async |input: &str| admin.query(&format!("mutation {{ updateTenantProfile(input: {input}) {fields} }}")).await;
    let all = r#"{ businessName: "Acme Ltd", websiteUrl: "https://acme.example", phoneNumber: "+1 555 010 0123",
                   email: "Hello@Acme.example", timeZone: "America/New_York" }"#;
    update(all).await;
    // Omitted stays, null and blank clear.
    let changed = update(r#"{ websiteUrl: null, timeZone: " " }"#).await;
    insta::assert_json_snapshot!(changed, @r#"
    {
      "data": {
        "updateTenantProfile": {
          "profile": {
            "businessName": "Acme Ltd",
            "websiteUrl": null,
            "phoneNumber": "+15550100123",
            "email": "hello@acme.example",
            "timeZone": null
          }
        }
      }
    }
    "#);
    for (input, field) in [
        (r#"{ websiteUrl: "javascript:alert(1)" }"#, "websiteUrl"),
        (r#"{ email: "nobody" }"#, "email"),
        (r#"{ timeZone: "'; DROP TABLE" }"#, "timeZone"),
        (r#"{ timeZone: "America/Atlantis" }"#, "timeZone"),
    ] {
        let answer = update(input).await;
        assert_eq!((code(&answer), &answer["errors"][0]["extensions"]["field"]), ("BAD_USER_INPUT", &json!(field)));
    }
    let staff = acme.staff().await;
    assert_eq!(code(&staff.query("mutation { updateTenantProfile(input: {}) { id } }").await), "FORBIDDEN");
    let data = staff.data(&format!("{{ tenant {fields} }}")).await;
    assert_eq!(data["tenant"]["profile"]["businessName"], "Acme Ltd");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_checklist_says_what_is_done_and_what_to_do_next() {
    let gateway = Gateway::start().await;
    let root = gateway.root().await;
    gateway.tenant("acme").await;
    let open = async || -> Vec<String> {
        let data = root.data("{ tenants { nodes { onboarding { key title isDone hint } } } }").await;
        let steps = data["tenants"]["nodes"][0]["onboarding"].as_array().expect("steps").clone();
        assert!(steps.iter().all(|step| step["isDone"].as_bool() != Some(step["hint"].is_string())), "{steps:?}");
        let open = steps.iter().filter(|step| step["isDone"] == false);
        open.map(|step| step["key"].as_str().expect("a key").to_owned()).collect()
    };
    assert_eq!(open().await, ["admin_user", "prompt", "profile", "sms", "voice", "email"]);
    let inside = root.in_tenant("acme");
    for (document, left) in [
        (
            r#"mutation { createUser(input: { email: "boss@acme.example", password: "correct horse battery", role: TENANT_ADMIN }) { id } }"#,
            "prompt profile sms voice email",
        ),
        (
            r#"mutation { setupPrompt(input: { name: "Main", businessPrompt: "Anvils." }) { id } }"#,
            "profile sms voice email",
        ),
        (r#"mutation { updateTenantProfile(input: { businessName: "Acme" }) { id } }"#, "profile sms voice email"),
        (r#"mutation { updateTenantProfile(input: { phoneNumber: "+15550100123" }) { id } }"#, "sms voice email"),
        (
            r#"mutation { updateSmsSettings(input: { isEnabled: true, telnyxPhoneNumber: "+15550100124" }) { isEnabled } }"#,
            "sms voice email",
        ),
        (r#"mutation { updateSmsSettings(input: { telnyxApiKey: "KEY0123456789" }) { isEnabled } }"#, "voice email"),
        (
            r#"mutation { updateVoiceSettings(input: { isEnabled: true, assistantId: "assistant-1", phoneNumber: "+15550100125" }) { isEnabled } }"#,
            "email",
        ),
    ] {
        inside.data(document).await;
        assert_eq!(open().await.join(" "), left, "{document}");
    }
    // The same from inside, for the tenant's own administrator.
    let boss = gateway.sign_in("boss@acme.example").await;
    let data =
        boss.data("{ tenant { onboarding { key title isDone hint } } me { tenant { onboarding { key } } } }").await;
    assert_eq!(data["tenant"]["onboarding"].as_array().map(Vec::len), Some(7));
    insta::assert_json_snapshot!(data["tenant"]["onboarding"][6], @r#"
    {
      "key": "email",
      "title": "E-mail is answered",
      "isDone": false,
      "hint": "Connect a mailbox: startEmailConnection, then give the consent at the authorizationUrl that it answers."
    }
    "#);
    root.data(r#"mutation { deactivateTenant(id: "tenant_1001") { isActive onboarding { key isDone } } }"#).await;
    assert_eq!(open().await, ["tenant", "email"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subdomain_is_a_label_nobody_else_has() {
    let gateway = Gateway::start().await;
    let root = gateway.root().await;
    gateway.tenant("acme").await;
    let create = async |subdomain: &str| -> Value {
        root.ask(
            "mutation($s: String!) { createTenant(input: { name: \"x\", subdomain: $s }) { subdomain } }",
            json!({ "s": subdomain }),
        )
        .await
    };
    for (subdomain, expected) in [
        ("ACME", "CONFLICT"),
        ("www", "BAD_USER_INPUT"),
        ("1042", "BAD_USER_INPUT"),
        ("a_b", "BAD_USER_INPUT"),
        ("", "BAD_USER_INPUT"),
    ] {
        let answer = create(subdomain).await;
        let error = &answer["errors"][0]["extensions"];
        assert_eq!((error["code"].as_str(), error["field"].as_str()), (Some(expected), Some("subdomain")), "{answer}");
    }
    assert_eq!(create(" Fresh ").await["data"]["createTenant"]["subdomain"], "fresh");
    let taken =
        root.query(r#"mutation { updateTenant(id: "tenant_1001", input: { subdomain: "fresh" }) { id } }"#).await;
    assert_eq!(code(&taken), "CONFLICT");
}
