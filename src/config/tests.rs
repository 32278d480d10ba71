//! What operators get wrong, and what they are told.

use secrecy::ExposeSecret;

use super::*;
use crate::{
    graph::{Introspection, Trust},
    llm::Provider,
};

const GOOD: &[(&str, &str)] = &[
    ("ENVIRONMENT", "production"),
    ("DATABASE_URL", "postgresql+asyncpg://app:canary-password@db/frontdesk"),
    ("DATABASE_PUBLIC_URL", "postgres://owner:canary-owner@db/frontdesk"),
    ("JWT_SECRET_KEY", "canary-jwt-0123456789abcdefghijklmnop"),
    ("SECRET_KEY", "00112233445566778899aabbccddeeffcafe00112233445566778899aabbccdd"),
    ("OPENAI_API_KEY", "canary-openai"),
    ("ADMIN_EMAIL", "root@example.com"),
    ("ADMIN_PASSWORD", "canary-admin-password"),
];

fn with(changes: &[(&str, &str)]) -> Result<Config, Problems> {
    let all: std::collections::HashMap<_, _> = GOOD.iter().chain(changes).copied().collect();
    Config::from_vars(|name| all.get(name).map(|text| (*text).to_owned()))
}

#[test]
fn a_good_environment_is_read_and_its_secrets_are_never_printed() {
    let config = with(&[]).expect("good");
    assert_eq!(config.http.address.to_string(), "0.0.0.0:8080");
    assert!(!config.demo_data && config.json_logs);
    assert_eq!(config.models.default, Some(Provider::OpenAi));
    assert_eq!((config.models.open_ai.model.as_str(), config.models.context_tokens), ("gpt-4o-mini", 8_000));
    assert_eq!(config.patience.first_sign.as_secs(), 30);
    let printed = format!("{config:?} {config:#?}");
    for secret in ["canary", "00112233"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[test]
fn all_faults_are_named_at_once_and_no_value_is_repeated() {
    let problems = with(&[
        ("DATABASE_URL", "mysql://canary@db"),
        ("JWT_SECRET_KEY", "canary"),
        ("JWT_SECRET_KEYS_PREVIOUS", "canary"),
        ("SECRET_KEY", "canary"),
        ("ALGORITHM", "none"),
        ("PORT", "canary"),
        ("HOST", "canary host"),
        ("LLM_PROVIDER", "canary"),
        ("ADMIN_PASSWORD", "canary"),
        ("BACKEND_CORS_ORIGINS", "[canary"),
        ("DEMO_DATA", "canary"),
        ("LOG_FORMAT", "canary"),
        ("RUST_LOG", "info,frontdesk=canary"),
        ("INTROSPECTION", "canary"),
        ("TRUSTED_DOCUMENTS", "canary"),
        ("AUTOMATIC_PERSISTED_QUERIES", "canary"),
        ("GRAPHQL_BATCH_MAX", "101"),
        ("ACCESS_TOKEN_EXPIRE_MINUTES", "0"),
        ("OPENAI_BASE_URL", "ftp://canary"),
        ("VISITOR_TOKEN_EXPIRE_MINUTES", "1"),
        ("RATE_LIMIT_VISITOR_MESSAGES", "canary"),
        ("TRUSTED_PROXIES", "canary"),
        ("LLM_CONTEXT_TOKENS", "499"),
        ("LLM_PATIENCE_SECONDS", "241"),
        ("METRICS_TOKEN", "canary"),
        ("TELNYX_PUBLIC_KEY", "canary"),
        ("VOICE_FALLBACK_TENANT_ID", "canary"),
        ("GOOGLE_CLIENT_SECRET", "canary"),
        ("GOOGLE_API_BASE_URL", "canary"),
        ("GMAIL_PUBSUB_TOPIC", "canary"),
        ("PINECONE_CONTROLLER_HOST", "http://canary"),
        ("PINECONE_API_VERSION", "canary canary"),
        ("PINECONE_PROJECT_ID", "canary.example/"),
        ("PINECONE_ALLOWED_HOSTS", "127.0.0.1:5081"),
        ("JACKRABBIT_BASE_URL", "canary"),
        ("JACKRABBIT_ORG_ID", "canary"),
        ("JACKRABBIT_PREFILL", "canary"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "canary"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "canary"),
        ("OTEL_TRACES_SAMPLER", "canary"),
    ])
    .expect_err("faulty");
    let text = problems.to_string();
    assert!(!text.contains("canary"), "{text}");
    insta::assert_snapshot!(text, @"
    42 setting(s) need mending:
      PORT must be a number from 0 to 65535
      HOST must be an IP address such as 0.0.0.0
      BACKEND_CORS_ORIGINS must be a comma list or a JSON array of strings
      METRICS_TOKEN is weak; it must be 32 random characters or more
      TRUSTED_PROXIES must be a number from 0 to 10
      GRAPHQL_BATCH_MAX must be a number from 0 to 100
      SECRET_KEY must be 64 hex digits
      INTROSPECTION must be `everybody`, `administrators` or `nobody`
      TRUSTED_DOCUMENTS must be `off`, `log`, `allow-list` or `id-only`
      TRUSTED_DOCUMENTS_FILES is missing beside TRUSTED_DOCUMENTS
      AUTOMATIC_PERSISTED_QUERIES must be `true` or `false`
      DATABASE_URL must be a postgres:// URL
      JWT_SECRET_KEY is weak; it must be 32 random characters or more
      JWT_SECRET_KEYS_PREVIOUS holds a weak key; each must be 32 random characters or more
      ALGORITHM must be HS256, HS384 or HS512
      ACCESS_TOKEN_EXPIRE_MINUTES must be a number from 1 to 1440
      VISITOR_TOKEN_EXPIRE_MINUTES must be a number from 5 to 43200
      RATE_LIMIT_VISITOR_MESSAGES must be a number from 1 to 6000
      OPENAI_BASE_URL must be an http or https URL
      LLM_PROVIDER must be `openai`, `gemini` or `built_in`
      LLM_CONTEXT_TOKENS must be a number from 500 to 1000000
      LLM_PATIENCE_SECONDS must be a number from 5 to 240
      PINECONE_CONTROLLER_HOST must be an https URL in production: keys are sent there
      PINECONE_API_VERSION must be letters, digits and dashes
      PINECONE_PROJECT_ID must be letters, digits and dashes
      PINECONE_ALLOWED_HOSTS is for development alone
      JACKRABBIT_ORG_ID must be the school's number
      JACKRABBIT_PREFILL must be `none`, or a list such as first_name=MFName,last_name=MLName,email=MEmail,phone=MCPhone
      JACKRABBIT_BASE_URL must be an http or https URL
      GOOGLE_CLIENT_ID is missing beside GOOGLE_CLIENT_SECRET
      GOOGLE_API_BASE_URL must be an http or https URL
      GMAIL_PUBSUB_TOPIC must be projects/…/topics/…
      TELNYX_PUBLIC_KEY must be base64 of 32 bytes
      VOICE_FALLBACK_TENANT_ID must be a tenant's number, such as 1042
      ADMIN_PASSWORD must be at least 10 characters long
      DEMO_DATA must be `true` or `false`
      LOG_FORMAT must be `json` or `text`
      RUST_LOG must be levels such as info or info,frontdesk=debug
      OTEL_EXPORTER_OTLP_ENDPOINT must be an http or https URL
      OTEL_EXPORTER_OTLP_PROTOCOL must be `http/protobuf`, or unset
      OTEL_EXPORTER_OTLP_HEADERS must be a list of headers such as api-key=…,x-team=…; values may be percent-encoded
      OTEL_TRACES_SAMPLER must be `always_on`, `always_off` or `traceidratio`, or one of these behind `parentbased_`
    ");
}

#[test]
fn traces_go_where_the_standard_says_and_as_many_as_it_says() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example/otlp/");
    let traces = |changes: &[_]| with(&[&[endpoint], changes].concat()).expect("good").traces.expect("somewhere");
    assert!(with(&[("OTEL_SERVICE_NAME", "canary")]).expect("good").traces.is_none());
    let read = traces(&[("OTEL_EXPORTER_OTLP_HEADERS", "Api-Key=canary%3D1+2%20, x-team=a=b")]);
    assert_eq!((read.url.as_str(), read.service.as_str()), ("https://collector.example/otlp/v1/traces", "frontdesk"));
    let headers: Vec<_> = read.headers.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
    assert_eq!(headers, [("api-key", "canary=1+2 "), ("x-team", "a=b")]);
    assert!(!format!("{read:?}").contains("canary"));
    for (name, ratio, follows_parent, share) in [
        ("", "0.5", true, 1.0),
        ("always_on", "", false, 1.0),
        ("parentbased_always_off", "", true, 0.0),
        ("traceidratio", "0.25", false, 0.25),
        ("parentbased_traceidratio", "0.25", true, 0.25),
        ("parentbased_traceidratio", "", true, 1.0),
    ] {
        let read = traces(&[("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", ratio)]);
        assert_eq!(read.sampling, Sampling { follows_parent, share }, "{name} {ratio}");
    }
    for wrong in ["canary", "-0.1", "1.1", "NaN"] {
        let problems = with(&[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", wrong)]);
        let text = problems.expect_err(wrong).to_string();
        assert!(text.ends_with("OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1"), "{text}");
    }
    for wrong in ["a b=c", "a=%FF", "a=b\nc", "=b"] {
        assert!(with(&[("OTEL_EXPORTER_OTLP_HEADERS", wrong)]).is_err(), "{wrong}");
    }
}

#[test]
fn production_has_no_defaults_for_secrets() {
    let problems =
        Config::from_vars(|name| (name == "ENVIRONMENT").then(|| "production".to_owned())).expect_err("bare");
    insta::assert_snapshot!(problems, @"
    3 setting(s) need mending:
      SECRET_KEY is missing; make one with `openssl rand -hex 32`
      DATABASE_URL is missing; production has no private database
      JWT_SECRET_KEY is missing; make one with `openssl rand -hex 32`
    ");
}

#[test]
fn the_private_database_has_no_other_owner() {
    let alone = with(&[("ENVIRONMENT", "development"), ("DATABASE_URL", "")]).expect_err("an owner of something else");
    insta::assert_snapshot!(alone, @"
    1 setting(s) need mending:
      DATABASE_URL is missing beside DATABASE_PUBLIC_URL; name the same database in both
    ");
    let private = [("ENVIRONMENT", "development"), ("DATABASE_URL", ""), ("DATABASE_PUBLIC_URL", "")];
    assert!(with(&private).expect("good").database.url.is_none());
}

#[test]
fn passages_are_looked_for_with_the_key_of_openai_whoever_writes_the_replies() {
    let read = with(&[("LLM_PROVIDER", "built_in"), ("METRICS_TOKEN", "canary-0123456789-of-the-scraper-0123456789")])
        .expect("good");
    let embeddings = read.retrieval.embeddings.expect("a key is set");
    assert_eq!(
        (embeddings.base_url.as_str(), embeddings.model.as_str()),
        ("https://api.openai.com/v1", "text-embedding-3-small")
    );
    assert!(read.http.metrics_token.is_some());
    assert!(with(&[("OPENAI_API_KEY", "")]).expect("good").retrieval.embeddings.is_none());
    let development = |hosts| with(&[("ENVIRONMENT", "development"), ("PINECONE_ALLOWED_HOSTS", hosts)]);
    let stand_ins = development("127.0.0.1:5081, [::1]:5081").expect("good").retrieval.pinecone.stand_ins;
    assert_eq!(stand_ins.len(), 2);
    for wrong in ["10.0.0.1:80", "localhost:80", "127.0.0.1", "127.0.0.1:80,"] {
        assert!(development(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_secret_of_one_letter_is_weak_however_long() {
    let same = "a".repeat(64);
    let problems = with(&[("JWT_SECRET_KEY", &same), ("SECRET_KEY", &same)]).expect_err("weak");
    assert_eq!(problems.0.len(), 2, "{problems}");
    // One that was a key before signs nothing, and is believed.
    let strong = GOOD[3].1;
    assert_eq!(with(&[("JWT_SECRET_KEYS_PREVIOUS", strong)]).expect("good").tokens.previous.len(), 1);
    assert!(with(&[("JWT_SECRET_KEYS_PREVIOUS", &format!("{strong},{same}"))]).is_err());
}

#[test]
fn lists_are_read_in_both_forms_and_empty_means_unset() {
    let origins = |text| with(&[("BACKEND_CORS_ORIGINS", text)]).expect("good").http.cors_origins;
    let expected = vec!["https://a.example".to_owned(), "http://localhost:3000".to_owned()];
    assert_eq!(origins("https://a.example/, http://localhost:3000"), expected);
    assert_eq!(origins(r#"["https://a.example", "http://localhost:3000/"]"#), expected);
    assert_eq!(origins("https://A.example:443,http://localhost:3000"), expected);
    for wrong in
        ["localhost:3000", "*", "https://*.a.example", "https://a.example/desk", "https://a.example, b.example"]
    {
        let problems = with(&[("BACKEND_CORS_ORIGINS", wrong)]).expect_err(wrong).to_string();
        let said = "  BACKEND_CORS_ORIGINS must hold origins such as https://www.example.com, each by itself";
        assert!(problems.ends_with(said), "{wrong}: {problems}");
    }
    assert!(with(&[("OPENAI_API_KEY", " "), ("ALGORITHM", "")]).expect("good").models.default.is_none());
}

#[test]
fn the_provider_follows_the_keys_unless_it_is_named() {
    let provider = |changes: &[_]| with(changes).expect("good").models.default;
    assert_eq!(provider(&[("GEMINI_API_KEY", "g")]), Some(Provider::OpenAi));
    assert_eq!(provider(&[("GEMINI_API_KEY", "g"), ("LLM_PROVIDER", "gemini")]), Some(Provider::Gemini));
    assert_eq!(provider(&[("OPENAI_API_KEY", ""), ("AI_INTEGRATIONS_GEMINI_API_KEY", "g")]), Some(Provider::Gemini));
    assert_eq!(provider(&[("LLM_PROVIDER", "built_in")]), None);
    assert!(with(&[("LLM_PROVIDER", "gemini")]).is_err());
    // The other one is there to fall back to; addresses are known without a key too, for tenants' own.
    let models =
        with(&[("GEMINI_BASE_URL", "https://proxy.example/v1"), ("LLM_CONTEXT_TOKENS", "500")]).expect("good").models;
    assert!(models.gemini.key.is_none() && models.gemini.base_url == "https://proxy.example/v1");
    assert_eq!(models.context_tokens, 500);
    let patience = with(&[("LLM_PATIENCE_SECONDS", "90")]).expect("good").patience;
    assert_eq!((patience.first_sign.as_secs(), patience.silence.as_secs()), (90, 30));
}

#[test]
fn dotenv_reads_what_people_write() {
    let read = dotenv::parse("# comment\nexport A=1\nB = \"two words\"\nC='x=y'\n\nnonsense\n");
    assert_eq!(read.get("A").map(String::as_str), Some("1"));
    assert_eq!(read.get("B").map(String::as_str), Some("two words"));
    assert_eq!(read.get("C").map(String::as_str), Some("x=y"));
    assert_eq!(read.len(), 3);
}

#[test]
fn trusted_documents_are_read_from_their_files_and_faults_are_named_without_their_paths() {
    let folder = std::env::temp_dir().join(format!("frontdesk-canary-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let (good, bad) = (file("good.json", r#"{ "1": "{ me { id } }" }"#), file("bad.json", "canary"));
    let other = file("other.json", r#"{ "1": "{ me { email } }" }"#);
    let read = |trust: &str, files: &[&str]| {
        with(&[("TRUSTED_DOCUMENTS", trust), ("TRUSTED_DOCUMENTS_FILES", &files.join(","))])
    };
    let config = read("id-only", &[&good]).expect("good");
    assert_eq!(config.graph.documents.trust, Trust::IdOnly);
    let missing = folder.join("canary.json").display().to_string();
    let faults = [
        read("log", &[]).expect_err("no file"),
        read("log", &[&good, &missing]).expect_err("a missing file"),
        read("off", &[&bad]).expect_err("no manifest"),
        read("log", &[&good, &other]).expect_err("two of one id"),
    ];
    let said = faults.map(|problems| problems.to_string()).join("\n");
    std::fs::remove_dir_all(&folder).expect("removed");
    assert!(!said.contains("canary"), "{said}");
    insta::assert_snapshot!(said, @"
    1 setting(s) need mending:
      TRUSTED_DOCUMENTS_FILES is missing beside TRUSTED_DOCUMENTS
    1 setting(s) need mending:
      TRUSTED_DOCUMENTS_FILES names a file that can't be read (entity not found) (number 2 of the list)
    1 setting(s) need mending:
      TRUSTED_DOCUMENTS_FILES names a file that must be a manifest of Apollo's, version 1, or a JSON object of ids and documents as Relay's (number 1 of the list)
    1 setting(s) need mending:
      TRUSTED_DOCUMENTS_FILES names a file that gives an id to two documents (number 2 of the list)
    ");
}

#[test]
fn production_tells_its_schema_to_administrators_alone_unless_it_is_said_otherwise() {
    let told = |changes: &[_]| with(changes).expect("good").graph.introspection;
    assert_eq!(told(&[]), Introspection::Administrators);
    assert_eq!(told(&[("ENVIRONMENT", "development")]), Introspection::Open);
    assert_eq!(told(&[("INTROSPECTION", "everybody")]), Introspection::Open);
    assert_eq!(told(&[("ENVIRONMENT", "development"), ("INTROSPECTION", "nobody")]), Introspection::Nobody);
}

#[test]
fn where_postgresql_is_may_be_left_empty() {
    let programs = |text| with(&[("PG_BIN_DIR", text)]).expect("good").database.programs;
    assert_eq!(programs("/opt/pgsql/bin"), Some(PathBuf::from("/opt/pgsql/bin")));
    assert_eq!(programs(""), None);
}

#[test]
fn which_lines_are_logged_is_read_as_any_other_setting() {
    let filter = |text| with(&[("RUST_LOG", text)]).expect("good").log_filter;
    assert_eq!(filter("info,frontdesk=debug").as_deref(), Some("info,frontdesk=debug"));
    assert_eq!(filter(" "), None);
}
