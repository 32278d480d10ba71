//! The command itself: what it prints, how it ends, and what it leaves alone.

use secrecy::ExposeSecret;
use serde_json::Value;

use super::{JWT_SECRET_KEY, NOWHERE, Vars, sound, sound_database};
use crate::support::{
    cluster,
    process::{Server, frontdesk},
    redis::Redis,
};

async fn doctor(arguments: &[&str], vars: &Vars) -> (Option<i32>, String, String) {
    let settings: Vec<_> = vars.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let arguments = [&["doctor"], arguments].concat();
    let output = frontdesk(&arguments, &settings).output().await.expect("an end");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A report, whichever versions run here.
fn steady(said: &str) -> String {
    let is_version = |word: &str| word.contains('.') && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    said.split(' ').map(|word| if is_version(word) { "[version]" } else { word }).collect::<Vec<_>>().join(" ")
}

/// All rows of a database.
async fn rows(database: &str) -> String {
    let owner = cluster::owner(database).await;
    let tables = owner.query("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1", &[]).await;
    let mut all = String::new();
    for table in tables.expect("tables") {
        let query = format!("SELECT t::text FROM \"{}\" AS t ORDER BY 1", table.get::<_, String>(0));
        all.extend(owner.query(&query, &[]).await.expect("rows").iter().map(|row| row.get::<_, String>(0)));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_set_up_is_told_in_one_page_and_left_as_it_is() {
    let (database, redis) = (sound_database().await, Redis::start().await);
    let vars = sound(&database, &redis);
    let before = rows(&database).await;
    let (code, said, error) = doctor(&[], &vars).await;
    assert_eq!((code, error.as_str()), (Some(0), ""), "{said}");
    assert_eq!(before, rows(&database).await);
    insta::assert_snapshot!(steady(&said), @"
    environment
      ok    environment    Production.
      ok    settings       Every setting that is there can be read.
    keys
      ok    keys           SECRET_KEY and JWT_SECRET_KEY are there, and each is its own.
    database
      ok    database       PostgreSQL [version] answers.
      ok    pool           DATABASE_POOL_SIZE is 16, and the server has room for 197 connection(s).
      ok    login          `frontdesk_app` is a plain role.
      ok    migrations     Every migration of this program has run.
      ok    tables         Every table is behind its policies, its owner too.
    platform
      ok    administrator  There is a global administrator.
      ok    base-prompt    A base prompt is in production.
      ok    jobs           No job has waited for long.
    tenants
      ok    tenants        1 tenant(s); 2 of their secrets open.
    redis
      ok    redis          Redis [version] answers.
    web
      ok    public-url     https://desk.example.com.
      ok    cors           1 origin(s) may call.
      ok    open-files     There is room for 1000 connection(s), and for what else is open.
    providers
      ok    model          Replies are written by gpt-4o-mini.
      ok    telnyx         There is a key to check Telnyx's signatures with.
      ok    twilio         There is a secret to check Twilio's signatures with.
      ok    google         Mailboxes can be connected, and Gmail tells of new mail.

    addresses to paste
      Telnyx, messaging profile
        inbound webhook            https://desk.example.com/api/v1/telnyx/sms
      Telnyx, AI assistant (one for each tenant)
        dynamic variables          https://desk.example.com/api/v1/telnyx/dynamic-variables?tenant_id=<number>
        tool get-classes           https://desk.example.com/api/v1/telnyx/tools/get-classes?tenant_id=<number>
        tool get-available-slots   https://desk.example.com/api/v1/telnyx/tools/get-available-slots?tenant_id=<number>
        tool book-meeting          https://desk.example.com/api/v1/telnyx/tools/book-meeting?tenant_id=<number>
        tool send-link             https://desk.example.com/api/v1/telnyx/tools/send-link?tenant_id=<number>
        insights, call completed   https://desk.example.com/api/v1/telnyx/ai-call-complete?tenant_id=<number>
      Twilio, phone number
        a message comes in (POST)  https://desk.example.com/api/v1/twilio/sms
      Google, Pub/Sub push subscription
        endpoint                   https://desk.example.com/api/v1/email/pubsub
        audience                   https://desk.example.com/api/v1/email/pubsub
      Google, OAuth client
        redirect URI               https://desk.example.com/api/v1/email/oauth/callback

    Nothing must be mended; 0 note(s).
    ");
    let (code, said, error) = doctor(&["--json"], &vars).await;
    assert_eq!((code, error.as_str()), (Some(0), ""));
    let read: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(read["healthy"], true);
    insta::assert_json_snapshot!(read["findings"][0], @r#"
    {
      "area": "environment",
      "name": "environment",
      "verdict": "ok",
      "found": "Production."
    }
    "#);
    insta::assert_json_snapshot!(read["webhooks"][1], @r#"
    {
      "portal": "Telnyx, AI assistant (one for each tenant)",
      "field": "dynamic variables",
      "url": "https://desk.example.com/api/v1/telnyx/dynamic-variables?tenant_id=<number>"
    }
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_be_mended_is_told_by_the_exit_code_too() {
    let (database, redis) = (sound_database().await, Redis::start().await);
    let mut vars = sound(&database, &redis);
    vars.insert("PORT", "high".to_owned());
    vars.remove("METRICS_TOKEN");
    cluster::owner(&database).await.batch_execute("ALTER TABLE leads DISABLE ROW LEVEL SECURITY").await.expect("off");
    let (code, said, error) = doctor(&[], &vars).await;
    assert_eq!((code, error.as_str()), (Some(1), "frontdesk: 2 thing(s) must be mended\n"));
    let wrong: Vec<_> = said.lines().skip_while(|line| !line.contains("MEND")).take(2).collect();
    insta::assert_snapshot!(wrong.join("\n"), @"
    MEND  setting-port           PORT must be a number from 0 to 65535.
                                 -> Set PORT anew; the README's table of settings says what it may be.
    ");
    assert!(said.ends_with("2 thing(s) MUST BE MENDED; 1 note(s).\n"), "{said}");
    let (code, said, _) = doctor(&["--json"], &vars).await;
    let read: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((code, &read["healthy"]), (Some(1), &Value::Bool(false)));
    let bad = read["findings"].as_array().expect("a list").iter().filter(|finding| finding["verdict"] == "must_mend");
    insta::assert_json_snapshot!(bad.map(|finding| &finding["name"]).collect::<Vec<_>>(), @r#"
    [
      "setting-port",
      "rls-off"
    ]
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_address_to_paste_is_one_that_is_served() {
    let (database, redis) = (sound_database().await, Redis::start().await);
    let report = super::examined(&sound(&database, &redis), &super::means()).await;
    let path =
        |url: &str| url.trim_start_matches("https://desk.example.com").split('?').next().expect("a path").to_owned();
    let mut told: Vec<_> = report.webhooks.iter().map(|webhook| path(&webhook.url)).collect();
    told.sort();
    told.dedup();
    let router = std::fs::read_to_string("src/http/mod.rs").expect("the router");
    let routes = router.split('"').filter(|text| text.starts_with("/api/v1/"));
    // One that development posts to by hand.
    let routes = routes.filter(|route| *route != "/api/v1/email/pubsub/test");
    let tools = ["book-meeting", "get-available-slots", "get-classes", "send-link"];
    let mut served: Vec<_> = routes
        .flat_map(|route| {
            if route.contains('{') {
                tools.map(|tool| route.replace("{tool}", tool)).to_vec()
            } else {
                vec![route.to_owned()]
            }
        })
        .collect();
    served.sort();
    assert_eq!(told, served);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_ever_printed() {
    const MARK: &str = "canary-song";
    let (database, redis) = (sound_database().await, Redis::start().await);
    let marked = |of: &str| format!("{of}-{MARK}-{of}-0123456789abcdef");
    let hex = hex::encode("canary-song-of-a-secret-key-here");
    let secrets = [
        "OPENAI_API_KEY",
        "GEMINI_API_KEY",
        "TWILIO_AUTH_TOKEN",
        "TWILIO_SHARED_KEY",
        "GOOGLE_CLIENT_SECRET",
        "METRICS_TOKEN",
        "ADMIN_PASSWORD",
        "JWT_SECRET_KEY",
        "JWT_SECRET_KEYS_PREVIOUS",
        "TELNYX_PUBLIC_KEY",
        "PINECONE_PROJECT_ID",
    ];
    let mut good = sound(&database, &redis);
    good.extend(secrets.map(|name| (name, marked(&name.to_lowercase()))));
    good.extend([
        ("ADMIN_EMAIL", "root@example.com".to_owned()),
        ("SECRET_KEY", hex.clone()),
        ("SECRET_KEYS_PREVIOUS", hex.clone()),
        ("DATABASE_URL", format!("{} password={MARK}", cluster::login_url(&database).expose_secret())),
        ("DATABASE_PUBLIC_URL", format!("{} password={MARK}", cluster::owner_url(&database).expose_secret())),
        ("REDIS_URL", format!("{}?pass={MARK}", redis.url())),
        ("BACKEND_CORS_ORIGINS", format!("https://desk:{MARK}@app.example.com/?token={MARK}")),
        ("PUBLIC_URL", "http://127.0.0.1:1".to_owned()),
    ]);
    for name in ["OPENAI_BASE_URL", "GEMINI_BASE_URL", "TELNYX_API_BASE_URL", "TWILIO_API_BASE_URL", "GOOGLE_JWKS_URL"]
    {
        good.insert(name, "http://127.0.0.1:1/v1".to_owned());
    }
    // And where nothing of it can be read, or nobody is there.
    let mut bad = good.clone();
    bad.extend(["SECRET_KEY", "SECRET_KEYS_PREVIOUS", "PORT", "ALGORITHM", "HOST"].map(|name| (name, MARK.to_owned())));
    bad.insert("DATABASE_URL", format!("postgres://app:{MARK}@127.0.0.1:1/desk"));
    bad.insert("DATABASE_PUBLIC_URL", format!("mysql://owner:{MARK}@127.0.0.1:1/desk"));
    bad.insert("REDIS_URL", format!("redis://desk:{MARK}@127.0.0.1:1"));
    for vars in [&good, &bad] {
        for arguments in [&["--online"][..], &["--online", "--json"]] {
            let (code, said, error) = doctor(arguments, vars).await;
            assert_eq!(code, Some(1), "{said}{error}");
            for canary in [MARK, &hex, &hex::encode(MARK), JWT_SECRET_KEY] {
                let around = said.find(canary).map(|at| said.get(at.saturating_sub(200)..at + 20));
                assert!(around.is_none() && !error.contains(canary), "{canary}: {around:?} {error}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_development_it_joins_the_private_database_and_makes_none() {
    let folder = format!("/tmp/fd-doctor-{}", std::process::id());
    let vars = Vars::from([("FRONTDESK_DATA_DIR", folder.clone()), ("PORT", "0".to_owned())]);
    let (code, said, error) = doctor(&[], &vars).await;
    assert!(code == Some(0) && said.contains("private-database-not-made"), "{said}{error}");
    assert!(!std::path::Path::new(&folder).exists(), "nothing is made");
    let server = Server::start(&[("FRONTDESK_DATA_DIR", &folder), ("PORT", "0")]).await;
    // Beside the server, then alone.
    let (code, said, error) = doctor(&[], &vars).await;
    assert_eq!((code, error.as_str()), (Some(0), ""), "{said}");
    assert!(said.contains("2 tenant(s)") && said.contains("A start signs in as the plain role"), "{said}");
    server.stop().await;
    let (code, said, error) = doctor(&[], &vars).await;
    assert!(code == Some(0) && said.contains("2 tenant(s)"), "{said}{error}");
    let keys = format!("{folder}/keys.env");
    std::fs::set_permissions(&keys, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("opened");
    let (code, said, _) = doctor(&[], &vars).await;
    assert!(code == Some(1) && said.contains("keys-file-open"), "{said}");
    std::fs::remove_dir_all(&folder).expect("removed");
    // What is there, and can't be used, is told, and left as it is.
    std::fs::create_dir_all(format!("{folder}/keys.env")).expect("a folder");
    let (code, said, _) = doctor(&[], &vars).await;
    assert!(code == Some(1) && said.contains("environment-unreadable"), "{said}");
    std::fs::create_dir_all(format!("{folder}/postgres/data")).expect("a folder");
    std::fs::write(format!("{folder}/postgres/data/PG_VERSION"), "9\n").expect("written");
    let (code, said, _) = doctor(&[], &vars).await;
    assert!(
        code == Some(1) && said.contains("private-database-down") && !said.contains("private-database-not-made"),
        "{said}"
    );
    assert_eq!(said.matches("\nenvironment\n").count() + usize::from(said.starts_with("environment\n")), 1, "{said}");
    std::fs::remove_dir_all(&folder).expect("removed");
    assert!(!std::path::Path::new(NOWHERE).exists());
}
