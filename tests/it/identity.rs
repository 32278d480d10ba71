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

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_address_costs_a_hash_like_a_known_one() {
    let passwords = frontdesk::tokens::password::Passwords::new(1).expect("passwords");
    let stored = passwords.hash(PASSWORD.to_owned().into()).await.expect("a hash");
    // The cost is in the hash's own parameters: the decoy for unknown addresses is made with the same ones.
    assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
    assert!(passwords.fits(PASSWORD.to_owned().into(), Some(stored.clone())).await.expect("checked"));
    assert!(!passwords.fits("another password".to_owned().into(), Some(stored)).await.expect("checked"));
    assert!(!passwords.fits(PASSWORD.to_owned().into(), None).await.expect("checked"));
    assert!(!passwords.fits("x".repeat(100_000).into(), None).await.expect("checked"));
}

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
    let login = gateway.stranger().ask(LOGIN, json!({ "e": "admin@acme.example", "p": PASSWORD })).await;
    assert_eq!(code(&login), "TENANT_INACTIVE");
    // A wrong password learns nothing of it.
    let wrong = gateway.stranger().ask(LOGIN, json!({ "e": "admin@acme.example", "p": "wrong" })).await;
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
async fn a_deactivated_user_is_out_and_the_last_admin_stays() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let (admin, staff) = (acme.admin().await, acme.staff().await);
    let id = |answer: Value| answer["me"]["id"].as_str().expect("an id").to_owned();
    let (admins, staffs) = (id(admin.data("{ me { id } }").await), id(staff.data("{ me { id } }").await));
    let deactivate = |id: &str| format!(r#"mutation {{ deactivateUser(id: "{id}") {{ isActive }} }}"#);
    admin.data(&deactivate(&staffs)).await;
    assert_eq!(code(&staff.query("{ me { id } }").await), "UNAUTHENTICATED");
    let login = gateway.stranger().ask(LOGIN, json!({ "e": "staff@acme.example", "p": PASSWORD })).await;
    assert_eq!(login["errors"][0]["message"], "This account was deactivated. Ask your administrator.");
    assert_eq!(code(&admin.query(&deactivate(&admins)).await), "CONFLICT", "oneself");
    let root = gateway.root().await.in_tenant("acme");
    assert_eq!(code(&root.query(&deactivate(&admins)).await), "CONFLICT", "the last admin");
    admin.data("{ me { id } }").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_lifted_above_a_tenant_from_inside_it() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let (admin, staff) = (acme.admin().await, acme.staff().await);
    let create =
        r#"mutation { createUser(input: { email: "x@acme.example", password: "long enough", role: ADMIN }) { id } }"#;
    assert_eq!(code(&admin.query(create).await), "FORBIDDEN");
    assert_eq!(code(&gateway.root().await.in_tenant("acme").query(create).await), "FORBIDDEN");
    for document in [
        r#"mutation { createTenant(input: { name: "x", subdomain: "x" }) { id } }"#,
        r#"mutation { deactivateTenant(id: "tenant_1001") { id } }"#,
        "{ tenants { totalCount } }",
    ] {
        assert_eq!(code(&admin.query(document).await), "FORBIDDEN", "{document}");
        assert_eq!(code(&staff.query(document).await), "FORBIDDEN", "{document}");
        assert_eq!(code(&gateway.stranger().query(document).await), "UNAUTHENTICATED", "{document}");
    }
    let create = create.replace("ADMIN", "USER");
    assert_eq!(code(&staff.query(&create).await), "FORBIDDEN");
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
async fn what_is_done_is_in_the_audit_log_with_who_did_it() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let admin = acme.admin().await;
    admin.data(r#"mutation { createLead(input: { name: "Ann" }) { id } }"#).await;
    gateway.root().await.in_tenant("acme").data(r#"mutation { createLead(input: { name: "Bob" }) { id } }"#).await;
    admin.query(r#"mutation { createLead(input: { email: "no address" }) { id } }"#).await;
    let rows = crate::support::cluster::owner(&gateway.database)
        .await
        .query(
            "SELECT action, actor_id, tenant_id, impersonated, target, request_id FROM audit_entries WHERE action = 'lead.create' ORDER BY id",
            &[],
        )
        .await
        .expect("rows");
    let seen: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "actor": row.get::<_, Option<i64>>(1), "tenant": row.get::<_, Option<i64>>(2),
                "impersonated": row.get::<_, bool>(3), "target": row.get::<_, Option<String>>(4),
                "request": row.get::<_, String>(5),
            })
        })
        .collect();
    // Nothing of the one that was refused.
    insta::assert_json_snapshot!(seen, @r#"
    [
      {
        "actor": 2,
        "tenant": 1001,
        "impersonated": false,
        "target": "lead_1",
        "request": "test"
      },
      {
        "actor": 1,
        "tenant": 1001,
        "impersonated": true,
        "target": "lead_2",
        "request": "test"
      }
    ]
    "#);
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
async fn a_tenants_people_are_changed_and_nobody_is_shut_out_by_mistake() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let (admin, staff) = (acme.admin().await, acme.staff().await);
    let update = async |id: &str, input: &str| {
        admin
            .query(&format!("mutation {{ updateUser(id: \"{id}\", input: {input}) {{ email name role isActive }} }}"))
            .await
    };
    let changed = update("user_3", r#"{ name: "Sam", email: "Sam@Acme.example" }"#).await;
    let sam = json!({ "email": "sam@acme.example", "name": "Sam", "role": "USER", "isActive": true });
    assert_eq!(changed["data"]["updateUser"], sam);
    staff.data("{ me { name } }").await;
    for (id, input, expected) in [
        ("user_3", "{ role: ADMIN }", "FORBIDDEN"),
        ("user_3", "{ email: \"admin@ACME.example\" }", "CONFLICT"),
        ("user_3", "{ password: \"short\" }", "BAD_USER_INPUT"),
        ("user_2", "{ isActive: false }", "CONFLICT"),
        ("user_2", "{ role: USER }", "CONFLICT"),
        ("user_1", "{ name: \"Not yours\" }", "NOT_FOUND"),
    ] {
        assert_eq!(code(&update(id, input).await), expected, "{id} {input}");
    }
    let root = gateway.root().await.in_tenant("acme");
    let demote = r#"mutation { updateUser(id: "user_2", input: { role: USER }) { id } }"#;
    assert_eq!(code(&root.query(demote).await), "CONFLICT", "the last administrator");
    // A changed role is asked for anew, and a new password signs out.
    update("user_3", "{ role: TENANT_ADMIN }").await;
    assert_eq!(code(&staff.query("{ me { id } }").await), "UNAUTHENTICATED");
    root.data(demote).await;
    assert_eq!(code(&admin.query("{ users { totalCount } }").await), "UNAUTHENTICATED");
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
