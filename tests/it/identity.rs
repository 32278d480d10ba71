//! Who signs in, who is turned away, and what a token is worth.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::{Gateway, PASSWORD, code};

const LOGIN: &str = "mutation($e: String!, $p: String!) { login(input: { email: $e, password: $p }) \
                     { accessToken refreshToken expiresIn tokenType user { email role tenant { id } lastLoginAt } } }";

/// The claims of a token, unverified.
fn claims(token: &str) -> Value {
    jsonwebtoken::dangerous::insecure_decode::<Value>(token).expect("a token").claims
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_makes_a_tenant_and_its_admin_signs_in() {
    let gateway = Gateway::start().await;
    let root = gateway.root().await;
    let made = root
        .data(r#"mutation { createTenant(input: { name: "Example Co", subdomain: "ExampleCo" }) { id subdomain isActive createdAt } }"#)
        .await;
    insta::assert_json_snapshot!(made, @r#"
    {
      "createTenant": {
        "id": "tenant_1001",
        "subdomain": "exampleco",
        "isActive": true,
        "createdAt": "2026-11-21T12:00:00Z"
      }
    }
    "#);
    let user = root
        .in_tenant("exampleco")
        .ask(
            "mutation($p: String!) { createUser(input: { email: \"Boss@ExampleCo.example\", password: $p, role: TENANT_ADMIN }) \
             { id email role isActive tenant { id } } }",
            json!({ "p": PASSWORD }),
        )
        .await;
    insta::assert_json_snapshot!(user, @r#"
    {
      "data": {
        "createUser": {
          "id": "user_2",
          "email": "boss@exampleco.example",
          "role": "TENANT_ADMIN",
          "isActive": true,
          "tenant": {
            "id": "tenant_1001"
          }
        }
      }
    }
    "#);
    let answer = gateway.stranger().ask(LOGIN, json!({ "e": "BOSS@exampleco.example", "p": PASSWORD })).await;
    insta::assert_json_snapshot!(answer, {
        ".data.login.accessToken" => "[token]", ".data.login.refreshToken" => "[token]",
    }, @r#"
    {
      "data": {
        "login": {
          "accessToken": "[token]",
          "refreshToken": "[token]",
          "expiresIn": 1800,
          "tokenType": "Bearer",
          "user": {
            "email": "boss@exampleco.example",
            "role": "TENANT_ADMIN",
            "tenant": {
              "id": "tenant_1001"
            },
            "lastLoginAt": "2026-11-21T12:00:00Z"
          }
        }
      }
    }
    "#);
    let token = answer["data"]["login"]["accessToken"].as_str().expect("a token");
    insta::assert_json_snapshot!(claims(token), { ".sid" => "[uuid]", ".jti" => "[uuid]" }, @r#"
    {
      "iss": "frontdesk",
      "aud": "frontdesk:graph",
      "typ": "access",
      "sub": "2",
      "email": "boss@exampleco.example",
      "role": "TENANT_ADMIN",
      "tenant_id": 1001,
      "sid": "[uuid]",
      "jti": "[uuid]",
      "iat": 1795262400,
      "exp": 1795264200
    }
    "#);
    let boss = gateway.stranger().with_token(token);
    insta::assert_json_snapshot!(boss.query("{ me { email role tenant { subdomain } } tenant { id name } }").await, @r#"
    {
      "data": {
        "me": {
          "email": "boss@exampleco.example",
          "role": "TENANT_ADMIN",
          "tenant": {
            "subdomain": "exampleco"
          }
        },
        "tenant": {
          "id": "tenant_1001",
          "name": "Example Co"
        }
      }
    }
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_an_unknown_address_get_one_answer() {
    let gateway = Gateway::start().await;
    gateway.tenant("acme").await.admin().await;
    let stranger = gateway.stranger();
    let wrong = stranger.ask(LOGIN, json!({ "e": "admin@acme.example", "p": "wrong password" })).await;
    let unknown = stranger.ask(LOGIN, json!({ "e": "nobody@acme.example", "p": "wrong password" })).await;
    let strange = stranger.ask(LOGIN, json!({ "e": "\u{0}' OR 1=1 --", "p": "" })).await;
    assert_eq!(wrong, unknown);
    assert_eq!(wrong, strange);
    insta::assert_json_snapshot!(wrong, @r#"
    {
      "errors": [
        {
          "message": "The e-mail address or the password is wrong.",
          "locations": [
            {
              "line": 1,
              "column": 38
            }
          ],
          "path": [
            "login"
          ],
          "extensions": {
            "code": "UNAUTHENTICATED",
            "requestId": "test"
          }
        }
      ],
      "data": null
    }
    "#);
}

/// How many passwords were hashed so far.
async fn hashes(gateway: &Gateway) -> u64 {
    let shown = gateway.http.get(gateway.url("/metrics")).send().await.expect("an answer").text().await.expect("text");
    let count = shown.lines().find_map(|line| line.strip_prefix("frontdesk_password_hashes_total "));
    count.expect("the count").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_address_costs_a_hash_like_a_known_one() {
    let gateway = Gateway::start().await;
    gateway.tenant("acme").await.admin().await;
    let too_long = "x".repeat(2_000);
    for (email, password, cost) in [
        ("admin@acme.example", PASSWORD, 1),
        ("admin@acme.example", "wrong password", 1),
        ("nobody@acme.example", "wrong password", 1),
        ("nobody@acme.example", PASSWORD, 1),
        ("\u{0}' OR 1=1 --", "", 1),
        // What can be nobody's password is not hashed, whoever it is tried on.
        ("admin@acme.example", too_long.as_str(), 0),
        ("nobody@acme.example", too_long.as_str(), 0),
    ] {
        let before = hashes(&gateway).await;
        let answer = gateway.stranger().ask(LOGIN, json!({ "e": email, "p": password })).await;
        let is_in = answer.get("errors").is_none();
        assert_eq!(is_in, email == "admin@acme.example" && password == PASSWORD, "{answer}");
        assert_eq!(hashes(&gateway).await - before, cost, "{email:?} by {} characters", password.len());
    }
    // What one costs is in its own parameters; those of the decoy for unknown addresses are the same.
    let owner = crate::support::cluster::owner(&gateway.database).await;
    let stored = owner.query_one("SELECT password_hash FROM users WHERE id = 2", &[]).await.expect("a row");
    let stored: String = stored.get(0);
    assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
}

/// A token like ours, with some claims changed or (by null under `-`) left out.
fn forged(good: &str, changes: Value, secret: &str, algorithm: Algorithm) -> String {
    let mut claims = claims(good);
    let members = claims.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().expect("an object") {
        match name.strip_prefix('-') {
            Some(name) => drop(members.remove(name)),
            None => drop(members.insert(name.clone(), value.clone())),
        }
    }
    jsonwebtoken::encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(secret.as_bytes()))
        .expect("a token")
}

#[tokio::test(flavor = "multi_thread")]
async fn tampered_tokens_are_worth_nothing() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
    let gateway = Gateway::start().await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    let admin = acme.admin().await;
    let good = admin.token.clone().expect("a token");
    let secret = crate::support::SECRET;
    let make = |changes| forged(&good, changes, secret, Algorithm::HS256);
    admin.with_token(make(json!({}))).data("{ me { id } }").await;
    let parts: Vec<&str> = good.split('.').collect();
    let with_header =
        |header: Value, signature: &str| format!("{}.{}.{signature}", B64.encode(header.to_string()), parts[1]);
    let mut tokens = vec![
        ("expired", make(json!({ "exp": 1 }))),
        ("no exp", make(json!({ "-exp": null }))),
        ("exp is text", make(json!({ "exp": "9999999999" }))),
        ("not yet valid", make(json!({ "nbf": 9_999_999_999_i64 }))),
        ("issued in the future", make(json!({ "iat": 9_999_999_999_i64 }))),
        ("wrong issuer", make(json!({ "iss": "evil" }))),
        ("no issuer", make(json!({ "-iss": null }))),
        ("wrong audience", make(json!({ "aud": "evil" }))),
        ("no audience", make(json!({ "-aud": null }))),
        ("wrong kind", make(json!({ "typ": "refresh" }))),
        ("no kind", make(json!({ "-typ": null }))),
        ("no subject", make(json!({ "-sub": null }))),
        ("subject is SQL", make(json!({ "sub": "1 OR 1=1" }))),
        ("another subject", make(json!({ "sub": "1" }))),
        ("unknown subject", make(json!({ "sub": "999999" }))),
        ("unknown session", make(json!({ "sid": "00000000-0000-4000-8000-000000000000" }))),
        ("another tenant", make(json!({ "tenant_id": rival.id.0 }))),
        ("no tenant", make(json!({ "-tenant_id": null }))),
        ("null tenant", make(json!({ "tenant_id": null }))),
        ("a list of tenants", make(json!({ "tenant_id": [acme.id.0, rival.id.0] }))),
        ("tenant is SQL", make(json!({ "tenant_id": "1001; DROP TABLE users" }))),
        ("lifted to ADMIN", make(json!({ "role": "ADMIN" }))),
        ("lifted to ADMIN without a tenant", make(json!({ "role": "ADMIN", "tenant_id": null }))),
        ("unknown role", make(json!({ "role": "SUPERUSER" }))),
        ("another secret", forged(&good, json!({}), "another-secret-0123456789abcdefghi", Algorithm::HS256)),
        ("empty secret", forged(&good, json!({}), "", Algorithm::HS256)),
        ("another algorithm", forged(&good, json!({}), secret, Algorithm::HS512)),
        ("cut signature", good[..good.len() - 4].to_owned()),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("empty", String::new()),
        ("nonsense", "nonsense".to_owned()),
        ("key in the header", with_header(json!({ "alg": "HS256", "jwk": { "kty": "oct", "k": "AAAA" } }), parts[2])),
        ("key elsewhere", with_header(json!({ "alg": "HS256", "jku": "http://evil.example/keys" }), parts[2])),
        ("path for a kid", with_header(json!({ "alg": "HS256", "kid": "../../dev/null" }), parts[2])),
        ("RS256 for HS256", with_header(json!({ "alg": "RS256" }), parts[2])),
    ];
    for none in ["none", "None", "NONE", "nOnE"] {
        tokens.push(("alg none", with_header(json!({ "alg": none }), "")));
        tokens.push(("alg none with a signature", with_header(json!({ "alg": none }), parts[2])));
    }
    for (what, token) in &tokens {
        let answer = admin.with_token(token).query("{ me { id } }").await;
        assert_eq!(code(&answer), "UNAUTHENTICATED", "{what}: {answer}");
        let lead = admin.with_token(token).query("{ leads { totalCount } }").await;
        assert_eq!(code(&lead), "UNAUTHENTICATED", "{what}: {lead}");
    }
    assert!(tokens.len() >= 40);
    let said = |answer: Value| answer["errors"][0]["message"].as_str().expect("a sentence").to_owned();
    let without = admin.with_token(make(json!({ "tenant_id": null }))).query("{ me { id } }").await;
    assert!(said(without).contains("has no `tenant_id`"));
    let expired = admin.with_token(make(json!({ "exp": 1 }))).query("{ me { id } }").await;
    assert!(said(expired).contains("has expired"));
    // A token that is worth nothing is no obstacle to signing in anew.
    let login = admin.with_token("nonsense").ask(LOGIN, json!({ "e": "admin@acme.example", "p": PASSWORD })).await;
    assert!(login.get("errors").is_none(), "{login}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_with_its_time() {
    let gateway = Gateway::start().await;
    let admin = gateway.tenant("acme").await.admin().await;
    gateway.clock.advance(chrono::TimeDelta::minutes(29));
    admin.data("{ me { id } }").await;
    gateway.clock.advance(chrono::TimeDelta::minutes(2));
    assert_eq!(code(&admin.query("{ me { id } }").await), "UNAUTHENTICATED");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_change_their_password_and_end_other_sessions() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let (admin, staff) = (acme.admin().await, acme.staff().await);
    let elsewhere = gateway.sign_in("staff@acme.example").await;
    let change = |old: &str, new: &str| {
        format!("mutation {{ changePassword(input: {{ currentPassword: \"{old}\", newPassword: \"{new}\" }}) }}")
    };
    for (old, new, field) in [("wrong", "another good one", "currentPassword"), (PASSWORD, "short", "newPassword")] {
        let answer = staff.query(&change(old, new)).await;
        assert_eq!(answer["errors"][0]["extensions"]["field"], field, "{answer}");
    }
    elsewhere.data("{ me { id } }").await;
    staff.data(&change(PASSWORD, "another good one")).await;
    staff.data("{ me { id } }").await;
    assert_eq!(code(&elsewhere.query("{ me { id } }").await), "UNAUTHENTICATED");
    let login =
        async |password: &str| gateway.stranger().ask(LOGIN, json!({ "e": "staff@acme.example", "p": password })).await;
    assert_eq!(code(&login(PASSWORD).await), "UNAUTHENTICATED");
    assert!(login("another good one").await.get("errors").is_none());
    // One's own other sessions, and, for an administrator, all of somebody else's.
    assert_eq!(staff.data("mutation { revokeSessions }").await["revokeSessions"], 1);
    assert_eq!(code(&staff.query(r#"mutation { revokeSessions(userId: "user_2") }"#).await), "FORBIDDEN");
    assert_eq!(admin.data(r#"mutation { revokeSessions(userId: "user_3") }"#).await["revokeSessions"], 1);
    assert_eq!(code(&staff.query("{ me { id } }").await), "UNAUTHENTICATED");
    assert_eq!(code(&admin.query(r#"mutation { revokeSessions(userId: "user_1") }"#).await), "NOT_FOUND");
}
