//! How a tenant is reached. Secrets go in, and that they are set comes out.

use serde_json::json;

use crate::support::{Gateway, code};

const ALL: &str = "{ tenant { \
    sms { isEnabled telnyxPhoneNumber telnyxMessagingProfileId telnyxApiKey { isSet lastFour updatedAt } telnyxPublicKey \
          twilioPhoneNumber twilioAccountSid twilioAuthToken { isSet lastFour } webhookUrls { purpose url } } \
    voice { isEnabled phoneNumber assistantId jackrabbitOrgId registrationUrl webhookUrls { url } } \
    email { isEnabled connectedAddress connectedAt watchExpiresAt } \
    retrieval { provider pineconeEnvironment pineconeIndex pineconeHost pineconeNamespace pineconeApiKey { isSet lastFour } } } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_says_how_it_is_reached() {
    let gateway = Gateway::start().await;
    let admin = gateway.tenant("acme").await.admin().await;
    let set = admin
        .ask(
            "mutation($sms: SmsSettingsInput!, $voice: VoiceSettingsInput!, $retrieval: RetrievalSettingsInput!) {
               updateSmsSettings(input: $sms) { isEnabled telnyxApiKey { isSet lastFour } }
               updateVoiceSettings(input: $voice) { assistantId }
               updateEmailSettings(input: { isEnabled: true }) { isEnabled }
               updateRetrievalSettings(input: $retrieval) { provider } }",
            json!({
                "sms": { "isEnabled": true, "telnyxPhoneNumber": "+1 555 010 0100", "telnyxMessagingProfileId": "profile-1",
                         "telnyxApiKey": "KEY0123456789-canary", "telnyxPublicKey": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                         "twilioPhoneNumber": "+15550100101", "twilioAccountSid": format!("AC{}", "0a".repeat(16)), "twilioAuthToken": "shortcanary" },
                "voice": { "isEnabled": true, "phoneNumber": "+15550100102", "assistantId": "assistant-1", "jackrabbitOrgId": "527344",
                           "registrationUrl": "https://acme.example/register" },
                "retrieval": { "provider": "PINECONE", "pineconeHost": "https://Docs-abc.svc.example.pinecone.io/", "pineconeApiKey": "pc-0123456789-canary" },
            }),
        )
        .await;
    assert!(set.get("errors").is_none(), "{set}");
    let seen = admin.data(ALL).await;
    assert!(!seen.to_string().contains("canary-"), "{seen}");
    insta::assert_json_snapshot!(seen["tenant"], @r#"
    {
      "sms": {
        "isEnabled": true,
        "telnyxPhoneNumber": "+15550100100",
        "telnyxMessagingProfileId": "profile-1",
        "telnyxApiKey": {
          "isSet": true,
          "lastFour": "nary",
          "updatedAt": "2026-11-21T12:00:00Z"
        },
        "telnyxPublicKey": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "twilioPhoneNumber": "+15550100101",
        "twilioAccountSid": "AC0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a",
        "twilioAuthToken": {
          "isSet": true,
          "lastFour": null
        },
        "webhookUrls": [
          {
            "purpose": "Telnyx: messaging profile, inbound webhook",
            "url": "http://localhost:8080/api/v1/telnyx/sms"
          },
          {
            "purpose": "Twilio: phone number, a message comes in (POST)",
            "url": "http://localhost:8080/api/v1/twilio/sms"
          }
        ]
      },
      "voice": {
        "isEnabled": true,
        "phoneNumber": "+15550100102",
        "assistantId": "assistant-1",
        "jackrabbitOrgId": "527344",
        "registrationUrl": "https://acme.example/register",
        "webhookUrls": [
          {
            "url": "http://localhost:8080/api/v1/telnyx/dynamic-variables?tenant_id=1001"
          },
          {
            "url": "http://localhost:8080/api/v1/telnyx/ai-call-complete?tenant_id=1001"
          },
          {
            "url": "http://localhost:8080/api/v1/telnyx/tools/send-link?tenant_id=1001"
          },
          {
            "url": "http://localhost:8080/api/v1/telnyx/tools/get-classes?tenant_id=1001"
          },
          {
            "url": "http://localhost:8080/api/v1/telnyx/tools/book-meeting?tenant_id=1001"
          },
          {
            "url": "http://localhost:8080/api/v1/telnyx/tools/get-available-slots?tenant_id=1001"
          }
        ]
      },
      "email": {
        "isEnabled": true,
        "connectedAddress": null,
        "connectedAt": null,
        "watchExpiresAt": null
      },
      "retrieval": {
        "provider": "PINECONE",
        "pineconeEnvironment": null,
        "pineconeIndex": null,
        "pineconeHost": "docs-abc.svc.example.pinecone.io",
        "pineconeNamespace": null,
        "pineconeApiKey": {
          "isSet": true,
          "lastFour": "nary"
        }
      }
    }
    "#);
    // Omitted stays, null clears.
    admin
        .data("mutation { updateSmsSettings(input: { telnyxApiKey: null, twilioPhoneNumber: null }) { isEnabled } }")
        .await;
    let sms = admin.data("{ tenant { sms { isEnabled telnyxApiKey { isSet } twilioAuthToken { isSet } telnyxPhoneNumber twilioPhoneNumber } } }").await;
    insta::assert_json_snapshot!(sms["tenant"]["sms"], @r#"
    {
      "isEnabled": true,
      "telnyxApiKey": {
        "isSet": false
      },
      "twilioAuthToken": {
        "isSet": true
      },
      "telnyxPhoneNumber": "+15550100100",
      "twilioPhoneNumber": null
    }
    "#);
    // At rest it is sealed, and it stands in no other column either.
    let dump = crate::support::cluster::owner(&gateway.database)
        .await
        .query_one("SELECT string_agg(t::text, ' ') || (SELECT string_agg(s::text, ' ') FROM sms_settings s) FROM tenant_secrets t", &[])
        .await
        .expect("rows")
        .get::<_, String>(0);
    assert!(!dump.contains("canary") && dump.contains("pinecone_api_key"), "{dump}");
    assert!(!dump.contains(&hex::encode("canary")), "not in hex either");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_says_who_writes_its_replies() {
    const MODEL: &str =
        "{ provider model openaiApiKey { isSet lastFour } geminiApiKey { isSet } allowFallback maxOutputTokens }";
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let (admin, staff) = (acme.admin().await, acme.staff().await);
    let set = async |input: &str| {
        let document = format!("mutation {{ updateModelSettings(input: {{ {input} }}) {MODEL} }}");
        admin.data(&document).await["updateModelSettings"].clone()
    };
    let first =
        set(r#"provider: OPENAI, model: " gpt-4o ", openaiApiKey: "sk-0123456789-canary", maxOutputTokens: 500"#).await;
    insta::assert_json_snapshot!(first, @r#"
    {
      "provider": "OPENAI",
      "model": "gpt-4o",
      "openaiApiKey": {
        "isSet": true,
        "lastFour": "nary"
      },
      "geminiApiKey": {
        "isSet": false
      },
      "allowFallback": false,
      "maxOutputTokens": 500
    }
    "#);
    // Omitted stays; the same provider keeps its model, another one has none yet; null clears.
    assert_eq!(set("provider: OPENAI, allowFallback: true").await["model"], "gpt-4o");
    insta::assert_json_snapshot!(set(r#"provider: GEMINI, geminiApiKey: "g-canary", maxOutputTokens: null"#).await, @r#"
    {
      "provider": "GEMINI",
      "model": null,
      "openaiApiKey": {
        "isSet": true,
        "lastFour": "nary"
      },
      "geminiApiKey": {
        "isSet": true
      },
      "allowFallback": true,
      "maxOutputTokens": null
    }
    "#);
    assert_eq!(set("openaiApiKey: null").await["openaiApiKey"]["isSet"], false);
    // All of the tenant's people see it, and one administrator of the platform; only the log tells who changed what.
    let seen = staff.data(&format!("{{ tenant {{ model {MODEL} }} }}")).await;
    assert_eq!(seen["tenant"]["model"]["provider"], "GEMINI");
    let root = gateway.root().await;
    let seen = root.data("{ tenants { nodes { model { provider geminiApiKey { isSet } } } } }").await;
    assert_eq!(
        seen["tenants"]["nodes"][0]["model"],
        json!({ "provider": "GEMINI", "geminiApiKey": { "isSet": true } })
    );
    let log = admin.data("{ auditLog(first: 4) { nodes { action detail } } }").await;
    assert!(!log.to_string().contains("canary"), "{log}");
    insta::assert_json_snapshot!(log["auditLog"]["nodes"], @r#"
    [
      {
        "action": "settings.model",
        "detail": "openaiApiKey"
      },
      {
        "action": "settings.model",
        "detail": "provider, geminiApiKey, maxOutputTokens"
      },
      {
        "action": "settings.model",
        "detail": "provider, allowFallback"
      },
      {
        "action": "settings.model",
        "detail": "provider, model, openaiApiKey, maxOutputTokens"
      }
    ]
    "#);
    let dump = crate::support::cluster::owner(&gateway.database)
        .await
        .query_one("SELECT string_agg(t::text, ' ') || (SELECT string_agg(s::text, ' ') FROM model_settings s) FROM tenant_secrets t", &[])
        .await
        .expect("rows")
        .get::<_, String>(0);
    assert!(dump.contains("gemini_api_key") && !dump.contains("canary") && !dump.contains(&hex::encode("canary")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let gateway = Gateway::start().await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    let (admin, other, staff) = (acme.admin().await, rival.admin().await, acme.staff().await);
    for (field, input) in [
        ("telnyxPublicKey", r#"updateSmsSettings(input: { isEnabled: true, telnyxPublicKey: "AAAA" }) { isEnabled }"#),
        (
            "twilioAccountSid",
            r#"updateSmsSettings(input: { isEnabled: true, twilioAccountSid: "AC12" }) { isEnabled }"#,
        ),
        ("telnyxApiKey", r#"updateSmsSettings(input: { isEnabled: true, telnyxApiKey: "two words" }) { isEnabled }"#),
        ("answeredBy", "updateSmsSettings(input: { isEnabled: true, answeredBy: null }) { isEnabled }"),
        ("isEnabled", "updateSmsSettings(input: { isEnabled: null }) { isEnabled }"),
        ("registrationUrl", r#"updateVoiceSettings(input: { registrationUrl: "acme" }) { isEnabled }"#),
        (
            "pineconeHost",
            r#"updateRetrievalSettings(input: { pineconeHost: "http://169.254.169.254/latest" }) { provider }"#,
        ),
        ("pineconeHost", r#"updateRetrievalSettings(input: { pineconeHost: "user@host.example" }) { provider }"#),
        ("provider", "updateRetrievalSettings(input: { provider: PINECONE }) { provider }"),
        ("model", r#"updateModelSettings(input: { model: "large", allowFallback: true }) { provider }"#),
        ("model", r#"updateModelSettings(input: { provider: BUILT_IN, model: "large" }) { provider }"#),
        ("model", r#"updateModelSettings(input: { provider: GEMINI, model: "../../v1/x" }) { provider }"#),
        ("model", r#"updateModelSettings(input: { provider: OPENAI, model: "gemini::x" }) { provider }"#),
        ("maxOutputTokens", "updateModelSettings(input: { maxOutputTokens: 0, allowFallback: true }) { provider }"),
        ("openaiApiKey", r#"updateModelSettings(input: { openaiApiKey: "two words" }) { provider }"#),
        ("provider", "updateModelSettings(input: { provider: null }) { provider }"),
        ("provider", r#"updateRetrievalSettings(input: { provider: PINECONE, pineconeIndex: "docs" }) { provider }"#),
    ] {
        let answer = admin.query(&format!("mutation {{ {input} }}")).await;
        assert_eq!(
            (code(&answer), &answer["errors"][0]["extensions"]["field"]),
            ("BAD_USER_INPUT", &json!(field)),
            "{input}"
        );
        assert_eq!(code(&staff.query(&format!("mutation {{ {input} }}")).await), "FORBIDDEN");
    }
    let untouched =
        admin.data("{ tenant { sms { isEnabled } retrieval { provider } model { provider allowFallback } } }").await;
    assert_eq!(
        untouched["tenant"],
        json!({
            "sms": { "isEnabled": false }, "retrieval": { "provider": "BUILT_IN" },
            "model": { "provider": "PLATFORM", "allowFallback": false },
        })
    );
    // A number routes to one tenant, and the other is not told to whose.
    for (field, input) in [
        ("telnyxPhoneNumber", r#"updateSmsSettings(input: { telnyxPhoneNumber: "+15550100100" }) { isEnabled }"#),
        ("twilioPhoneNumber", r#"updateSmsSettings(input: { twilioPhoneNumber: "+15550100100" }) { isEnabled }"#),
        ("phoneNumber", r#"updateVoiceSettings(input: { phoneNumber: "+15550100100" }) { isEnabled }"#),
        ("assistantId", r#"updateVoiceSettings(input: { assistantId: "assistant-1" }) { isEnabled }"#),
    ] {
        let document = format!("mutation {{ {input} }}");
        admin.data(&document).await;
        admin.data(&document).await;
        let answer = other.query(&document).await;
        assert_eq!(
            (code(&answer), &answer["errors"][0]["extensions"]["field"]),
            ("CONFLICT", &json!(field)),
            "{input}"
        );
        assert!(!answer.to_string().contains("acme"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_sets_retrieval_up_with_the_tenant() {
    let gateway = Gateway::start().await;
    let root = gateway.root().await;
    let fields = "{ retrieval { provider pineconeEnvironment pineconeApiKey { isSet lastFour } } }";
    let made = root
        .data(&format!(
            r#"mutation {{ createTenant(input: {{ name: "Acme", subdomain: "acme", pineconeEnvironment: "us-east-1", pineconeApiKey: "pc-canary-0123" }}) {fields} }}"#
        ))
        .await;
    insta::assert_json_snapshot!(made["createTenant"], @r#"
    {
      "retrieval": {
        "provider": "BUILT_IN",
        "pineconeEnvironment": "us-east-1",
        "pineconeApiKey": {
          "isSet": true,
          "lastFour": "0123"
        }
      }
    }
    "#);
    // A key that the chosen retriever stands on is not taken away from under it.
    let inside = root.in_tenant("acme");
    inside.data(r#"mutation { updateRetrievalSettings(input: { provider: PINECONE, pineconeIndex: "docs" }) { provider } }"#).await;
    let refused =
        root.query(r#"mutation { updateTenant(id: "tenant_1001", input: { pineconeApiKey: null }) { id } }"#).await;
    assert_eq!(code(&refused), "BAD_USER_INPUT");
    inside.data("mutation { updateRetrievalSettings(input: { provider: BUILT_IN }) { provider } }").await;
    let cleared = root
        .data(&format!(r#"mutation {{ updateTenant(id: "tenant_1001", input: {{ pineconeApiKey: null }}) {fields} }}"#))
        .await;
    assert_eq!(cleared["updateTenant"]["retrieval"]["pineconeApiKey"]["isSet"], false);
    assert_eq!(cleared["updateTenant"]["retrieval"]["pineconeEnvironment"], "us-east-1");
    // Not even the platform's own role reads a sealed value.
    let login = crate::support::cluster::login(&gateway.database).await;
    login.batch_execute("BEGIN; SET LOCAL ROLE frontdesk_admin").await.expect("begin");
    let refused = login.batch_execute("SELECT sealed FROM tenant_secrets").await.expect_err("no grant");
    assert_eq!(refused.code().map(tokio_postgres::error::SqlState::code), Some("42501"));
}
