//! `examples/widget.html` in a real browser: on a website that the tenant allows, and on one that it does not.

use axum::{Router, http::header, response::Html, routing::get};
use chrono::TimeDelta;
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::{
    Actor, Gateway, Plan, Tenant,
    browser::Browser,
    fake_model::{FakeModel, Script},
};

/// A website with the widget on it; gives its origin.
async fn website(gateway: &Gateway) -> String {
    let page = std::fs::read_to_string("examples/widget.html").expect("the widget");
    let page = page.replace(
        "http://localhost:8080\" data-tenant=\"brightwaves",
        &format!("{}\" data-tenant=\"acme", gateway.url("")),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("address"));
    let favicon = get(|| async { ([(header::CONTENT_TYPE, "image/x-icon")], "") });
    let router =
        Router::new().route("/", get(move || std::future::ready(Html(page.clone())))).route("/favicon.ico", favicon);
    #[expect(clippy::disallowed_methods, reason = "a test's helper has no log context to keep")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    origin
}

const LAST: &str = "#frontdesk li:last-child";
const STATUS: &str = "#frontdesk [role=status]";
const FIELD: &str = "document.querySelector('#frontdesk input').value";
const IS_WELL: &str = "document.querySelector('#frontdesk [role=status]').innerText === ''";

/// A visitor of a website that acme allows.
async fn visitor(gateway: &Gateway, acme: &Tenant<'_>) -> Browser {
    let origin = website(gateway).await;
    acme.allow(&[&origin]).await;
    let mut page = Browser::open(&origin).await;
    begins(&mut page).await;
    page
}

/// Brings the page's tab to the front, or another one.
async fn looks(page: &mut Browser, is_hidden: bool) {
    let hidden = format!("Object.defineProperty(document, 'hidden', {{ value: {is_hidden}, configurable: true }})");
    page.evaluate(&format!("{{ {hidden}; document.dispatchEvent(new Event('visibilitychange')); }}")).await;
}

/// Turns to the field, and has a session by it.
async fn begins(page: &mut Browser) {
    page.click("#frontdesk input").await;
    page.until("sessionStorage.length === 1").await;
}

async fn asks(page: &mut Browser, question: &str) {
    // What is still being sent is waited for.
    page.until("!document.querySelector('#frontdesk .send').disabled").await;
    page.click("#frontdesk input").await;
    page.types(question).await;
    page.press("Enter").await;
}

