//! People: who may change whom, and how nobody is shut out by mistake.

use serde_json::{Value, json};

use crate::support::{Gateway, PASSWORD, code, login};

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
    let login = login(&gateway, "staff@acme.example").await;
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
        ("user_3", "{ role: null }", "BAD_USER_INPUT"),
        ("user_3", "{ email: null }", "BAD_USER_INPUT"),
        ("user_3", "{ isActive: null }", "BAD_USER_INPUT"),
        ("user_2", "{ password: \"taken over by a thief\" }", "FORBIDDEN"),
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
async fn the_platform_has_people_of_its_own_and_puts_others_where_they_belong() {
    let gateway = Gateway::start().await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    let (root, admin) = (gateway.root().await, acme.admin().await);
    let create = |email: &str, role: &str| {
        format!(
            r#"mutation {{ createUser(input: {{ email: "{email}", password: "{PASSWORD}", role: {role} }}) {{ id role tenant {{ id }} }} }}"#
        )
    };
    let made = root.data(&create("sam@new.example", "TENANT_ADMIN")).await["createUser"].clone();
    assert_eq!(made["tenant"], Value::Null);
    let sam = made["id"].as_str().expect("an id").to_owned();
    let refused = login(&gateway, "sam@new.example").await;
    assert_eq!(code(&refused), "TENANT_REQUIRED", "they belong nowhere yet");
    let assign = |user: &str, tenant: &str| {
        format!(
            r#"mutation {{ assignUserToTenant(userId: "{user}", tenantId: {tenant}) {{ role tenant {{ subdomain }} }} }}"#
        )
    };
    let placed = root.data(&assign(&sam, &format!("\"{}\"", rival.id))).await;
    assert_eq!(placed["assignUserToTenant"], json!({ "role": "TENANT_ADMIN", "tenant": { "subdomain": "rival" } }));
    let signed_in = gateway.sign_in("sam@new.example").await;
    assert_eq!(signed_in.data("{ tenant { subdomain } }").await["tenant"]["subdomain"], "rival");
    // The last administrator of a tenant is not taken away, and one of the platform's is put nowhere.
    for (user, tenant, expected) in [
        (sam.as_str(), format!("\"{}\"", acme.id), "CONFLICT"),
        (sam.as_str(), "null".to_owned(), "CONFLICT"),
        ("user_1", format!("\"{}\"", acme.id), "CONFLICT"),
        (sam.as_str(), "\"tenant_999\"".to_owned(), "NOT_FOUND"),
        ("user_999", format!("\"{}\"", acme.id), "NOT_FOUND"),
    ] {
        assert_eq!(code(&root.query(&assign(user, &tenant)).await), expected, "{user} to {tenant}");
    }
    assert_eq!(code(&admin.query(&assign(&sam, "null")).await), "FORBIDDEN");
    let forgotten = root.query(&format!(r#"mutation {{ assignUserToTenant(userId: "{sam}") {{ id }} }}"#)).await;
    assert_eq!(
        (code(&forgotten), &forgotten["errors"][0]["extensions"]["field"]),
        ("BAD_USER_INPUT", &json!("tenantId"))
    );
    rival.staff().await;
    root.in_tenant("rival")
        .data(r#"mutation { updateUser(id: "user_4", input: { role: TENANT_ADMIN }) { role } }"#)
        .await;
    root.data(&assign(&sam, &format!("\"{}\"", acme.id))).await;
    // What they could do there is over, at once.
    assert_eq!(code(&signed_in.query("{ tenant { subdomain } }").await), "UNAUTHENTICATED");
    let moved = gateway.sign_in("sam@new.example").await;
    assert_eq!(moved.data("{ tenant { subdomain } }").await["tenant"]["subdomain"], "acme");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platforms_last_administrator_stays() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    acme.staff().await;
    let root = gateway.root().await;
    let update = async |id: &str, input: &str| {
        root.query(&format!("mutation {{ updateUser(id: \"{id}\", input: {input}) {{ role isActive }} }}")).await
    };
    assert_eq!(code(&update("user_1", "{ isActive: false }").await), "CONFLICT", "oneself");
    root.data(&format!(
        r#"mutation {{ createUser(input: {{ email: "two@platform.example", password: "{PASSWORD}", role: ADMIN }}) {{ id }} }}"#
    ))
    .await;
    let two = gateway.sign_in("two@platform.example").await;
    let seen = two.data("{ users { totalCount nodes { email role } } user(id: \"user_2\") { tenant { id } } }").await;
    insta::assert_json_snapshot!(seen, @r#"
    {
      "users": {
        "totalCount": 2,
        "nodes": [
          {
            "email": "two@platform.example",
            "role": "ADMIN"
          },
          {
            "email": "root@platform.example",
            "role": "ADMIN"
          }
        ]
      },
      "user": {
        "tenant": {
          "id": "tenant_1001"
        }
      }
    }
    "#);
    two.data(r#"mutation { updateUser(id: "user_1", input: { role: USER }) { role } }"#).await;
    assert_eq!(code(&root.query("{ tenants { totalCount } }").await), "UNAUTHENTICATED");
    let last = r#"mutation { deactivateUser(id: "user_3") { isActive } }"#;
    assert_eq!(code(&two.query(last).await), "CONFLICT", "the last one");
    assert_eq!(two.data(r#"mutation { revokeSessions(userId: "user_1") }"#).await["revokeSessions"], 1);
    assert_eq!(code(&two.query(r#"mutation { revokeSessions(userId: "user_2") }"#).await), "TENANT_REQUIRED");
    // Whoever belongs to a tenant is changed from inside it.
    let answer = two.query(r#"mutation { updateUser(id: "user_2", input: { name: "x" }) { id } }"#).await;
    assert_eq!(code(&answer), "TENANT_REQUIRED", "{answer}");
    assert_eq!(
        code(&two.query(r#"mutation { updateUser(id: "user_99", input: { name: "x" }) { id } }"#).await),
        "NOT_FOUND"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_last_administrators_can_not_switch_each_other_off() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let one = acme.admin().await;
    one.data(&format!(
        r#"mutation {{ createUser(input: {{ email: "two@acme.example", password: "{PASSWORD}", role: TENANT_ADMIN }}) {{ id }} }}"#
    ))
    .await;
    let two = gateway.sign_in("two@acme.example").await;
    let off = |id: &str| format!("mutation {{ deactivateUser(id: \"{id}\") {{ isActive }} }}");
    let (off_two, off_one) = (off("user_3"), off("user_2"));
    let (first, second) = tokio::join!(one.query(&off_two), two.query(&off_one));
    let done = [&first, &second].into_iter().filter(|answer| answer.get("errors").is_none()).count();
    assert_eq!(done, 1, "{first} {second}");
    let count = "SELECT count(*) FROM users WHERE tenant_id = 1001 AND is_active";
    let owner = crate::support::cluster::owner(&gateway.database).await;
    assert_eq!(owner.query_one(count, &[]).await.expect("count").get::<_, i64>(0), 1);
}
