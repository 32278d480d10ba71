//! A developer who has no account at any provider tries a channel by hand.

use secrecy::ExposeSecret;
use serde_json::json;

use crate::support::{
    Gateway, Plan, SECRET, cluster,
    fake_phones::FakePhones,
    phones::set_sms,
    process::{Server, frontdesk},
};

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// What the command says, and whether it was content.
async fn simulated(settings: &[(&str, &str)], url: &str, to: &str) -> (bool, String) {
    let arguments =
        ["simulate", "sms", "--to", to, "--from", "+15555550177", "--text", "When are you open?", "--url", url];
    let output = frontdesk(&arguments, settings).output().await.expect("it ran");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulated_text_is_answered_to_a_fake_phone() {
    let phones = FakePhones::start().await;
    let gateway = Gateway::planned(Plan { settings: phones.settings(), ..Plan::default() }).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let number =
        json!({ "isEnabled": true, "telnyxPhoneNumber": "+15555550122", "telnyxApiKey": "KEY_FAKE_0123456789" });
    set_sms(&admin, number).await;
    let database = cluster::login_url(&gateway.database);
    let settings = [
        ("PORT", "0"),
        ("DATABASE_URL", database.expose_secret()),
        ("MIGRATE_ON_START", "false"),
        ("DEMO_DATA", "false"),
        ("JWT_SECRET_KEY", SECRET),
        ("SECRET_KEY", KEY),
        ("TELNYX_API_BASE_URL", &phones.telnyx),
    ];
    let server = Server::start(&settings).await;
    let (is_well, said) = simulated(&settings, &server.url(), "+15555550122").await;
    assert!(is_well && said.starts_with("The server took it in (HTTP 200), as event "), "{said}");
    let sent = phones.next(0).await;
    assert_eq!((sent.from.as_str(), sent.to.as_str()), ("+15555550122", "+15555550177"));
    // To a number that is nobody's it is kept apart, for the administrator of the platform.
    let (is_well, said) = simulated(&settings, &server.url(), "+15555550199").await;
    assert!(is_well, "{said}");
    let apart = gateway.root().await.data("{ webhookDeliveries { nodes { status provider } } }").await;
    assert_eq!(apart["webhookDeliveries"]["nodes"], json!([{ "status": "RECEIVED", "provider": "TELNYX" }]));
    // Nobody can sign for Telnyx where Telnyx has a key, and nobody at all in production.
    let real = [settings.as_slice(), &[("TELNYX_PUBLIC_KEY", "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=")]].concat();
    let (is_well, said) = simulated(&real, &server.url(), "+15555550122").await;
    assert!(!is_well && said.contains("TELNYX_PUBLIC_KEY is set"), "{said}");
    let production = [settings.as_slice(), &[("ENVIRONMENT", "production")]].concat();
    let (is_well, said) = simulated(&production, &server.url(), "+15555550122").await;
    assert!(!is_well && said.contains("only a development server"), "{said}");
    // Another server's key is not this one's.
    let other =
        settings.map(|(name, value)| if name == "SECRET_KEY" { (name, SECRET_OF_ANOTHER) } else { (name, value) });
    let (is_well, said) = simulated(&other, &server.url(), "+15555550122").await;
    assert!(!is_well && said.contains("HTTP 403: The signature does not hold."), "{said}");
    server.stop().await;
    let (is_well, said) = simulated(&settings, "http://127.0.0.1:9", "+15555550122").await;
    assert!(!is_well && said.contains("is the server up?"), "{said}");
}

const SECRET_OF_ANOTHER: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";
