//! What the program itself logs on a busy day: who, which, and why; never what anybody said, nor their number or address; and
//! each fault once.

use frontdesk::kernel::clock::Clock;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::{
    CHAT, Gateway, PASSWORD, Plan, SECRET, cluster,
    fake_phones::{FakePhones, Script},
    phones::{Account, says, set_sms},
    process::{Logged, Server},
};

const OURS: &str = "+15555550122";
const THEIRS: &str = "+15555550177";
/// In every word that nobody may see.
const MARK: &str = "canary-song";

/// What was said of a request, or of a job, that somebody should look at.
fn faults<'l>(log: &'l [Value], of: &str, id: &str) -> Vec<&'l Value> {
    let is_of = |line: &&Value| line["spans"].as_array().is_some_and(|spans| spans.iter().any(|span| span[of] == id));
    log.iter().filter(is_of).filter(|line| line["level"] == "ERROR" || line["level"] == "WARN").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_day_is_logged_without_a_word_of_anybodys() {
    let phones = FakePhones::start().await;
    let gateway =
        Gateway::planned(Plan { settings: phones.settings(), clock: Clock::system(), ..Plan::default() }).await;
    let (account, tenant) = (Account::new(1), gateway.tenant("acme").await);
    let admin = tenant.admin().await;
    let (visitor, conversation) = tenant.visitor().await;
    let key = format!("telnyx-{MARK}-0123456789");
    let input =
        json!({ "isEnabled": true, "telnyxPhoneNumber": OURS, "telnyxPublicKey": account.key(), "telnyxApiKey": key });
    set_sms(&admin, input).await;
    // The provider repeats in its refusal whom the text was for.
    let detail = format!("The number {THEIRS} of canary@example.org can't be reached.");
    let refusal = json!({ "errors": [{ "code": "40300", "title": detail, "detail": detail }] });
    phones.script([Script::Refuse(400, refusal)]);
    let mut server = Server::over(&gateway, &[("TELNYX_API_BASE_URL", &phones.telnyx)]).await;
    let mut logged = Logged::of(&mut server);
    let post = |path: &str| gateway.http.post(format!("{}{path}", server.url()));
    let ask = async |token: Option<&str>, query: &str, variables: Value| {
        let request = post("/graphql/stream").json(&json!({ "query": query, "variables": variables }));
        let request = token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
        request.send().await.expect("an answer").text().await.expect("text")
    };
    let said = format!("I am Ann, {THEIRS}, ann@example.org, {MARK}.");
    let told =
        ask(visitor.token.as_deref(), CHAT, json!({ "input": { "conversationId": conversation, "content": said } }))
            .await;
    assert!(told.contains("ReplyCompleted"), "{told}");
    let login = "mutation($e: String!, $p: String!) { login(input: { email: $e, password: $p }) { expiresIn } }";
    ask(None, login, json!({ "e": "admin@acme.example", "p": PASSWORD })).await;
    ask(None, login, json!({ "e": "admin@acme.example", "p": MARK })).await;
    ask(Some(MARK), "{ me { id } }", json!({})).await;
    let lead = "mutation($i: CreateLeadInput!) { createLead(input: $i) { id } }";
    ask(admin.token.as_deref(), lead, json!({ "i": { "name": MARK, "phone": THEIRS, "email": "bob@example.org" } }))
        .await;
    ask(admin.token.as_deref(), lead, json!({ "i": { "phone": [THEIRS] } })).await;
    post(&format!("/{THEIRS}/ann@example.org?q={MARK}")).send().await.expect("an answer");
    let odd = reqwest::Method::from_bytes(MARK.to_uppercase().as_bytes()).expect("a method");
    gateway.http.request(odd, format!("{}/graphql", server.url())).send().await.expect("an answer");
    let text = says("e1", THEIRS, OURS, &said);
    let now = Clock::system().now().timestamp();
    let sms = || post("/api/v1/telnyx/sms");
    assert_eq!(Account::new(2).signs(sms(), &text, now).send().await.expect("an answer").status(), 403);
    let lost = says("e2", THEIRS, "+15555550199", &said);
    account.signs(sms(), &lost, now).send().await.expect("an answer");
    assert_eq!(account.signs(sms(), &text, now).send().await.expect("an answer").status(), 200);
    assert_eq!(phones.next(0).await.to, THEIRS);
    server.stop().await;
    let log = logged.rest().await;
    let all = json!(log).to_string();
    for canary in [
        MARK,
        "5555550177",
        "5555550122",
        "5555550199",
        "example.org",
        "acme.example",
        "CANARY",
        PASSWORD,
        SECRET,
        "Ann",
    ] {
        let around = all.find(canary).map(|at| all.get(at.saturating_sub(200)..at + 20));
        assert!(around.is_none(), "{canary} is logged: {around:?}");
    }
    let messages: Vec<_> = log.iter().filter_map(|line| line["fields"]["message"].as_str()).collect();
    for message in ["answered", "a webhook whose signature does not hold", "a text was not sent"] {
        assert!(messages.contains(&message), "{message} in {messages:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn why_the_database_is_away_is_logged() {
    let gateway = Gateway::planned(Plan { clock: Clock::system(), ..Plan::default() }).await;
    // Past a pooler, which has words of its own.
    let direct = cluster::owner_url(&gateway.database).expose_secret().replace("user=postgres", "user=frontdesk_app");
    let mut server = Server::over(&gateway, &[("DATABASE_URL", &direct)]).await;
    let mut logged = Logged::of(&mut server);
    cluster::take_away(&gateway.database).await;
    let log = logged.until("(SQLSTATE 55000)").await;
    let line = &log.last().expect("a line")["fields"];
    assert_eq!(line["message"], "the database can't be reached");
    let why = format!(
        "connection pool: database \"{}\" is not currently accepting connections (SQLSTATE 55000)",
        gateway.database
    );
    assert_eq!(line["error"], why);
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_is_logged_once_with_whose_it_was() {
    let gateway = Gateway::planned(Plan { clock: Clock::system(), ..Plan::default() }).await;
    let (account, tenant) = (Account::new(1), gateway.tenant("acme").await);
    let admin = tenant.admin().await;
    let input = json!({ "isEnabled": true, "telnyxPhoneNumber": OURS, "telnyxPublicKey": account.key() });
    set_sms(&admin, input).await;
    let mut server = Server::over(&gateway, &[]).await;
    let mut logged = Logged::of(&mut server);
    let owner = cluster::owner(&gateway.database).await;
    let rename = async |table: &str, from: &str, to: &str| {
        let statement = format!("ALTER TABLE {table} RENAME COLUMN {from} TO {to}");
        owner.batch_execute(&statement).await.expect("renamed");
    };
    let ask = async |id: &str, query: &str| {
        let request = gateway.http.post(format!("{}/graphql", server.url())).header("x-request-id", id);
        let token = admin.token.as_deref().expect("a token");
        let answer = request.bearer_auth(token).json(&json!({ "query": query })).send().await.expect("an answer");
        answer.json::<Value>().await.expect("JSON")
    };
    let text = async |id: &str| {
        let request = gateway.http.post(format!("{}/api/v1/telnyx/sms", server.url())).header("x-request-id", id);
        let (body, now) = (says(id, THEIRS, OURS, "Hello?"), Clock::system().now().timestamp());
        account.signs(request, &body, now).send().await.expect("an answer").status()
    };
    // In a resolver, in a batch for several rows, in a webhook, and in a job.
    rename("leads", "notes", "canary_notes").await;
    let answer = ask("resolver", "{ leads { nodes { id } } }").await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "INTERNAL");
    rename("webhook_deliveries", "event_type", "canary_type").await;
    assert_eq!(text("webhook").await, 503);
    rename("webhook_deliveries", "canary_type", "event_type").await;
    assert_eq!(text("good").await, 200);
    let mut log = logged.until("a job failed").await;
    server.stop().await;
    log.extend(logged.rest().await);
    for (id, message) in [("resolver", "a resolver failed"), ("webhook", "a webhook could not be kept")] {
        let faults = faults(&log, "request_id", id);
        assert_eq!(faults.len(), 1, "{faults:#?}");
        let line = faults[0];
        assert_eq!((&line["level"], &line["fields"]["message"]), (&json!("ERROR"), &json!(message)));
        assert_eq!(line["span"]["tenant"], tenant.id.to_string());
    }
    let failed: Vec<_> = log.iter().filter(|line| line["fields"]["message"] == "a job failed").collect();
    let mut tries: Vec<_> = failed.iter().map(|line| (&line["span"]["job"], &line["span"]["attempt"])).collect();
    let count = tries.len();
    tries.dedup();
    assert_eq!(tries.len(), count, "each try once: {failed:#?}");
    assert_eq!(
        (&failed[0]["span"]["kind"], &failed[0]["span"]["tenant"]),
        (&json!("delivery"), &json!(tenant.id.to_string()))
    );
    let of_jobs = log.iter().filter(|line| line["span"]["name"] == "job");
    assert!(of_jobs.filter(|line| line["level"] != "INFO").count() == count, "nothing else is said of it");
}
