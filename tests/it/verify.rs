//! `frontdesk verify`: a sound server passes every check, and for every leak that is planted the right check fails.

use std::fmt::Write;

use futures_util::{StreamExt, stream};
use serde_json::json;

use crate::support::{
    Gateway, PASSWORD, Plan,
    leaky::{self, Leak},
    process::frontdesk,
};

/// What the program said, and how it ended.
struct Verified {
    code: Option<i32>,
    said: String,
    error: String,
}

async fn verify(url: &str, password: &str) -> Verified {
    let settings = [("ADMIN_EMAIL", "root@platform.example"), ("ADMIN_PASSWORD", password)];
    let output = frontdesk(&["verify", "--url", url], &settings).output().await.expect("ran");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Verified { code: output.status.code(), said: text(output.stdout), error: text(output.stderr) }
}

impl Verified {
    /// The checks that failed, by group and name; what was seen holds random words.
    fn failed(&self) -> Vec<String> {
        let failed = self.said.lines().filter_map(|line| line.strip_prefix("FAIL  "));
        failed.map(|line| line.splitn(3, ": ").take(2).collect::<Vec<_>>().join(": ")).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_server_passes_every_check_and_is_left_as_it_was() {
    let gateway = Gateway::start().await;
    let verified = verify(&gateway.url(""), PASSWORD).await;
    let (first, rest) = verified.said.split_once('\n').expect("lines");
    assert!(first.starts_with("Verifying http://127.0.0.1:") && first.ends_with("-b."), "{first}");
    insta::assert_snapshot!(rest, @"
    ok    preparation: two tenants with people and things of their own
    ok    sign-in and context: a token carries its tenant's number as `tenant_id`
    ok    sign-in and context: `me` and `tenant` are one's own
    ok    sign-in and context: without a token nothing is answered
    ok    sign-in and context: X-Tenant-Id with another tenant's number is refused
    ok    sign-in and context: X-Tenant-Id with another tenant's id is refused
    ok    sign-in and context: X-Tenant-Id with another tenant's subdomain is refused
    ok    sign-in and context: a global administrator must name a tenant
    ok    sign-in and context: a token with a changed signature is refused
    ok    sign-in and context: a token with another tenant written into it is refused
    ok    impersonation views differ: by header, `tenant` is the one that was named
    ok    impersonation views differ: by header, `leads` are those of the tenant that was named
    ok    impersonation views differ: by header, `composedPrompt` is that of the tenant that was named
    ok    impersonation views differ: a visit by header stands in the tenant's audit log alone
    ok    impersonation views differ: a lease shows its tenant, and not the other
    ok    impersonation views differ: a read-only lease changes nothing
    ok    impersonation views differ: a lease is good for no other tenant
    ok    impersonation views differ: the tenant reads of the lease and its reason
    ok    impersonation views differ: the other tenant does not read of it
    ok    impersonation views differ: a lease that was ended is worth nothing at once
    ok    prompt isolation: `composedPrompt` holds one's own prompt, and not the other's
    ok    prompt isolation: `promptBundle(id:)` of another tenant's is null
    ok    prompt isolation: `node(id:)` of another tenant's prompt is null
    ok    prompt isolation: `promptBundles` lists no other tenant's
    ok    prompt isolation: another tenant's prompt can't be previewed
    ok    prompt isolation: another tenant's prompt can't be changed, published or archived
    ok    lead isolation: `lead(id:)` of another tenant's is null
    ok    lead isolation: `node(id:)` of another tenant's lead is null
    ok    lead isolation: `nodes(ids:)` of another tenant's leads are null
    ok    lead isolation: `leads` lists and counts no other tenant's
    ok    lead isolation: `leads(filter:)` finds no other tenant's by name
    ok    lead isolation: one number in two tenants is two leads
    ok    lead isolation: updateLead knows no other tenant's
    ok    lead isolation: deleteLead knows no other tenant's
    ok    lead isolation: startConversation knows no other tenant's lead
    ok    conversations and knowledge: `conversation(id:)` of another tenant's is null
    ok    conversations and knowledge: `node(id:)` of another tenant's conversation and messages is null
    ok    conversations and knowledge: `conversations` lists and counts no other tenant's
    ok    conversations and knowledge: what is said is read in its tenant alone
    ok    conversations and knowledge: sendMessage knows no other tenant's conversation
    ok    conversations and knowledge: stopReply knows no other tenant's reply
    ok    conversations and knowledge: `searchKnowledge` finds one's own documents, and no other's
    ok    conversations and knowledge: `knowledgeDocuments` lists and counts no other tenant's
    ok    conversations and knowledge: `node(id:)` of another tenant's document is null
    ok    conversations and knowledge: `users` lists and counts no other tenant's
    ok    conversations and knowledge: `user(id:)` of another tenant's is null
    ok    website visitors: a visitor is let in on the tenant's website
    ok    website visitors: a visitor reads their own conversation, and no other of the tenant's or another's
    ok    website visitors: a visitor writes into no other conversation
    ok    website visitors: a visitor's token opens no lists, no people and no settings
    ok    website visitors: a visitor does not read whom a conversation is linked to
    ok    website visitors: another website's page can't use the chat
    ok    routing of channels: a number leads to one tenant, and who has it is not told
    ok    routing of channels: webhook addresses name their own tenant
    ok    routing of channels: a secret is set for its tenant alone
    ok    routing of channels: no answer holds the secret
    ok    after deactivation: a tenant is switched off
    ok    after deactivation: its people's tokens are refused
    ok    after deactivation: its people can't sign in
    ok    after deactivation: the other tenant works on
    ok    clean-up: the throw-away tenants are switched off
    All 61 checks passed.
    ");
    assert_eq!((verified.code, verified.error.as_str()), (Some(0), ""));
    let tenants = gateway.root().await.data("{ tenants { nodes { isActive } } }").await;
    assert_eq!(tenants["tenants"]["nodes"], json!([{ "isActive": false }, { "isActive": false }]));
}

/// Each leak, and the group whose checks must find it.
const LEAKS: &[(Leak, &str)] = &[
    (Leak::PromptsBroken, "preparation"),
    (Leak::SearchBroken, "conversations and knowledge"),
    (Leak::SignatureIgnored, "sign-in and context"),
    (Leak::ClaimsBelieved, "sign-in and context"),
    (Leak::HeaderObeyed, "sign-in and context"),
    (Leak::TenantAssumed, "sign-in and context"),
    (Leak::HeaderIgnored, "impersonation views differ"),
    (Leak::VisitUnrecorded, "impersonation views differ"),
    (Leak::LeaseWrites, "impersonation views differ"),
    (Leak::LeaseGoodAnywhere, "impersonation views differ"),
    (Leak::LeaseOutlivesItsEnd, "impersonation views differ"),
    (Leak::LeaseToldToOthers, "impersonation views differ"),
    (Leak::Prompt, "prompt isolation"),
    (Leak::Bundle, "prompt isolation"),
    (Leak::Lead, "lead isolation"),
    (Leak::Node, "lead isolation"),
    (Leak::Search, "lead isolation"),
    (Leak::Count, "lead isolation"),
    (Leak::ForeignWrite, "lead isolation"),
    (Leak::ForeignIdToldApart, "lead isolation"),
    (Leak::Conversation, "conversations and knowledge"),
    (Leak::SentInto, "conversations and knowledge"),
    (Leak::Knowledge, "conversations and knowledge"),
    (Leak::Users, "conversations and knowledge"),
    (Leak::VisitorTakenForStaff, "website visitors"),
    (Leak::OriginIgnored, "website visitors"),
    (Leak::ConflictNamesTheTenant, "routing of channels"),
    (Leak::AddressesCrossed, "routing of channels"),
    (Leak::SecretShown, "routing of channels"),
    (Leak::DeactivatedWorks, "after deactivation"),
    (Leak::DeactivatedSignsIn, "after deactivation"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_planted_leak_is_found_by_the_check_that_looks_for_it() {
    // Many runs at once from one address.
    let settings = vec![("RATE_LIMIT_VISITOR_SESSIONS_PER_ADDRESS", "1000".to_owned())];
    let gateway = Gateway::planned(Plan { settings, ..Plan::default() }).await;
    let found = stream::iter(LEAKS).map(async |(leak, group)| {
        let verified = verify(&leaky::before(&gateway, *leak).await, PASSWORD).await;
        assert_eq!(verified.code, Some(1), "{leak:?}: {}", verified.said);
        assert!(verified.failed().iter().any(|name| name.starts_with(group)), "{leak:?}: {}", verified.said);
        (leak, verified.failed())
    });
    let mut seen = String::new();
    // A few at a time: other tests run beside this one.
    for (leak, failed) in found.buffered(4).collect::<Vec<_>>().await {
        writeln!(seen, "{leak:?}\n  {}", failed.join("\n  ")).expect("written");
    }
    insta::assert_snapshot!(seen, @"
    PromptsBroken
      preparation: two tenants with people and things of their own
    SearchBroken
      conversations and knowledge: `searchKnowledge` finds one's own documents, and no other's
    SignatureIgnored
      sign-in and context: a token with a changed signature is refused
    ClaimsBelieved
      sign-in and context: a token with a changed signature is refused
      sign-in and context: a token with another tenant written into it is refused
    HeaderObeyed
      sign-in and context: X-Tenant-Id with another tenant's number is refused
      sign-in and context: X-Tenant-Id with another tenant's id is refused
      sign-in and context: X-Tenant-Id with another tenant's subdomain is refused
    TenantAssumed
      sign-in and context: a global administrator must name a tenant
    HeaderIgnored
      impersonation views differ: by header, `tenant` is the one that was named
      impersonation views differ: by header, `leads` are those of the tenant that was named
      impersonation views differ: by header, `composedPrompt` is that of the tenant that was named
      prompt isolation: `promptBundle(id:)` of another tenant's is null
      prompt isolation: `node(id:)` of another tenant's prompt is null
      prompt isolation: `promptBundles` lists no other tenant's
      lead isolation: `lead(id:)` of another tenant's is null
      lead isolation: `node(id:)` of another tenant's lead is null
      lead isolation: `nodes(ids:)` of another tenant's leads are null
      lead isolation: `leads` lists and counts no other tenant's
      lead isolation: `leads(filter:)` finds no other tenant's by name
      lead isolation: one number in two tenants is two leads
      conversations and knowledge: `conversation(id:)` of another tenant's is null
      conversations and knowledge: `node(id:)` of another tenant's conversation and messages is null
      conversations and knowledge: `conversations` lists and counts no other tenant's
      conversations and knowledge: `knowledgeDocuments` lists and counts no other tenant's
      conversations and knowledge: `node(id:)` of another tenant's document is null
      conversations and knowledge: `users` lists and counts no other tenant's
      routing of channels: webhook addresses name their own tenant
      routing of channels: a secret is set for its tenant alone
    VisitUnrecorded
      impersonation views differ: a visit by header stands in the tenant's audit log alone
    LeaseWrites
      impersonation views differ: a read-only lease changes nothing
    LeaseGoodAnywhere
      impersonation views differ: a lease is good for no other tenant
    LeaseOutlivesItsEnd
      impersonation views differ: a lease that was ended is worth nothing at once
    LeaseToldToOthers
      impersonation views differ: the other tenant does not read of it
    Prompt
      prompt isolation: `composedPrompt` holds one's own prompt, and not the other's
    Bundle
      prompt isolation: `promptBundle(id:)` of another tenant's is null
    Lead
      lead isolation: `lead(id:)` of another tenant's is null
    Node
      impersonation views differ: the other tenant does not read of it
      prompt isolation: `node(id:)` of another tenant's prompt is null
      lead isolation: `node(id:)` of another tenant's lead is null
      conversations and knowledge: `node(id:)` of another tenant's conversation and messages is null
      conversations and knowledge: `node(id:)` of another tenant's document is null
    Search
      lead isolation: `leads(filter:)` finds no other tenant's by name
      lead isolation: one number in two tenants is two leads
    Count
      lead isolation: `leads` lists and counts no other tenant's
    ForeignWrite
      lead isolation: updateLead knows no other tenant's
      lead isolation: deleteLead knows no other tenant's
    ForeignIdToldApart
      lead isolation: deleteLead knows no other tenant's
    Conversation
      conversations and knowledge: `conversation(id:)` of another tenant's is null
      website visitors: a visitor reads their own conversation, and no other of the tenant's or another's
    SentInto
      conversations and knowledge: sendMessage knows no other tenant's conversation
      website visitors: a visitor writes into no other conversation
    Knowledge
      conversations and knowledge: `searchKnowledge` finds one's own documents, and no other's
    Users
      conversations and knowledge: `users` lists and counts no other tenant's
    VisitorTakenForStaff
      website visitors: a visitor reads their own conversation, and no other of the tenant's or another's
      website visitors: a visitor writes into no other conversation
      website visitors: a visitor's token opens no lists, no people and no settings
      website visitors: a visitor does not read whom a conversation is linked to
      website visitors: another website's page can't use the chat
    OriginIgnored
      website visitors: another website's page can't use the chat
    ConflictNamesTheTenant
      routing of channels: a number leads to one tenant, and who has it is not told
    AddressesCrossed
      routing of channels: webhook addresses name their own tenant
    SecretShown
      routing of channels: a secret is set for its tenant alone
      routing of channels: no answer holds the secret
    DeactivatedWorks
      after deactivation: its people's tokens are refused
    DeactivatedSignsIn
      after deactivation: its people can't sign in
    ");
    // The proxy is not what was found.
    let sound = verify(&leaky::before(&gateway, Leak::Nothing).await, PASSWORD).await;
    assert_eq!((sound.code, sound.failed()), (Some(0), Vec::new()), "{}", sound.said);
    let active = gateway.root().await.data("{ tenants(filter: { isActive: true }) { totalCount } }").await;
    assert_eq!(active["tenants"]["totalCount"], 0, "every run cleaned up behind itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_way_is_said_in_a_sentence() {
    let gateway = Gateway::start().await;
    gateway.tenant("acme").await.admin().await;
    let url = gateway.url("");
    let wrong = verify(&url, "wrong").await;
    let nobody = verify("http://127.0.0.1:1", PASSWORD).await;
    let stranger = verify(&format!("{url}/health"), PASSWORD).await;
    let nameless = frontdesk(&["verify"], &[]).output().await.expect("ran");
    let staff = [("ADMIN_EMAIL", "admin@acme.example"), ("ADMIN_PASSWORD", PASSWORD), ("PUBLIC_URL", &url)];
    let staff = frontdesk(&["verify"], &staff).output().await.expect("ran");
    let mut said = String::new();
    for (code, error) in [
        (wrong.code, wrong.error),
        (nobody.code, nobody.error),
        (stranger.code, stranger.error),
        (nameless.status.code(), String::from_utf8(nameless.stderr).expect("text")),
        (staff.status.code(), String::from_utf8(staff.stderr).expect("text")),
    ] {
        write!(said, "{}: {}", code.expect("a code"), error.replace(&url, "URL")).expect("written");
    }
    insta::assert_snapshot!(said, @r#"
    1: frontdesk: root@platform.example can't sign in: The e-mail address or the password is wrong.
    1: frontdesk: http://127.0.0.1:1/graphql can't be reached (Connection refused (os error 111)); is the server up, and the URL right?
    1: frontdesk: URL/health/graphql answered with status 404 Not Found and no GraphQL ({"type":"about:blank","title":"Not Found","status":404,"detail":"There is nothing here. The graph is at /graphql, its playground at /graphiql."}); is the URL a Frontdesk server's?
    1: frontdesk: say who signs in, a global administrator: --email and --password, or ADMIN_EMAIL and ADMIN_PASSWORD
    1: frontdesk: admin@acme.example is no global administrator but TENANT_ADMIN; the checks make tenants, and need one
    "#);
    assert!(wrong.said.is_empty() && nobody.said.is_empty() && stranger.said.is_empty());
}
