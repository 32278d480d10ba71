//! What tenants entrust to the platform: sealed for them alone, and brought under another key while everybody works.

use std::sync::atomic::{AtomicBool, Ordering};

use frontdesk::{domain::vault, kernel::ids::TenantId};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::support::{Gateway, Plan, SECRET, cluster, phones::set_sms, process::frontdesk};

const OLD: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const NEW: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

async fn node(database: Option<&str>, current: &str, previous: &str) -> Gateway {
    let settings = vec![("SECRET_KEY", current.to_owned()), ("SECRET_KEYS_PREVIOUS", previous.to_owned())];
    Gateway::planned(Plan { settings, database: database.map(str::to_owned), ..Plan::default() }).await
}

/// A tenant with a key of its own at Telnyx.
async fn entrusts(gateway: &Gateway, subdomain: &str) -> TenantId {
    let tenant = gateway.tenant(subdomain).await;
    let key = format!("KEY-of-{subdomain}");
    set_sms(&tenant.admin().await, json!({ "telnyxApiKey": key })).await;
    tenant.id
}

/// The key as a node of the platform reads it.
async fn read(gateway: &Gateway, tenant: TenantId) -> Result<String, String> {
    let cx = gateway.inside(tenant);
    let read = cx.read(async |tx| vault::open(&cx, tx, "telnyx_api_key").await).await;
    match read {
        Ok(value) => Ok(value.expect("a secret").expose_secret().to_owned()),
        Err(failure) => Err(format!("{failure:?}")),
    }
}

async fn rotate(gateway: &Gateway, current: &str, previous: &str) -> (bool, String) {
    let database = cluster::login_url(&gateway.database);
    let settings = [
        ("DATABASE_URL", database.expose_secret()),
        ("MIGRATE_ON_START", "false"),
        ("JWT_SECRET_KEY", SECRET),
        ("SECRET_KEY", current),
        ("SECRET_KEYS_PREVIOUS", previous),
    ];
    let output = frontdesk(&["rotate-secrets"], &settings).output().await.expect("an end");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_changed_while_everybody_reads() {
    let old = node(None, OLD, NEW).await;
    let (acme, other) = (entrusts(&old, "acme").await, entrusts(&old, "other").await);
    let new = node(Some(&old.database), NEW, OLD).await;
    // Half-way: one is under the new key, the other is not yet, and every node reads both.
    vault::rotate(&new.inside(acme)).await.expect("rotated");
    for gateway in [&old, &new] {
        assert_eq!(read(gateway, acme).await.as_deref(), Ok("KEY-of-acme"));
        assert_eq!(read(gateway, other).await.as_deref(), Ok("KEY-of-other"));
    }
    // The rest is done by the command, while nodes of both kinds read, and somebody sets a key anew.
    let (is_done, admin) = (AtomicBool::new(false), new.sign_in("admin@other.example").await);
    let reads = async {
        let mut count = 0;
        while !is_done.load(Ordering::Relaxed) {
            for gateway in [&old, &new] {
                assert!(read(gateway, acme).await.is_ok() && read(gateway, other).await.is_ok());
                count += 1;
            }
        }
        count
    };
    let work = async {
        let rotated = tokio::join!(rotate(&new, NEW, OLD), set_sms(&admin, json!({ "telnyxApiKey": "KEY-of-others" })));
        is_done.store(true, Ordering::Relaxed);
        rotated.0
    };
    let (reads, (is_good, told)) = tokio::join!(reads, work);
    assert!(is_good && reads > 0, "{told}");
    insta::assert_snapshot!(told, @"
    Under the key 5ac5781e: 1 data key(s) sealed anew, 0 value(s) of older versions.
    Nothing needs SECRET_KEYS_PREVIOUS any more.
    ");
    // Again, and it changes nothing. The old key is not needed any more.
    let (is_good, told) = rotate(&new, NEW, "").await;
    assert!(is_good && told.contains("0 data key(s)"), "{told}");
    let last = node(Some(&old.database), NEW, "").await;
    assert_eq!(read(&last, acme).await.as_deref(), Ok("KEY-of-acme"));
    assert_eq!(read(&last, other).await.as_deref(), Ok("KEY-of-others"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_key_is_named_and_the_other_tenants_go_on() {
    let old = node(None, OLD, "").await;
    let lost = entrusts(&old, "lost").await;
    let new = node(Some(&old.database), NEW, "").await;
    let kept = entrusts(&new, "kept").await;
    assert_eq!(read(&new, kept).await.as_deref(), Ok("KEY-of-kept"));
    let why = read(&new, lost).await.expect_err("lost");
    let name = old.services.secrets.name();
    assert!(why.contains(&format!("sealed under the key {name}")) && !why.contains("KEY-of"), "{why}");
    let (is_good, told) = rotate(&new, NEW, "").await;
    assert!(!is_good && told.contains("(lost)") && told.contains(&name) && !told.contains("(kept)"), "{told}");
    // Whoever can't have it back sets it anew.
    let admin = new.sign_in("admin@lost.example").await;
    set_sms(&admin, json!({ "telnyxApiKey": "KEY-anew" })).await;
    assert_eq!(read(&new, lost).await.as_deref(), Ok("KEY-anew"));
    let (is_good, told) = rotate(&new, NEW, "").await;
    assert!(is_good, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_moved_to_another_tenant_or_column_does_not_open() {
    let gateway = node(None, OLD, "").await;
    let (acme, rival) = (entrusts(&gateway, "acme").await, entrusts(&gateway, "rival").await);
    let owner = cluster::owner(&gateway.database).await;
    let sealed: Vec<u8> = owner
        .query_one("SELECT sealed FROM tenant_secrets WHERE tenant_id = $1", &[&acme.0])
        .await
        .expect("a secret")
        .get(0);
    assert!(!sealed.windows(6).any(|part| part == b"KEY-of"));
    for change in [
        // Into the rival's row; then its data key with it.
        "UPDATE tenant_secrets SET sealed = (SELECT sealed FROM tenant_secrets WHERE tenant_id = $1) WHERE tenant_id = $2",
        "UPDATE tenant_keys SET sealed = own.sealed, name = own.name FROM tenant_keys AS own \
         WHERE own.tenant_id = $1 AND tenant_keys.tenant_id = $2",
    ] {
        owner.execute(change, &[&acme.0, &rival.0]).await.expect("moved");
        assert!(read(&gateway, rival).await.is_err(), "{change}");
    }
    owner
        .execute("UPDATE tenant_secrets SET name = 'twilio_auth_token' WHERE tenant_id = $1", &[&acme.0])
        .await
        .expect("moved");
    let cx = gateway.inside(acme);
    assert!(cx.read(async |tx| vault::open(&cx, tx, "twilio_auth_token").await).await.is_err());
}
