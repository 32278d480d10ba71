//! Secrets go in, and never come out: a canary is planted wherever there is place for one, things go wrong, and all that the
//! program says, logs and keeps is looked through.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{
    Gateway, PASSWORD, Plan, cluster,
    fake_phones::{FakePhones, Script},
    log,
    phones::{Account, says},
};

const OURS: &str = "+15555550122";
/// What every canary has in it, but in its last four characters, which people are shown.
const MARK: &str = "canary-song";

/// All that the database holds, as text.
async fn kept(gateway: &Gateway) -> String {
    let owner = cluster::owner(&gateway.database).await;
    let tables = owner.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", &[]).await.expect("tables");
    let mut kept = String::new();
    for table in tables {
        let table: String = table.get(0);
        let rows = owner.query(&format!("SELECT t::text FROM \"{table}\" AS t"), &[]).await.expect("rows");
        kept.extend(rows.iter().map(|row| row.get::<_, String>(0)));
    }
    kept
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_entrusted_comes_out_nowhere() {
    let phones = FakePhones::start().await;
    let gateway = Gateway::planned(Plan { settings: phones.settings(), ..Plan::default() }).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let account = Account::new(1);
    let secret = |of: &str| format!("{of}-{MARK}-{of}");
    let set = "mutation($sms: SmsSettingsInput!, $model: ModelSettingsInput!, $retrieval: RetrievalSettingsInput!) {
        updateSmsSettings(input: $sms) { telnyxApiKey { isSet lastFour } twilioAuthToken { isSet } twilioSharedKey { isSet } }
        updateModelSettings(input: $model) { openaiApiKey { isSet lastFour } geminiApiKey { isSet } }
        updateRetrievalSettings(input: $retrieval) { pineconeApiKey { isSet lastFour } } }";
    let secrets = json!({
        "sms": { "isEnabled": true, "telnyxPhoneNumber": OURS, "telnyxPublicKey": account.key(), "telnyxApiKey": secret("telnyx"),
                 "twilioPhoneNumber": "+15555550123", "twilioAccountSid": format!("AC{}", "0a".repeat(16)),
                 "twilioAuthToken": secret("twilio"), "twilioSharedKey": secret("shared") },
        "model": { "openaiApiKey": secret("openai"), "geminiApiKey": secret("gemini") },
        "retrieval": { "pineconeApiKey": secret("pinecone") },
    });
    let mut said = vec![admin.ask(set, secrets).await];
    assert!(said[0].get("errors").is_none(), "{said:?}");
    // What is no secret is refused, and not repeated.
    for (document, wrong) in [
        (
            "mutation($s: String!) { updateSmsSettings(input: { telnyxApiKey: $s }) { isEnabled } }",
            format!("a {MARK} of words"),
        ),
        (
            "mutation($s: String!) { changePassword(input: { currentPassword: $s, newPassword: $s }) }",
            format!("{MARK}-wrong"),
        ),
        (
            "mutation($s: String!) { login(input: { email: \"admin@acme.example\", password: $s }) { expiresIn } }",
            MARK.to_owned(),
        ),
        ("mutation($s: String!) { updateSmsSettings(input: { telnyxApiKey: [$s] }) { isEnabled } }", MARK.to_owned()),
    ] {
        let answer = admin.ask(document, json!({ "s": wrong })).await;
        assert!(answer.get("errors").is_some(), "{document}");
        said.push(answer);
    }
    // The provider refuses the key; then the key does not even open.
    phones.script([Script::Refuse(401, json!({ "errors": [{ "code": "10009", "title": "Authentication failed" }] }))]);
    let at = gateway.clock.now().timestamp();
    for event in ["e1", "e2"] {
        let body = says(event, "+15555550111", OURS, "Hello?");
        assert_eq!(account.posts(&gateway, &body, at).await.status(), StatusCode::OK);
        gateway.work().await;
        let owner = cluster::owner(&gateway.database).await;
        owner.execute("UPDATE tenant_secrets SET sealed = '\\x01020304'", &[]).await.expect("damaged");
    }
    assert_eq!(phones.asked().len(), 1);
    assert!(phones.asked()[0].by.contains(MARK), "the provider alone gets it");
    for document in [
        "{ tenant { sms { telnyxApiKey { isSet lastFour } } } auditLog(first: 50) { nodes { action detail } } }",
        "{ webhookDeliveries { nodes { status lastError } } }",
        "{ conversations { nodes { messages { nodes { content texts { status failure } } } } } }",
    ] {
        let answer: Value = admin.query(document).await;
        said.push(answer);
    }
    for path in ["/metrics", "/readyz", "/graphiql", "/nowhere"] {
        let page = gateway.http.get(gateway.url(path)).send().await.expect("an answer").text().await.expect("text");
        said.push(page.into());
    }
    let (said, kept, logged) = (json!(said).to_string(), kept(&gateway).await, log::logged());
    for (place, text) in [("said", &said), ("kept", &kept), ("logged", &logged)] {
        for canary in [MARK, &hex::encode(MARK), PASSWORD, &hex::encode(PASSWORD)] {
            let around = text.find(canary).map(|at| text.get(at.saturating_sub(200)..at + 20));
            assert!(around.is_none(), "{canary} is {place}: {around:?}");
        }
    }
    assert!(kept.contains("telnyx_api_key") && logged.contains("WARN"), "what was looked through is really there");
}
