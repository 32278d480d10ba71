//! A new version is rolled out: two nodes are told to stop and started again, one after the other, while customers write and
//! people chat. Providers and clients do what they do: what is refused or cut off they send again.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use frontdesk::kernel::clock::Clock;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::support::{
    Actor, Gateway, Plan, cluster,
    fake_model::{FakeModel, Script, delta, end},
    fake_phones::FakePhones,
    phones::{Account, says, set_sms, with_number},
    process::Server,
    redis::Redis,
};

const OURS: &str = "+15555550122";
/// Texts, and questions on the web; each restart falls into the middle of them.
const TEXTS: usize = 120;
const QUESTIONS: usize = 60;

/// The nodes that a load balancer knows; one that is gone is found out by asking it.
struct Nodes {
    addresses: Mutex<[SocketAddr; 2]>,
    next: AtomicUsize,
}

impl Nodes {
    async fn any(&self) -> SocketAddr {
        let addresses = self.addresses.lock().await;
        addresses[self.next.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

/// Posts until it is taken, at whichever node.
async fn post(nodes: &Nodes, http: &reqwest::Client, account: &Account, body: &str) {
    loop {
        let request = http.post(format!("http://{}/api/v1/telnyx/sms", nodes.any().await));
        let at = Clock::system().now().timestamp();
        match account.signs(request, body, at).send().await {
            Ok(answer) if answer.status().is_success() => return,
            _ => tokio::task::yield_now().await,
        }
    }
}

/// Asks until it is stored, always by the same id.
async fn ask(nodes: &Nodes, admin: &Actor<'_>, conversation: &str, number: usize) {
    let document = "mutation($i: SendMessageInput!) { sendMessage(input: $i) { message { id } } }";
    let input =
        json!({ "conversationId": conversation, "content": "How much?", "clientMessageId": format!("q{number}") });
    let body = json!({ "query": document, "variables": { "i": input } });
    loop {
        let asked = admin.at(nodes.any().await).post("/graphql").json(&body).send().await;
        let Ok(answer) = asked else { continue };
        let answer: Value = answer.json().await.unwrap_or_default();
        if answer["data"]["sendMessage"]["message"]["id"].is_string() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

async fn count(gateway: &Gateway, question: &str) -> i64 {
    cluster::owner(&gateway.database).await.query_one(question, &[]).await.expect("a count").get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_are_restarted_under_load_and_nothing_is_lost_nor_billed_twice() {
    let redis = Redis::start().await;
    let reply = format!("{}{}", delta("Twelve a month."), end());
    let (model, phones) = (FakeModel::start(Script::Bytes(reply)).await, FakePhones::start().await);
    let plan = Plan { clock: Clock::system(), housekeeping: None, settings: phones.settings(), ..Plan::default() };
    let gateway = Gateway::planned(plan).await;
    let account = Account::new(1);
    let admin = with_number(&gateway.tenant("acme").await, OURS, &account).await;
    set_sms(&admin, json!({ "telnyxApiKey": "KEY_FAKE_0123456789" })).await;
    let (url, settings) = (redis.url(), phones.settings());
    let node = async || {
        let mut all =
            vec![("REDIS_URL", url.as_str()), ("OPENAI_API_KEY", "test-key"), ("OPENAI_BASE_URL", &model.base_url)];
        all.extend(settings.iter().map(|(name, value)| (*name, value.as_str())));
        Server::over(&gateway, &all).await
    };
    let (one, two) = tokio::join!(node(), node());
    let nodes = Arc::new(Nodes { addresses: Mutex::new([one.address(), two.address()]), next: AtomicUsize::new(0) });

    let http = reqwest::Client::new();
    let texts = async {
        for number in 0..TEXTS {
            let body = says(&format!("event-{number}"), &format!("+1555{number:07}"), OURS, "How much?");
            post(&nodes, &http, &account, &body).await;
        }
    };
    let questions = async {
        for number in 0..QUESTIONS {
            let conversation = admin.conversation().await;
            ask(&nodes, &admin, &conversation, number).await;
        }
    };
    let roll_out = async {
        // Begun when there is work in all stages.
        phones.next(5).await;
        one.stop().await;
        let one = node().await;
        nodes.addresses.lock().await[0] = one.address();
        two.stop().await;
        let two = node().await;
        nodes.addresses.lock().await[1] = two.address();
        (one, two)
    };
    let ((), (), (one, two)) = tokio::join!(texts, questions, roll_out);

    // Every customer has one answer, and only one.
    phones.next(TEXTS - 1).await;
    while count(&gateway, "SELECT count(*) FROM jobs WHERE state <> 'DEAD'").await > 0
        || count(&gateway, "SELECT count(*) FROM messages WHERE status IN ('PENDING', 'STREAMING')").await > 0
    {
        tokio::task::yield_now().await;
    }
    let sent = phones.asked();
    let to: BTreeSet<_> = sent.iter().map(|text| text.to.clone()).collect();
    assert_eq!((sent.len(), to.len()), (TEXTS, TEXTS));
    assert!(sent.iter().all(|text| text.text == "Twelve a month."), "{sent:?}");
    // Every event and every question is stored once, answered once, and billed once.
    let owner = cluster::owner(&gateway.database).await;
    let rows = "SELECT role || ' ' || status || coalesce(' ' || failure_cause, ''), count(*) FROM messages GROUP BY 1 ORDER BY 1";
    let rows = owner.query(rows, &[]).await.expect("messages");
    let messages: BTreeMap<String, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let all = i64::try_from(TEXTS + QUESTIONS).expect("a count");
    assert_eq!(
        messages,
        BTreeMap::from([("ASSISTANT COMPLETE".to_owned(), all), ("CUSTOMER COMPLETE".to_owned(), all)])
    );
    assert_eq!(count(&gateway, "SELECT count(*) FROM usage_entries").await, all);
    assert_eq!(
        count(&gateway, "SELECT sum(prompt_tokens + completion_tokens)::bigint FROM usage_entries").await,
        25 * all
    );
    assert_eq!(model.calls().await, TEXTS + QUESTIONS, "no model was asked twice for one answer");
    let deliveries = "SELECT count(*) FROM webhook_deliveries WHERE status = 'PROCESSED'";
    assert_eq!(count(&gateway, deliveries).await, i64::try_from(TEXTS).expect("a count"));
    assert_eq!(count(&gateway, "SELECT count(*) FROM jobs").await, 0, "none was given up");
    one.stop().await;
    two.stop().await;
}
