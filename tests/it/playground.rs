//! The playground: what is served of it, and what a person does with it in a real browser.

use reqwest::StatusCode;
use serde_json::{Value, json};

use frontdesk::http::WebSettings;

use crate::support::{
    Gateway, PASSWORD, Plan,
    browser::Browser,
    fake_model::{FakeModel, Script},
};

const ANSWER: &str = "section.result-window";
const RUN: &str = "button.graphiql-execute-button";

/// Brings a tab to the front, and waits until its document is there.
async fn turn_to(page: &mut Browser, tab: &str) {
    page.click(&format!("button.graphiql-tab-button[title={tab}]")).await;
    page.sees(".graphiql-query-editor", tab).await;
}

async fn sign_in(page: &mut Browser, email: &str) {
    page.click("input[type=email]").await;
    page.types(email).await;
    page.press("Tab").await;
    page.types(PASSWORD).await;
    page.press("Enter").await;
}

/// Picks the tenant to act in.
async fn act_in(page: &mut Browser, tenant: &str) {
    page.click("[aria-label='Tenant to act in']").await;
    page.types(tenant).await;
    page.until(&format!("document.querySelector('[role=listbox]')?.innerText.trim().startsWith('{tenant}')")).await;
    page.press("Enter").await;
    page.until(&format!("document.querySelector('[aria-label=\"Tenant to act in\"]').value === '{tenant}'")).await;
}

/// Two tenants, each with a lead: Ada at acme, Bea at birch.
async fn two_tenants(gateway: &Gateway) {
    for (slug, name) in [("acme", "Ada"), ("birch", "Bea")] {
        let admin = gateway.tenant(slug).await.admin().await;
        admin
            .data(&format!(
                "mutation {{ createLead(input: {{ name: \"{name}\", email: \"{name}@x.example\" }}) {{ id }} }}"
            ))
            .await;
    }
}

/// Puts the cursor into an editor.
async fn write_in(page: &mut Browser, pane: &str) {
    // What is typed before the editor is there goes nowhere.
    page.until(&format!("!!document.querySelector('{pane} .graphiql-editor:not(.hidden) .view-line')")).await;
    // Nor does a click that comes before the editor listens: as a person would, they click again.
    let is_focused = format!("!!document.querySelector('{pane} .monaco-editor.focused')");
    for _ in 0..50 {
        if page.evaluate(&is_focused).await == true {
            break;
        }
        page.click(&format!("{pane} .graphiql-editor:not(.hidden)")).await;
    }
    page.until(&is_focused).await;
}

