//! GraphQL over HTTP to the letter of its specification.

use reqwest::{StatusCode, header};
use serde_json::{Value, json};

use crate::support::{Gateway, Plan};

#[tokio::test(flavor = "multi_thread")]
async fn statuses_follow_the_media_type() {
    let gateway = Gateway::start().await;
    let staff = gateway.tenant("acme").await.staff().await;
    let mut seen = Vec::new();
    for accept in ["application/json", "application/graphql-response+json", "*/*", "text/html", ""] {
        for (what, body) in [
            ("data", json!({ "query": "{ __typename }" })),
            ("null data", json!({ "query": "{ lead(id: \"lead_1\") { id } }" })),
            ("field error", json!({ "query": "{ lead(id: \"1\") { id } }" })),
            ("syntax", json!({ "query": "{" })),
            ("validation", json!({ "query": "{ nothing }" })),
            ("forbidden", json!({ "query": "{ tenants { totalCount } }" })),
            ("no query", json!({ "query": null })),
            ("batch", json!([{ "query": "{ __typename }" }])),
        ] {
            let mut request = staff.post("/graphql").json(&body);
            if !accept.is_empty() {
                request = request.header(header::ACCEPT, accept);
            }
            let response = request.send().await.expect("an answer");
            let (status, media) =
                (response.status().as_u16(), response.headers()["content-type"].to_str().expect("text").to_owned());
            let answer: Value = response.json().await.expect("JSON");
            seen.push(format!("{accept:<34} {what:<12} {status} {media} data: {}", answer.get("data").is_some()));
        }
    }
    insta::assert_snapshot!(seen.join("\n"), @"
    application/json                   data         200 application/json; charset=utf-8 data: true
    application/json                   null data    200 application/json; charset=utf-8 data: true
    application/json                   field error  200 application/json; charset=utf-8 data: true
    application/json                   syntax       200 application/json; charset=utf-8 data: false
    application/json                   validation   200 application/json; charset=utf-8 data: false
    application/json                   forbidden    200 application/json; charset=utf-8 data: false
    application/json                   no query     400 application/json; charset=utf-8 data: false
    application/json                   batch        400 application/json; charset=utf-8 data: false
    application/graphql-response+json  data         200 application/graphql-response+json; charset=utf-8 data: true
    application/graphql-response+json  null data    200 application/graphql-response+json; charset=utf-8 data: true
    application/graphql-response+json  field error  200 application/graphql-response+json; charset=utf-8 data: true
    application/graphql-response+json  syntax       400 application/graphql-response+json; charset=utf-8 data: false
    application/graphql-response+json  validation   400 application/graphql-response+json; charset=utf-8 data: false
    application/graphql-response+json  forbidden    403 application/graphql-response+json; charset=utf-8 data: false
    application/graphql-response+json  no query     400 application/graphql-response+json; charset=utf-8 data: false
    application/graphql-response+json  batch        400 application/graphql-response+json; charset=utf-8 data: false
    */*                                data         200 application/json; charset=utf-8 data: true
    */*                                null data    200 application/json; charset=utf-8 data: true
    */*                                field error  200 application/json; charset=utf-8 data: true
    */*                                syntax       200 application/json; charset=utf-8 data: false
    */*                                validation   200 application/json; charset=utf-8 data: false
    */*                                forbidden    200 application/json; charset=utf-8 data: false
    */*                                no query     400 application/json; charset=utf-8 data: false
    */*                                batch        400 application/json; charset=utf-8 data: false
    text/html                          data         406 application/json; charset=utf-8 data: false
    text/html                          null data    406 application/json; charset=utf-8 data: false
    text/html                          field error  406 application/json; charset=utf-8 data: false
    text/html                          syntax       406 application/json; charset=utf-8 data: false
    text/html                          validation   406 application/json; charset=utf-8 data: false
    text/html                          forbidden    406 application/json; charset=utf-8 data: false
    text/html                          no query     406 application/json; charset=utf-8 data: false
    text/html                          batch        406 application/json; charset=utf-8 data: false
                                       data         200 application/json; charset=utf-8 data: true
                                       null data    200 application/json; charset=utf-8 data: true
                                       field error  200 application/json; charset=utf-8 data: true
                                       syntax       200 application/json; charset=utf-8 data: false
                                       validation   200 application/json; charset=utf-8 data: false
                                       forbidden    200 application/json; charset=utf-8 data: false
                                       no query     400 application/json; charset=utf-8 data: false
                                       batch        400 application/json; charset=utf-8 data: false
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_json_is_read_and_only_what_is_well_formed() {
    let gateway = Gateway::start().await;
    let url = gateway.url("/graphql");
    let good = r#"{"query":"{ __typename }"}"#;
    let mut seen = Vec::new();
    for media in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin1",
        "application/graphql",
    ] {
        let mut request = gateway.http.post(&url).body(good);
        if !media.is_empty() {
            request = request.header(header::CONTENT_TYPE, media);
        }
        seen.push(format!("{media:?} {}", request.send().await.expect("an answer").status()));
    }
    for (what, body) in [
        ("not JSON", b"{".to_vec()),
        ("two documents", format!("{good}{good}").into_bytes()),
        ("not UTF-8", b"{\"query\":\"{ __typename \xff }\"}".to_vec()),
        ("a lone surrogate", br#"{"query":"\ud800"}"#.to_vec()),
        ("a deep value", format!("{{\"query\":\"{{ __typename }}\",\"variables\":{}", "[".repeat(50_000)).into_bytes()),
        ("variables as a list", br#"{"query":"{ __typename }","variables":[]}"#.to_vec()),
        ("query as a number", br#"{"query":1}"#.to_vec()),
        ("a string", br#""x""#.to_vec()),
        ("too large", format!("{{\"query\":\"{}\"}}", "x".repeat(1_100_000)).into_bytes()),
    ] {
        let response = gateway
            .http
            .post(&url)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .send()
            .await
            .expect("an answer");
        let status = response.status();
        let answer: Value = response.json().await.expect("JSON");
        seen.push(format!("{what}: {status} {}", answer["errors"][0]["message"]));
    }
    insta::assert_snapshot!(seen.join("\n"), @r#"
    "" 415 Unsupported Media Type
    "text/plain" 415 Unsupported Media Type
    "application/x-www-form-urlencoded" 415 Unsupported Media Type
    "multipart/form-data; boundary=x" 415 Unsupported Media Type
    "application/json; charset=latin1" 415 Unsupported Media Type
    "application/graphql" 415 Unsupported Media Type
    not JSON: 400 Bad Request "The body is not JSON."
    two documents: 400 Bad Request "The body is not JSON."
    not UTF-8: 400 Bad Request "The body is not JSON."
    a lone surrogate: 400 Bad Request "The body is not JSON."
    a deep value: 400 Bad Request "The body is not JSON."
    variables as a list: 400 Bad Request "`variables` must be an object."
    query as a number: 400 Bad Request "`query` must be a string."
    a string: 400 Bad Request "The body must be a JSON object with a `query`."
    too large: 413 Payload Too Large "The body is larger than the limit of 1 MiB. Send less at once."
    "#);
    for body in [
        r#"{"query":"{ __typename }","variables":null,"operationName":null,"extensions":null,"more":1}"#,
        r#"{"query":"query A { __typename }","operationName":"A"}"#,
        r#"{"query":"query A { __typename }","operationName":""}"#,
    ] {
        let response = gateway
            .http
            .post(&url)
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .body(body)
            .send()
            .await;
        assert_eq!(response.expect("an answer").json::<Value>().await.expect("JSON")["data"]["__typename"], "Query");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_reads_and_never_writes() {
    let gateway = Gateway::start().await;
    let get = async |query: &[(&str, &str)], accept: Option<&str>| {
        let url = reqwest::Url::parse_with_params(&gateway.url("/graphql"), query).expect("a URL");
        let mut request = gateway.http.get(url);
        if let Some(accept) = accept {
            request = request.header(header::ACCEPT, accept);
        }
        request.send().await.expect("an answer")
    };
    let json = Some("application/json");
    let both = "query A { __typename } query B { me { id } }";
    let read = get(&[("query", both), ("operationName", "A"), ("variables", "{}")], json).await;
    assert_eq!(read.json::<Value>().await.expect("JSON"), json!({ "data": { "__typename": "Query" } }));
    let write = get(&[("query", "mutation { logout }")], json).await;
    assert_eq!(
        (write.status(), &write.headers()["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"POST".parse().expect("a value"))
    );
    assert_eq!(get(&[("query", "{ __typename }")], None).await.status(), StatusCode::BAD_REQUEST);
    let url = gateway.url("/graphql?query=%7B__typename%7D");
    let mut seen = Vec::new();
    for (header, value) in [
        ("accept", "*/*"),
        ("accept", "image/avif,*/*;q=0.8"),
        ("accept", "application/graphql-response+json"),
        ("x-requested-with", "XMLHttpRequest"),
        ("apollo-require-preflight", "1"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-mode", "same-origin"),
        ("sec-fetch-mode", "no-cors"),
        ("sec-fetch-mode", "navigate"),
    ] {
        let response = gateway.http.get(&url).header(header, value).send().await.expect("an answer");
        seen.push(format!("{header}: {value} {}", response.status().as_u16()));
    }
    let by_a_page = gateway.http.get(&url).header("accept", "application/json").header("sec-fetch-mode", "no-cors");
    seen.push(format!("without having asked: {}", by_a_page.send().await.expect("an answer").status().as_u16()));
    insta::assert_snapshot!(seen.join("\n"), @"
    accept: */* 400
    accept: image/avif,*/*;q=0.8 400
    accept: application/graphql-response+json 200
    x-requested-with: XMLHttpRequest 200
    apollo-require-preflight: 1 200
    sec-fetch-mode: cors 200
    sec-fetch-mode: same-origin 200
    sec-fetch-mode: no-cors 400
    sec-fetch-mode: navigate 400
    without having asked: 400
    ");
    assert_eq!(get(&[], json).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(get(&[("query", "{ __typename }"), ("variables", "{")], json).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(
        get(&[("query", "{ __typename }"), ("query", "{ me { id } }")], json).await.status(),
        StatusCode::BAD_REQUEST
    );
    let watch = "subscription { conversationEvents(conversationId: \"conversation_1\") { cursor } }";
    assert_eq!(get(&[("query", watch)], json).await.status(), StatusCode::BAD_REQUEST);
    // Sent again by whatever repeats a GET, a chat would be said again.
    let chat = "subscription { chat(input: { content: \"x\" }) { cursor } }";
    for accept in [json, Some("text/event-stream")] {
        assert_eq!(get(&[("query", chat)], accept).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
    for method in [reqwest::Method::PUT, reqwest::Method::DELETE, reqwest::Method::PATCH] {
        let response = gateway.http.request(method, gateway.url("/graphql")).send().await.expect("an answer");
        assert_eq!(
            (response.status(), &response.headers()["allow"]),
            (StatusCode::METHOD_NOT_ALLOWED, &"GET, POST".parse().expect("a value"))
        );
    }
    let head = gateway.http.head(gateway.url("/graphql")).send().await.expect("an answer");
    assert_eq!(head.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_carry_the_requests_id_and_what_browsers_heed() {
    let gateway = Gateway::start().await;
    let ask = async |id: Option<&str>| {
        let mut request = gateway.http.get(gateway.url("/healthz"));
        if let Some(id) = id {
            request = request.header("x-request-id", id);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert_eq!(response.headers()["x-frame-options"], "DENY");
        response.headers()["x-request-id"].to_str().expect("text").to_owned()
    };
    assert_eq!(ask(Some("abc-1")).await, "abc-1");
    for insane in [None, Some("a b"), Some("<script>"), Some(&*"x".repeat(65))] {
        let made = ask(insane).await;
        assert_eq!(made.len(), 36, "{made}");
    }
    let lost = gateway.http.get(gateway.url("/nowhere")).send().await.expect("an answer");
    assert_eq!(
        (lost.status(), &lost.headers()["content-type"]),
        (StatusCode::NOT_FOUND, &"application/problem+json; charset=utf-8".parse().expect("a value"))
    );
    let wrong = gateway.http.delete(gateway.url("/healthz")).send().await.expect("an answer");
    assert_eq!(wrong.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test(flavor = "multi_thread")]
async fn origins_are_let_in_by_list_and_never_with_credentials() {
    let mut plan = Plan { is_production: true, ..Plan::default() };
    plan.web.cors_origins = vec!["https://good.example".to_owned()];
    let gateway = Gateway::planned(plan).await;
    let bare = Gateway::planned(Plan { is_production: true, ..Plan::default() }).await;
    for (gateway, origin, allowed) in [
        (&gateway, "https://good.example", true),
        (&gateway, "https://evil.example", false),
        (&gateway, "null", false),
        (&bare, "https://good.example", false),
    ] {
        let preflight = gateway
            .http
            .request(reqwest::Method::OPTIONS, gateway.url("/graphql"))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type,x-tenant-id")
            .send()
            .await
            .expect("an answer");
        let headers = preflight.headers();
        assert_eq!(
            headers.get("access-control-allow-origin").is_some_and(|value| value == origin),
            allowed,
            "{origin}"
        );
        assert!(headers.get("access-control-allow-credentials").is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_playground_is_there_in_development() {
    let gateway = Gateway::start().await;
    for path in ["/", "/graphiql"] {
        let page = gateway.http.get(gateway.url(path)).send().await.expect("an answer");
        assert_eq!(page.status(), StatusCode::OK);
        let text = page.text().await.expect("text");
        assert!(text.contains("Frontdesk playground") && text.contains("/graphql/ws"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_refused_unless_it_is_asked_for_and_then_bounded() {
    let settings = vec![("GRAPHQL_BATCH_MAX", "3".to_owned())];
    let gateway = Gateway::planned(Plan { settings, ..Plan::default() }).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let mut seen = Vec::new();
    let me = json!({ "query": "{ me { email } }" });
    let lead =
        |name: &str| json!({ "query": format!("mutation {{ createLead(input: {{ name: \"{name}\" }}) {{ name }} }}") });
    for (what, accept, body) in [
        ("in their order", "*/*", json!([lead("Ann"), { "query": "{ leads { totalCount } }" }, lead("Bea")])),
        ("one that fails", "*/*", json!([me, { "query": "{ nothing }" }, { "query": 1 }])),
        ("no operation", "*/*", json!([1, [], {}])),
        ("a subscription", "*/*", json!([{ "query": "subscription { chat(input: { content: \"x\" }) { cursor } }" }])),
        ("empty", "*/*", json!([])),
        ("too many", "*/*", json!([me, me, me, me])),
        ("for newer clients", "application/graphql-response+json", json!([me])),
        ("as events", "text/event-stream", json!([me])),
    ] {
        let response = admin.post("/graphql").header(header::ACCEPT, accept).json(&body).send().await;
        let response = response.expect("an answer");
        let (status, media) = (response.status().as_u16(), response.headers()["content-type"].clone());
        let text = response.text().await.expect("text");
        seen.push(format!("{what}: {status} {}\n  {text}", media.to_str().expect("text")));
    }
    insta::assert_snapshot!(seen.join("\n"), @r#"
    in their order: 200 application/json; charset=utf-8
      [{"data":{"createLead":{"name":"Ann"}}},{"data":{"leads":{"totalCount":1}}},{"data":{"createLead":{"name":"Bea"}}}]
    one that fails: 200 application/json; charset=utf-8
      [{"data":{"me":{"email":"admin@acme.example"}}},{"errors":[{"message":"Unknown field \"nothing\" on type \"Query\".","locations":[{"line":1,"column":3}],"extensions":{"code":"BAD_USER_INPUT","requestId":"test"}}]},{"errors":[{"message":"`query` must be a string.","extensions":{"code":"BAD_USER_INPUT","requestId":"test"}}]}]
    no operation: 200 application/json; charset=utf-8
      [{"errors":[{"message":"The body must be a JSON object with a `query`.","extensions":{"code":"BAD_USER_INPUT","requestId":"test"}}]},{"errors":[{"message":"The body must be a JSON object with a `query`.","extensions":{"code":"BAD_USER_INPUT","requestId":"test"}}]},{"errors":[{"message":"`query` is missing.","extensions":{"code":"BAD_USER_INPUT","requestId":"test"}}]}]
    a subscription: 200 application/json; charset=utf-8
      [{"errors":[{"message":"Subscriptions need `Accept: text/event-stream` or `multipart/mixed;subscriptionSpec=1.0`, or the WebSocket at /graphql/ws.","extensions":{"code":"BAD_USER_INPUT","requestId":"test"}}]}]
    empty: 400 application/json; charset=utf-8
      {"errors":[{"message":"The batch is empty.","extensions":{"code":"BAD_USER_INPUT","requestId":"test"}}]}
    too many: 400 application/json; charset=utf-8
      {"errors":[{"message":"A batch holds 3 operations at most; send the rest in another.","extensions":{"code":"BAD_USER_INPUT","requestId":"test"}}]}
    for newer clients: 200 application/json; charset=utf-8
      [{"data":{"me":{"email":"admin@acme.example"}}}]
    as events: 406 application/json; charset=utf-8
      {"errors":[{"message":"A batch is answered as JSON: accept `application/json`.","extensions":{"code":"BAD_USER_INPUT","requestId":"test"}}]}
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_counts_too_and_a_batch_waits_once() {
    let settings = vec![("GRAPHQL_BATCH_MAX", "100".to_owned()), ("RATE_LIMIT_REQUESTS_PER_PERSON", "60".to_owned())];
    let gateway = Gateway::planned(Plan { settings, ..Plan::default() }).await;
    let send = async |body: &Value| gateway.stranger().post("/graphql").json(body).send().await.expect("an answer");
    let mut seen = Vec::new();
    for body in [json!(1), json!({}), json!({ "query": "{" })] {
        seen.push(send(&body).await.status().as_u16());
    }
    // Ten at once; three were taken, and seven are left.
    let batch: Vec<_> = (0..12).map(|_| json!({ "query": "{ __typename }" })).collect();
    let response = send(&json!(batch)).await;
    let wait = response.headers()[header::RETRY_AFTER].clone();
    let answers: Vec<Value> = response.json().await.expect("JSON");
    let refused = answers.iter().filter(|answer| answer["errors"][0]["extensions"]["code"] == "RATE_LIMITED").count();
    seen.push(send(&json!(1)).await.status().as_u16());
    assert_eq!((seen, answers.len(), refused, wait), (vec![400, 400, 200, 429], 12, 5, header::HeaderValue::from(1)));
}