/// A person answers here.
async fn taken_over(staff: &Actor<'_>) {
    staff.data(r#"mutation { updateConversation(id: "conversation_1", input: { status: HUMAN }) { id } }"#).await;
}

/// What that person writes.
async fn writes(staff: &Actor<'_>, content: &str) {
    let input = json!({ "conversationId": "conversation_1", "content": content });
    let send = "mutation($input: SendMessageInput!) { sendMessage(input: $input) { message { id } } }";
    let answer = staff.ask(send, json!({ "input": input })).await;
    assert!(answer.get("errors").is_none(), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_chats_on_a_website_stops_a_reply_and_finds_it_all_again_after_a_reload() {
    let model = FakeModel::start(Script::ByHand).await;
    // As in production: nothing but the tenant's own list lets the page in.
    let gateway =
        Gateway::planned(Plan { is_production: true, model: Some(model.base_url.clone()), ..Plan::default() }).await;
    let acme = gateway.tenant("acme").await;
    let origin = website(&gateway).await;
    acme.allow(&[&origin]).await;
    let mut page = Browser::open(&origin).await;
    begins(&mut page).await;

    asks(&mut page, "Do you sell <b>anvils</b>?").await;
    let call = model.call().await;
    page.sees("#frontdesk li.CUSTOMER", "Do you sell <b>anvils</b>?").await;
    call.text("We <i>do</i>").await;
    // Each piece is seen while the rest is still to come, and nothing of it is markup.
    page.sees(LAST, "We <i>do</i>").await;
    page.until("!document.querySelector('#frontdesk .stop').hidden").await;
    call.text(", and feathers.").await;
    page.sees(LAST, "We <i>do</i>, and feathers.").await;
    call.finish().await;
    page.until("document.querySelector('#frontdesk .stop').hidden").await;
    assert_eq!(page.evaluate("document.querySelectorAll('#frontdesk li :not(.who)').length").await, 0);

    asks(&mut page, "Tell me everything").await;
    let call = model.call().await;
    call.text("It all began").await;
    page.sees(LAST, "It all began").await;
    // The page goes and comes while it is being written.
    page.reload().await;
    page.sees(LAST, "It all began").await;
    call.text(" long ago").await;
    page.sees(LAST, "It all began long ago").await;
    page.click("#frontdesk .stop").await;
    call.left().await;
    page.until("document.querySelector('#frontdesk .stop').hidden").await;
    page.sees(LAST, "It all began long ago").await;
    assert_eq!(page.evaluate("document.querySelectorAll('#frontdesk li').length").await, 4);

    // A person takes over, and is read where the assistant was.
    let staff = acme.staff().await;
    taken_over(&staff).await;
    writes(&staff, "This is Ann.").await;
    page.sees("#frontdesk li.AGENT", "This is Ann.").await;

    // The session is ended elsewhere: the page says so and opens another, and nothing of the first is left on it.
    staff.data(r#"mutation { revokeVisitorSessions(conversationId: "conversation_1") }"#).await;
    page.until("JSON.parse(Object.values(sessionStorage)[0] ?? '{}').conversation === 'conversation_2'").await;
    page.until("document.querySelectorAll('#frontdesk li').length === 0").await;
    page.sees(STATUS, "This chat has ended.").await;
    asks(&mut page, "Once more").await;
    let call = model.call().await;
    call.text("With pleasure.").await;
    call.finish().await;
    page.sees(LAST, "With pleasure.").await;
    page.until(IS_WELL).await;

    page.click("#frontdesk .end").await;
    page.until("JSON.parse(Object.values(sessionStorage)[0] ?? '{}').conversation === 'conversation_3'").await;
    assert_eq!(page.complaints, Vec::<String>::new());
    let hosts = [origin, gateway.url("")];
    let elsewhere: Vec<_> =
        page.requests.iter().filter(|url| !hosts.iter().any(|host| url.starts_with(host))).collect();
    assert_eq!(elsewhere, Vec::<&String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_website_that_is_not_allowed_developers_are_told_why() {
    // A browser keeps from the page what the server says, where the server does not know the page...
    let gateway = Gateway::planned(Plan { is_production: true, ..Plan::default() }).await;
    gateway.tenant("acme").await;
    let origin = website(&gateway).await;
    let mut page = Browser::open(&origin).await;
    page.click("#frontdesk input").await;
    page.sees(STATUS, "The chat can't be reached at the moment.").await;
    page.complains(&format!("Is the server up, and {origin} among the tenant's allowedOrigins?")).await;
    // ...but not where it is another tenant's.
    gateway.tenant("rival").await.allow(&[&origin]).await;
    page.reload().await;
    page.click("#frontdesk input").await;
    page.sees(STATUS, "This chat is not available at the moment.").await;
    page.complains("This tenant's `allowedOrigins` are empty, so no website can use its chat.").await;
    assert_eq!(page.evaluate("sessionStorage.length").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_message_was_not_taken_is_told_until_one_is() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let mut page = visitor(&gateway, &acme).await;
    let staff = acme.staff().await;
    taken_over(&staff).await;
    for number in 1..=5 {
        asks(&mut page, &format!("Message {number}")).await;
        page.sees(LAST, &format!("Message {number}")).await;
    }
    asks(&mut page, "Message 6").await;
    page.sees(STATUS, "Try again in 5 s.").await;
    // What is heard meanwhile takes nothing of it away.
    writes(&staff, "This is Ann.").await;
    page.sees(LAST, "This is Ann.").await;
    page.sees(STATUS, "Try again in 5 s.").await;
    gateway.clock.advance(TimeDelta::seconds(5));
    page.press("Enter").await;
    page.sees(LAST, "Message 6").await;
    page.until(IS_WELL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_listens_hears_each_message_once_and_who_says_it() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let acme = gateway.tenant("acme").await;
    let mut page = visitor(&gateway, &acme).await;
    // What comes into the log is read out, but where it says that it is not to be.
    let listening = r#"{
        window.heard = [];
        const hear = (item) => item.ariaLive === "off" || heard.push(item.textContent);
        new MutationObserver((changes) => changes.forEach(({ addedNodes }) => addedNodes.forEach(hear)))
            .observe(document.querySelector('#frontdesk [role=log]'), { childList: true });
    }"#;
    page.evaluate(listening).await;
    asks(&mut page, "Hello").await;
    let call = model.call().await;
    call.text("Good ").await;
    page.sees(LAST, "Good").await;
    page.until("document.querySelector('#frontdesk li:last-child').ariaLive === 'off'").await;
    call.text("day.").await;
    call.finish().await;
    page.until("heard.length === 2").await;
    // One that fails before its first word says why.
    model.script(Script::Status(413, "{}".to_owned()));
    asks(&mut page, "And now?").await;
    page.until("heard.length === 4").await;
    let staff = acme.staff().await;
    taken_over(&staff).await;
    writes(&staff, "This is Ann.").await;
    page.until("heard.length === 5").await;
    insta::assert_snapshot!(page.evaluate("heard.join('\\n')").await.as_str().expect("text"), @r"
    You: Hello
    Assistant: Good day.
    You: And now?
    Assistant: This conversation is too long for the model. Start a new one.
    Staff: This is Ann.
    ");
    page.until(IS_WELL).await;
    assert_eq!(page.complaints, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chat_is_folded_away_and_opened_again() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let mut page = visitor(&gateway, &acme).await;
    let is_folded = "document.querySelector('#frontdesk form').offsetHeight === 0";
    assert_eq!(page.evaluate(is_folded).await, false);
    page.click("#frontdesk .fold").await;
    page.until(is_folded).await;
    page.reload().await;
    page.until(is_folded).await;
    // It listens all the same, and shows that something came, also on the next page.
    let label = "document.querySelector('#frontdesk .fold').ariaLabel";
    let has_dot = "document.querySelector('#frontdesk').classList.contains('unread')";
    assert_eq!(page.evaluate(label).await, "Chat window");
    let staff = acme.staff().await;
    taken_over(&staff).await;
    writes(&staff, "This is Ann.").await;
    page.until(has_dot).await;
    assert_eq!(page.evaluate(label).await, "Chat window, new message");
    page.reload().await;
    page.until(has_dot).await;
    // All of it is the button.
    let at_its_name = "(() => {
        const { left, top } = document.querySelector('#frontdesk h2').getBoundingClientRect();
        document.elementFromPoint(left + 2, top + 2).click();
    })()";
    page.evaluate(at_its_name).await;
    page.sees(LAST, "This is Ann.").await;
    assert_eq!(page.evaluate(is_folded).await, false);
    assert_eq!(page.evaluate(has_dot).await, false);
    assert_eq!(page.evaluate(label).await, "Chat window");
    // What was seen, folded or not, is nothing new after a load.
    writes(&staff, "How can I help?").await;
    page.sees(LAST, "How can I help?").await;
    page.click("#frontdesk .fold").await;
    page.reload().await;
    page.until("document.querySelectorAll('#frontdesk li').length === 2").await;
    assert_eq!(page.evaluate(has_dot).await, false);
    assert_eq!(page.complaints, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_who_waits_for_a_person_keeps_the_conversation() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let mut page = visitor(&gateway, &acme).await;
    taken_over(&acme.staff().await).await;
    asks(&mut page, "Is anybody there?").await;
    page.sees(LAST, "Is anybody there?").await;

    // More than half of the token's twelve hours pass, and the page is looked at.
    let token = "JSON.parse(Object.values(sessionStorage)[0]).token";
    let first = page.evaluate(token).await;
    gateway.clock.advance(TimeDelta::hours(7));
    page.evaluate("{ const now = Date.now; Date.now = () => now() + 7 * 3_600_000; }").await;
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))").await;
    page.until(&format!("{token} !== {first}")).await;
    // The first token runs out, and the stream that was opened with it.
    gateway.clock.advance(TimeDelta::hours(6));
    writes(&gateway.sign_in("staff@acme.example").await, "Now I am.").await;
    page.sees(LAST, "Now I am.").await;
    page.sees("#frontdesk li.CUSTOMER", "Is anybody there?").await;
    page.until(IS_WELL).await;
    assert_eq!(page.complaints, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_while_a_message_is_sent_is_kept_and_what_was_not_sent_comes_back() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let mut page = visitor(&gateway, &acme).await;
    taken_over(&acme.staff().await).await;
    // A slow line, and then a broken one.
    let slow = r#"{
        const send = fetch;
        const isSent = new Promise((send) => (window.letGo = send));
        window.fetch = async (url, request) => {
            if (window.isBroken && request.body.includes("sendMessage")) throw new TypeError("broken");
            await isSent;
            return send(url, request);
        };
    }"#;
    page.evaluate(slow).await;
    asks(&mut page, "First").await;
    page.types("Second").await;
    page.evaluate("letGo()").await;
    page.sees(LAST, "First").await;
    page.until("!document.querySelector('#frontdesk .send').disabled").await;
    assert_eq!(page.evaluate(FIELD).await, "Second");

    page.evaluate("window.isBroken = true").await;
    page.press("Enter").await;
    page.sees(STATUS, "Your message was not sent. Please send it again.").await;
    assert_eq!(page.evaluate(FIELD).await, "Second");
    page.evaluate("window.isBroken = false").await;
    page.press("Enter").await;
    page.sees(LAST, "Second").await;
    // Also where something new was typed by then.
    page.until(IS_WELL).await;
    let late = r#"{
        const send = fetch;
        const isTyped = new Promise((typed) => (window.typed = typed));
        window.fetch = async (url, request) => {
            if (request.body.includes("sendMessage")) await isTyped;
            return send(url, request);
        };
        window.isBroken = true;
    }"#;
    page.evaluate(late).await;
    asks(&mut page, "Third").await;
    page.types("Fourth").await;
    page.evaluate("typed()").await;
    page.sees(STATUS, "Your message was not sent.").await;
    assert_eq!(page.evaluate(FIELD).await, "Third Fourth");
    page.evaluate("window.isBroken = false").await;
    page.press("Enter").await;
    page.sees(LAST, "Third Fourth").await;
    page.until(IS_WELL).await;
    assert_eq!(page.evaluate(FIELD).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_answer_was_lost_is_sent_again_as_the_same() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let mut page = visitor(&gateway, &acme).await;
    taken_over(&acme.staff().await).await;
    let deaf = r#"{
        const send = fetch;
        window.fetch = async (url, request) => {
            const answer = await send(url, request);
            if (window.isWell || !request.body.includes("sendMessage")) return answer;
            throw new TypeError("lost");
        };
    }"#;
    page.evaluate(deaf).await;
    // It is not heard of elsewhere either.
    looks(&mut page, true).await;
    asks(&mut page, "Once").await;
    page.sees(STATUS, "Your message was not sent.").await;
    assert_eq!(page.evaluate(FIELD).await, "Once");
    page.evaluate("window.isWell = true").await;
    page.press("Enter").await;
    page.sees(LAST, "Once").await;
    page.until(IS_WELL).await;
    looks(&mut page, false).await;
    // Said again later it is another.
    asks(&mut page, "Once").await;
    asks(&mut page, "Twice").await;
    page.sees(LAST, "Twice").await;
    assert_eq!(page.evaluate("document.querySelectorAll('#frontdesk li').length").await, 3);

    // One that is heard of after all has nothing left to be sent.
    gateway.clock.advance(TimeDelta::minutes(1));
    page.evaluate("window.isWell = false").await;
    looks(&mut page, true).await;
    asks(&mut page, "Thrice").await;
    page.sees(STATUS, "Your message was not sent.").await;
    looks(&mut page, false).await;
    page.sees(LAST, "Thrice").await;
    page.until(IS_WELL).await;
    assert_eq!(page.evaluate(FIELD).await, "");
    // But what was typed behind it has.
    looks(&mut page, true).await;
    asks(&mut page, "Again").await;
    page.sees(STATUS, "Your message was not sent.").await;
    page.types(" and more").await;
    looks(&mut page, false).await;
    page.sees(LAST, "Again").await;
    page.until(IS_WELL).await;
    assert_eq!(page.evaluate(FIELD).await, "and more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_refused_is_told_and_asked_for_again_when_it_may_be() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let mut page = visitor(&gateway, &acme).await;
    let staff = acme.staff().await;
    // A proxy before the server has no place for another stream; and nobody has to wait here.
    let busy = r#"{
        const [send, later] = [fetch, setTimeout];
        window.fetch = async (url, request) => {
            if (!url.endsWith("/stream") || window.isQuiet) return send(url, request);
            const headers = { "Content-Type": "text/html", "Retry-After": "7" };
            return new Response("<h1>Service Unavailable</h1>", { status: 503, headers });
        };
        window.pauses = [];
        window.setTimeout = (done, pause) => (pauses.push(pause), later(done, 20));
    }"#;
    page.evaluate(busy).await;
    staff.data(r#"mutation { revokeVisitorSessions(conversationId: "conversation_1") }"#).await;
    page.sees(STATUS, "The chat can't be reached").await;
    page.complains("The server said 503").await;
    page.until("pauses.includes(7000)").await;
    page.evaluate("window.isQuiet = true").await;
    page.until("!document.querySelector('#frontdesk [role=status]').innerText.includes('reached')").await;
    asks(&mut page, "Hello again").await;
    page.until(IS_WELL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_that_was_shut_for_a_while_goes_on_when_somebody_writes_or_begins_anew() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let mut page = visitor(&gateway, &acme).await;
    let root = gateway.root().await;
    let switch = async |is_active: bool| {
        let input = format!("id: \"tenant_1001\", input: {{ isActive: {is_active} }}");
        root.data(&format!("mutation {{ updateTenant({input}) {{ id }} }}")).await;
    };
    switch(false).await;
    page.sees(STATUS, "This chat is not available at the moment.").await;
    switch(true).await;
    asks(&mut page, "Are you back?").await;
    page.sees("#frontdesk li.CUSTOMER", "Are you back?").await;
    page.until(IS_WELL).await;
    page.until("JSON.parse(Object.values(sessionStorage)[0]).conversation === 'conversation_1'").await;

    switch(false).await;
    page.sees(STATUS, "This chat is not available at the moment.").await;
    switch(true).await;
    page.click("#frontdesk .end").await;
    page.until("JSON.parse(Object.values(sessionStorage)[0] ?? '{}').conversation === 'conversation_2'").await;
    page.until(IS_WELL).await;

    // A person closes the second one: whoever writes there is told of the way out.
    let close = r#"mutation { updateConversation(id: "conversation_2", input: { status: CLOSED }) { id } }"#;
    acme.staff().await.data(close).await;
    asks(&mut page, "One thing more").await;
    page.sees(STATUS, "This chat is closed. “New chat” begins another.").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tab_that_nobody_looks_at_holds_no_connection_and_misses_nothing() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let mut page = visitor(&gateway, &acme).await;
    let counted = r#"{
        const send = fetch;
        window.streams = 0;
        window.fetch = async (url, request) => {
            if (!url.endsWith("/stream")) return send(url, request);
            request.signal.addEventListener("abort", () => (streams -= 1));
            streams += 1;
            return send(url, request);
        };
    }"#;
    page.evaluate(counted).await;
    looks(&mut page, true).await;
    looks(&mut page, false).await;
    page.until("streams === 1").await;
    looks(&mut page, true).await;
    page.until("streams === 0").await;
    let staff = acme.staff().await;
    taken_over(&staff).await;
    writes(&staff, "This is Ann.").await;
    assert_eq!(page.evaluate("document.querySelectorAll('#frontdesk li').length").await, 0);
    looks(&mut page, false).await;
    page.sees(LAST, "This is Ann.").await;
    page.until(IS_WELL).await;
    assert_eq!(page.complaints, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_hangs_is_given_up_and_comes_back() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let mut page = visitor(&gateway, &acme).await;
    taken_over(&acme.staff().await).await;
    // The browser has no connection left; and nobody has to wait here.
    let stuck = r#"{
        const send = fetch;
        window.given = [];
        AbortSignal.timeout = (pause) => {
            const end = new AbortController();
            window.runOut = () => end.abort(new DOMException("timed out", "TimeoutError"));
            given.push(pause);
            return end.signal;
        };
        window.fetch = async (url, request) => {
            if (window.isWell || !request.body.includes("sendMessage")) return send(url, request);
            window.isStuck = true;
            return new Promise((_, fail) => request.signal.addEventListener("abort", () => fail(request.signal.reason)));
        };
    }"#;
    page.evaluate(stuck).await;
    asks(&mut page, "Hello").await;
    page.until("window.isStuck").await;
    assert_eq!(page.evaluate(FIELD).await, "");
    assert_eq!(page.evaluate("given.at(-1)").await, 30_000);
    page.evaluate("runOut()").await;
    page.sees(STATUS, "Your message was not sent.").await;
    assert_eq!(page.evaluate(FIELD).await, "Hello");
    page.evaluate("window.isWell = true").await;
    page.press("Enter").await;
    page.sees(LAST, "Hello").await;
    page.until(IS_WELL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_gone_on_to_the_pages_own_form_keeps_the_keyboard() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let mut page = visitor(&gateway, &acme).await;
    taken_over(&acme.staff().await).await;
    let slow = r#"{
        const send = fetch;
        const isSent = new Promise((send) => (window.letGo = send));
        window.fetch = async (url, request) => {
            if (request.body.includes("sendMessage")) await isSent;
            return send(url, request);
        };
        document.querySelector("main").insertAdjacentHTML("beforeend", "<input id=own>");
    }"#;
    page.evaluate(slow).await;
    asks(&mut page, "First").await;
    page.click("#own").await;
    page.evaluate("letGo()").await;
    page.sees(LAST, "First").await;
    page.until("!document.querySelector('#frontdesk .send').disabled").await;
    page.types("Mine").await;
    assert_eq!(page.evaluate("own.value").await, "Mine");
    assert_eq!(page.evaluate(FIELD).await, "");
    // Whoever has not stays in the chat's field, also by its button.
    asks(&mut page, "Second").await;
    page.sees(LAST, "Second").await;
    page.types("Third").await;
    page.click("#frontdesk .send").await;
    page.sees(LAST, "Third").await;
    page.until("document.activeElement === document.querySelector('#frontdesk input')").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_further_up_stays_there_until_they_write() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let mut page = visitor(&gateway, &acme).await;
    let staff = acme.staff().await;
    taken_over(&staff).await;
    writes(&staff, &"A line of many.\n".repeat(60)).await;
    page.sees(LAST, "A line of many.").await;
    let log = "document.querySelector('#frontdesk [role=log]')";
    page.evaluate(&format!("{log}.scrollTop = 0")).await;
    writes(&staff, "This is Ann.").await;
    page.sees(LAST, "This is Ann.").await;
    assert_eq!(page.evaluate(&format!("{log}.scrollTop")).await, 0);
    asks(&mut page, "I see.").await;
    page.sees(LAST, "I see.").await;
    page.until(&format!("{log}.scrollHeight - {log}.scrollTop - {log}.clientHeight < 2")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_only_looked_at_opens_no_conversation() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let origin = website(&gateway).await;
    acme.allow(&[&origin]).await;
    let mut page = Browser::open(&origin).await;
    let is_quiet = |page: &Browser| !page.requests.iter().any(|url| url.starts_with(&gateway.url("")));
    page.click("#frontdesk .fold").await;
    page.reload().await;
    assert!(is_quiet(&page), "{:?}", page.requests);
    // Whoever opens it has a conversation, and one only.
    page.click("#frontdesk .fold").await;
    page.until("Object.values(sessionStorage).some((kept) => kept.includes('conversation_1'))").await;
    assert!(!is_quiet(&page));
    page.reload().await;
    taken_over(&acme.staff().await).await;
    asks(&mut page, "Hello").await;
    page.sees(LAST, "Hello").await;
    page.until("Object.values(sessionStorage).some((kept) => kept.includes('conversation_1'))").await;
}