fn header<'a>(answer: &'a reqwest::Response, name: &str) -> &'a str {
    answer.headers()[name].to_str().expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_signs_in_picks_a_tenant_asks_and_watches_a_reply_being_written() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    two_tenants(&gateway).await;
    let mut page = Browser::open(&gateway.url("/graphiql")).await;

    sign_in(&mut page, "root@platform.example").await;
    page.sees("header.bar", "root@platform.example platform administrator").await;
    page.click(RUN).await;
    page.sees(ANSWER, "\"role\": \"ADMIN\"").await;

    // By the keyboard alone: search, and take what is found.
    page.click("[aria-label='Tenant to act in']").await;
    page.sees("[role=listbox]", "acme Inc.").await;
    page.types("bir").await;
    // Before it is found, Enter takes nothing of the list that was there.
    page.press("Enter").await;
    let is_birch = "document.querySelector('[aria-label=\"Tenant to act in\"]').value === 'birch Inc.'";
    let is_found = "document.querySelector('[role=listbox]')?.innerText.trim() === 'birch Inc. birch'";
    page.until(&format!("{is_found} || {is_birch}")).await;
    page.press("Enter").await;
    page.until(is_birch).await;
    turn_to(&mut page, "Leads").await;
    page.click(RUN).await;
    page.sees(ANSWER, "\"name\": \"Bea\"").await;

    // What the headers pane says goes before the picker.
    page.click("button[data-name=headers]").await;
    write_in(&mut page, "section[aria-label=Headers]").await;
    page.types("{ \"X-Tenant-Id\": \"acme\" }").await;
    page.click(RUN).await;
    page.sees(ANSWER, "\"name\": \"Ada\"").await;

    // The question and the first words are seen while the rest is still to come.
    turn_to(&mut page, "Chat").await;
    page.click(RUN).await;
    let call = model.call().await;
    call.text("We are ").await;
    page.sees(".events .text", "We are").await;
    page.sees(".events", "live").await;
    page.sees(ANSWER, "ReplyDelta").await;
    call.text("open from nine.").await;
    page.sees(".events .text", "We are open from nine.").await;
    call.finish().await;
    page.sees(".events", "ended").await;
    page.sees(".events [role=log]", "ReplyCompleted").await;
    page.sees(".events [role=log]", "When are you open?").await;
    // It was said in the picked tenant, and nowhere else.
    let root = gateway.root().await;
    let count = "{ conversations { totalCount } }";
    assert_eq!(root.in_tenant("birch").data(count).await["conversations"]["totalCount"], 1);
    assert_eq!(root.in_tenant("acme").data(count).await["conversations"]["totalCount"], 0);

    page.click(".bar .who button").await;
    page.until("document.querySelector('input[type=email]') && !sessionStorage.getItem('frontdesk.session')").await;
    assert_eq!(page.complaints, Vec::<String>::new());
    let host = gateway.address.to_string();
    let elsewhere =
        page.requests.iter().filter(|url| !url.starts_with("data:") && !url.contains(&format!("://{host}/")));
    assert_eq!(elsewhere.collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(page.requests.contains(&format!("ws://{host}/graphql/ws")), "{:?}", page.requests);
    // Had it looked elsewhere, the policy would have stopped it, and we would have heard.
    page.evaluate("void (new Image().src = 'https://example.com/pixel.png')").await;
    page.complains("Content Security Policy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_outlives_a_reload_and_is_renewed_in_time() {
    let gateway = Gateway::planned(Plan { is_production: true, ..Plan::default() }).await;
    gateway.tenant("acme").await.admin().await;
    let mut page = Browser::open(&gateway.url("/")).await;
    page.sees(ANSWER, "shows its schema to administrators only").await;
    sign_in(&mut page, "nobody@acme.example").await;
    page.until("document.querySelector('.fault').innerText.length > 10").await;
    page.reload().await;
    sign_in(&mut page, "admin@acme.example").await;
    page.sees("header.bar", "acme Inc.").await;
    page.sees("header.bar", "tenant administrator").await;

    // A renewal that fails for a moment turns nobody out, and spends nothing.
    let busy = r#"{
        const [now, send] = [Date.now, fetch];
        Date.now = () => now() + 864e5;
        const errors = [{ message: "Busy.", extensions: { code: "UPSTREAM_UNAVAILABLE" } }];
        window.fetch = async (url, request) => {
            if (!request?.body?.includes("refreshToken(")) return send(url, request);
            window.failed = true;
            return Response.json({ errors });
        };
    }"#;
    page.evaluate(busy).await;
    page.click(RUN).await;
    page.sees(ANSWER, "\"role\": \"TENANT_ADMIN\"").await;
    page.until("window.failed").await;
    page.sees("header.bar", "tenant administrator").await;

    // As if most of the token's life had passed.
    let refresh = "JSON.parse(sessionStorage.getItem('frontdesk.session')).refreshToken";
    let before = page.evaluate(refresh).await;
    let age = "const key = 'frontdesk.session'; const kept = JSON.parse(sessionStorage.getItem(key));
               sessionStorage.setItem(key, JSON.stringify({ ...kept, renewAt: 0 }))";
    page.evaluate(&format!("{{ {age} }}")).await;
    page.reload().await;
    page.until(&format!("{refresh} !== {before}")).await;
    page.click(RUN).await;
    page.sees(ANSWER, "\"role\": \"TENANT_ADMIN\"").await;
    assert_eq!(page.complaints, Vec::<String>::new());
    let kept = page.evaluate("JSON.stringify({ ...localStorage })").await;
    assert!(!kept.as_str().expect("text").contains("eyJ"), "no token is kept for good: {kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_person_typed_is_not_there_for_the_next() {
    let gateway = Gateway::start().await;
    gateway.tenant("acme").await.admin().await;
    let mut page = Browser::open(&gateway.url("/graphiql")).await;
    // As an earlier version of the page left it.
    page.evaluate("localStorage.setItem('graphiql:queries', 'my-password')").await;
    page.reload().await;
    sign_in(&mut page, "admin@acme.example").await;
    page.sees("header.bar", "tenant administrator").await;
    let in_tab = "Object.values(sessionStorage).join().includes('my-password')";
    let for_good = "Object.values(localStorage).join().includes('my-password')";
    write_in(&mut page, ".graphiql-query-editor").await;
    page.types(" my-password ").await;
    page.until(in_tab).await;
    assert_eq!(page.evaluate(for_good).await, false);
    page.reload().await;
    page.sees(".graphiql-query-editor", "my-password").await;

    page.click(".bar .who button").await;
    page.until("!!document.querySelector('input[type=email]')").await;
    // Editors write a little late: when the new ones have, the old ones would have.
    page.until("!!sessionStorage.getItem('graphiql:tabState')").await;
    for place in [in_tab, for_good, "document.body.innerText.includes('my-password')"] {
        assert_eq!(page.evaluate(place).await, false, "{place}");
    }
    page.sees(".graphiql-query-editor", "WhoAmI").await;
    assert_eq!(page.complaints, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_go_with_the_tenant_and_the_person_that_they_were_given_to() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    two_tenants(&gateway).await;
    let mut page = Browser::open(&gateway.url("/graphiql")).await;
    let noted = "{
        const Plain = WebSocket;
        window.sockets = [];
        window.WebSocket = class extends Plain {
            constructor(...how) {
                super(...how);
                sockets.push(this);
            }
        };
    }";
    page.evaluate(noted).await;
    sign_in(&mut page, "root@platform.example").await;
    page.sees("header.bar", "platform administrator").await;
    act_in(&mut page, "acme Inc.").await;
    turn_to(&mut page, "Leads").await;
    page.click(RUN).await;
    page.sees(ANSWER, "\"name\": \"Ada\"").await;
    turn_to(&mut page, "Chat").await;
    page.click(RUN).await;
    let call = model.call().await;
    call.text("We are ").await;
    page.sees(".events .text", "We are").await;

    act_in(&mut page, "birch Inc.").await;
    page.until("!document.querySelector('.events')").await;
    // Nor is what runs still heard.
    page.until("sockets.length === 1 && sockets[0].readyState > 1").await;
    call.finish().await;
    turn_to(&mut page, "Leads").await;
    assert_eq!(page.evaluate("document.body.innerText.includes('Ada')").await, false);
    page.click(RUN).await;
    page.sees(ANSWER, "\"name\": \"Bea\"").await;

    page.click(".bar .who button").await;
    sign_in(&mut page, "admin@acme.example").await;
    page.sees("header.bar", "acme Inc.").await;
    turn_to(&mut page, "Leads").await;
    assert_eq!(page.evaluate("document.body.innerText.includes('Bea')").await, false);
    assert_eq!(page.complaints, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_ended_elsewhere_is_over_on_the_page_too() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let mut page = Browser::open(&gateway.url("/graphiql")).await;
    sign_in(&mut page, "admin@acme.example").await;
    page.sees("header.bar", "acme Inc.").await;
    // What is refused for another reason ends nothing.
    turn_to(&mut page, "SignIn").await;
    page.click(RUN).await;
    page.sees(ANSWER, "UNAUTHENTICATED").await;
    turn_to(&mut page, "Chat").await;
    page.click(RUN).await;
    let call = model.call().await;
    call.text("We are ").await;
    page.sees(".events .text", "We are").await;

    let over = "Your session has ended. Sign in again.";
    admin.data("mutation { revokeSessions }").await;
    page.sees(".bar .fault", over).await;
    page.sees(".events", "ended").await;
    call.finish().await;
    // Whoever comes back finds what they left.
    sign_in(&mut page, "admin@acme.example").await;
    page.sees("header.bar", "acme Inc.").await;
    page.sees(".events .text", "We are").await;

    turn_to(&mut page, "WhoAmI").await;
    admin.data("mutation { revokeSessions }").await;
    page.click(RUN).await;
    page.sees(".bar .fault", over).await;
    page.sees(ANSWER, "UNAUTHENTICATED").await;
    assert_eq!(page.complaints, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_tab_leaves_the_session_to_the_one_that_it_is_a_copy_of() {
    let gateway = Gateway::start().await;
    gateway.tenant("acme").await.admin().await;
    let mut page = Browser::open(&gateway.url("/graphiql")).await;
    sign_in(&mut page, "admin@acme.example").await;
    page.sees("header.bar", "acme Inc.").await;
    let refresh = "JSON.parse(sessionStorage.getItem('frontdesk.session')).refreshToken";
    let before = page.evaluate(refresh).await;
    // A window that a page opens begins with a copy of its sessionStorage, as a tab that is duplicated does.
    let copying = "addEventListener('click', () => (window.copy = open(location.href, '', 'popup')), { once: true })";
    page.evaluate(copying).await;
    page.click(".bar h1").await;
    page.until("copy.document.querySelector('.bar .fault')?.innerText.includes('This tab is a copy')").await;
    let copied = "JSON.parse(copy.sessionStorage.getItem('frontdesk.session')).refreshToken";
    assert_eq!(page.evaluate(copied).await, Value::Null);
    assert_eq!(page.evaluate(refresh).await, before);
    page.click(RUN).await;
    page.sees(ANSWER, "\"role\": \"TENANT_ADMIN\"").await;
    assert_eq!(page.complaints, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_events_push_no_button_out_of_sight() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    gateway.tenant("acme").await.admin().await;
    let mut page = Browser::open(&gateway.url("/graphiql")).await;
    sign_in(&mut page, "admin@acme.example").await;
    page.sees("header.bar", "acme Inc.").await;
    turn_to(&mut page, "Chat").await;
    page.click(RUN).await;
    let call = model.call().await;
    for piece in 0..60 {
        call.text(&format!("Piece {piece}. ")).await;
        // One that is seen is not told together with the next.
        page.sees(".events .text", &format!("Piece {piece}.")).await;
    }
    page.sees(".events .count", "62").await;
    // The list is at its end, and nothing else has moved.
    let bottom = |of: &str| format!("document.querySelector({of:?}).getBoundingClientRect().bottom");
    let (last, list) = (bottom(".events li:last-child"), bottom(".events ol"));
    page.until(&format!("Math.abs({last} - {list}) < 2")).await;

    // So is a long text; but whoever reads further up is left there, until they come back.
    let boxes = [".events .text", ".events ol"];
    let rest = |of: &str| {
        let element = format!("document.querySelector({of:?})");
        format!("{element}.scrollHeight - {element}.clientHeight - {element}.scrollTop")
    };
    let goes = |of: &str, place: &str| {
        format!(
            "new Promise((done) => {{
                const box = document.querySelector({of:?});
                box.addEventListener('scroll', () => done(), {{ once: true }});
                box.scrollTop = {place};
            }})"
        )
    };
    call.text(&"A line of many.\n".repeat(80)).await;
    page.sees(".events .text", "A line of many.").await;
    for of in boxes {
        page.until(&format!("{} < 2", rest(of))).await;
        page.evaluate(&goes(of, "0")).await;
    }
    call.text("Unseen.").await;
    page.sees(".events .text", "Unseen.").await;
    for of in boxes {
        assert_eq!(page.evaluate(&format!("document.querySelector({of:?}).scrollTop")).await, 0, "{of}");
        page.evaluate(&goes(of, "box.scrollHeight")).await;
    }
    call.text(&"The end.\n".repeat(20)).await;
    page.sees(".events .text", "The end.").await;
    for of in boxes {
        page.until(&format!("{} < 2", rest(of))).await;
    }
    page.click(RUN).await;
    page.sees(".events", "ended").await;
    page.click(".events button").await;
    page.until("!document.querySelector('.events')").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_reply_has_its_beginning_when_its_first_events_are_gone() {
    let gateway = Gateway::start().await;
    let mut page = Browser::open(&gateway.url("/graphiql")).await;
    // A server that has very much to say, and says it at once.
    let talkative = r#"{ window.WebSocket = class {
        static OPEN = 1;
        readyState = 1;
        constructor() {
            setTimeout(() => this.onopen());
        }
        send(text) {
            const { type, id } = JSON.parse(text);
            const tell = (message) => this.onmessage({ data: JSON.stringify(message) });
            if (type === "connection_init") setTimeout(() => tell({ type: "connection_ack" }));
            if (type !== "subscribe") return;
            for (let piece = 1; piece <= 1010; piece++) {
                const chat = { __typename: "ReplyDelta", text: `Piece ${piece}. ` };
                tell({ type: "next", id, payload: { data: { chat } } });
            }
        }
        close() {}
    }; }"#;
    page.evaluate(talkative).await;
    // Laying the list out for each of them takes long, and is not what is looked at here.
    page.evaluate("void document.head.insertAdjacentHTML('beforeend', '<style>.events ol { display: none }</style>')")
        .await;
    turn_to(&mut page, "Chat").await;
    page.click(RUN).await;
    page.sees(".events .count", "1010").await;
    assert_eq!(page.evaluate("document.querySelectorAll('.events li').length").await, 1000);
    page.sees(".events .text", "Piece 1. Piece 2. ").await;
    page.sees(".events .text", " Piece 1010.").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_and_its_files_are_ours_alone() {
    let gateway = Gateway::start().await;
    let get = async |path: &str| gateway.http.get(gateway.url(path)).send().await.expect("an answer");
    for path in ["/", "/graphiql"] {
        let page = get(path).await;
        assert_eq!(page.status(), StatusCode::OK);
        insta::allow_duplicates! {
            insta::assert_snapshot!(header(&page, "content-security-policy"), @"default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
        }
        assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
        assert_eq!(header(&page, "cache-control"), "no-cache");
        let html = page.text().await.expect("text");
        assert!(!html.replace("http://www.w3.org/2000/svg", "").contains("://"), "{html}");
        let files: Vec<_> = html.split('"').filter(|part| part.starts_with("/playground/")).collect();
        assert_eq!(files.len(), 2, "{html}");
        for file in files {
            let file = get(file).await;
            assert_eq!(file.status(), StatusCode::OK, "`make playground` builds it");
            assert_eq!(header(&file, "cache-control"), "public, max-age=31536000, immutable");
        }
    }
    for (name, kind) in [
        ("playground.js", "text/javascript; charset=utf-8"),
        ("playground.css", "text/css; charset=utf-8"),
        ("editor.worker.js", "text/javascript; charset=utf-8"),
        ("json.worker.js", "text/javascript; charset=utf-8"),
        ("graphql.worker.js", "text/javascript; charset=utf-8"),
        ("codicon.ttf", "font/ttf"),
    ] {
        let file = get(&format!("/playground/{name}?v=other")).await;
        assert_eq!((file.status(), header(&file, "content-type")), (StatusCode::OK, kind), "{name}");
        assert_eq!(header(&file, "cache-control"), "no-cache", "a version that is not ours is not kept");
        assert_eq!(header(&file, "x-content-type-options"), "nosniff");
        assert!(file.bytes().await.expect("unpacked").len() > 10_000, "{name}");
    }
    for path in ["/playground/", "/playground/other.js", "/playground/playground.js.gz", "/playground/..%2FCargo.toml"]
    {
        let file = get(path).await;
        assert_eq!(
            (file.status(), header(&file, "content-type")),
            (StatusCode::NOT_FOUND, "application/problem+json; charset=utf-8"),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_was_not_built_development_says_how_to_and_production_has_none() {
    let settings = |has_playground| WebSettings { has_playground, ..WebSettings::default() };
    let mut seen = Vec::new();
    for (is_production, has_playground) in [(false, true), (false, false), (true, true), (true, false)] {
        let gateway = Gateway::planned(Plan { is_production, web: settings(has_playground), ..Plan::default() }).await;
        for path in ["/graphiql", "/graphiql?cdn"] {
            let answer = gateway.http.get(gateway.url(path)).send().await.expect("an answer");
            let (status, text) = (answer.status().as_u16(), answer.text().await.expect("text"));
            let what = [
                ("make playground", "how to"),
                ("unpkg.com", "cdn"),
                ("esm.sh", "cdn"),
                ("playground.js", "ours"),
                ("without the", "none"),
            ];
            let what = what.iter().find(|(mark, _)| text.contains(mark)).map(|(_, what)| *what);
            seen.push(json!([is_production, has_playground, path, status, what]).to_string());
        }
    }
    insta::assert_snapshot!(seen.join("\n"), @r#"
    [false,true,"/graphiql",200,"ours"]
    [false,true,"/graphiql?cdn",200,"cdn"]
    [false,false,"/graphiql",200,"how to"]
    [false,false,"/graphiql?cdn",200,"cdn"]
    [true,true,"/graphiql",200,"ours"]
    [true,true,"/graphiql?cdn",200,"ours"]
    [true,false,"/graphiql",404,"none"]
    [true,false,"/graphiql?cdn",404,"none"]
    "#);
}
