//! The role matrix: every kind of caller at every root field, in a golden file that a person can review.

use std::fmt::Write;

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, FieldDefinition, Type, TypeDefinition, TypeKind, TypeSystemDefinition},
};
use serde_json::{Value, json};

use crate::support::{Actor, Gateway};

/// A root field, and a document that touches it with arguments of the right shape that name nothing which exists.
pub struct Probe {
    pub root: &'static str,
    pub name: String,
    pub document: String,
    pub is_subscription: bool,
    /// What `@auth` asks for.
    pub requires: String,
}

/// A probe for every root field there is, built from the schema itself: a new field is probed without being asked.
pub fn probes() -> Vec<Probe> {
    let document = parse_schema(frontdesk::graph::sdl()).expect("readable");
    let types: Vec<TypeDefinition> = document
        .definitions
        .into_iter()
        .filter_map(|definition| match definition {
            TypeSystemDefinition::Type(definition) => Some(definition.node),
            _ => None,
        })
        .collect();
    let mut probes = Vec::new();
    for (root, keyword) in [("Query", "query"), ("Mutation", "mutation"), ("Subscription", "subscription")] {
        for field in fields(&types, root) {
            let noun = match base(&field.ty.node) {
                "PromptBundle" => "prompt".to_owned(),
                "WebhookDelivery" => "delivery".to_owned(),
                "Node" => "lead".to_owned(),
                "ID" if field.name.node == "deleteKnowledgeDocument" => "document".to_owned(),
                "ID" => field.name.node.trim_start_matches("delete").to_lowercase(),
                other => other.to_lowercase(),
            };
            let requires = field.directives.iter().find(|directive| directive.node.name.node == "auth");
            let requires = requires.and_then(|auth| auth.node.get_argument("requires")).expect("every root has @auth");
            let arguments: Vec<_> = field
                .arguments
                .iter()
                .filter(|argument| !argument.node.ty.node.nullable && argument.node.default_value.is_none())
                .map(|argument| {
                    let name = argument.node.name.node.as_str();
                    format!("{name}: {}", sample(&types, &noun, name, &argument.node.ty.node))
                })
                .collect();
            let arguments = if arguments.is_empty() { String::new() } else { format!("({})", arguments.join(", ")) };
            let selection = if is_leaf(&types, &field.ty.node) { "" } else { " { __typename }" };
            let name = field.name.node.to_string();
            probes.push(Probe {
                root,
                document: format!("{keyword} {{ {name}{arguments}{selection} }}"),
                name,
                is_subscription: root == "Subscription",
                requires: requires.node.to_string(),
            });
        }
    }
    probes
}

fn fields<'t>(types: &'t [TypeDefinition], name: &str) -> Vec<&'t FieldDefinition> {
    let Some(TypeKind::Object(object)) = types.iter().find(|ty| ty.name.node == name).map(|ty| &ty.kind) else {
        panic!("no type {name}");
    };
    object.fields.iter().map(|field| &field.node).collect()
}

fn base(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => base(inner),
    }
}

fn is_leaf(types: &[TypeDefinition], ty: &Type) -> bool {
    types
        .iter()
        .find(|definition| definition.name.node == base(ty))
        .is_none_or(|definition| matches!(definition.kind, TypeKind::Scalar | TypeKind::Enum(_)))
}

/// A value of the right shape. Ids are of the right noun and of no row.
fn sample(types: &[TypeDefinition], root: &str, name: &str, ty: &Type) -> String {
    if let BaseType::List(inner) = &ty.base {
        return format!("[{}]", sample(types, root, name, inner));
    }
    let definition = types.iter().find(|definition| definition.name.node == base(ty));
    match definition.map(|definition| &definition.kind) {
        Some(TypeKind::InputObject(input)) => {
            let members: Vec<_> = input
                .fields
                .iter()
                .filter(|field| !field.node.ty.node.nullable && field.node.default_value.is_none())
                .map(|field| {
                    let name = field.node.name.node.as_str();
                    format!("{name}: {}", sample(types, root, name, &field.node.ty.node))
                })
                .collect();
            format!("{{ {} }}", members.join(", "))
        }
        Some(TypeKind::Enum(words)) => words.values.first().expect("a word").node.value.node.to_string(),
        _ => match base(ty) {
            "Int" => "1".to_owned(),
            "DateTime" if name == "to" => "\"2026-11-22T00:00:00Z\"".to_owned(),
            "DateTime" => "\"2026-11-21T00:00:00Z\"".to_owned(),
            _ if name == "key" => "\"probe\"".to_owned(),
            "Boolean" => "true".to_owned(),
            "ID" => format!("\"{}_999999\"", noun(root, name)),
            _ if name == "email" => format!("\"{root}@nowhere.example\""),
            _ => "\"something long\"".to_owned(),
        },
    }
}

fn noun<'a>(root: &'a str, argument: &'a str) -> &'a str {
    match argument {
        "conversationId" => "conversation",
        "messageId" => "message",
        "leadId" | "ids" => "lead",
        "bundleId" => "prompt",
        "tenantId" => "tenant",
        "userId" => "user",
        _ => root,
    }
}

/// What a caller gets: `ok`, or the code of the refusal.
pub async fn verdict(actor: &Actor<'_>, probe: &Probe) -> String {
    let answer: Value = if probe.is_subscription {
        let response =
            actor.post("/graphql/stream").json(&json!({ "query": probe.document })).send().await.expect("sent");
        let text = first_event(response).await;
        serde_json::from_str(&text).unwrap_or_else(|_| json!({}))
    } else {
        actor.query(&probe.document).await
    };
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or("ok").to_owned()
}

/// The data of the first event; a stream that stays silent was let in.
async fn first_event(mut response: reqwest::Response) -> String {
    let mut text = String::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        text.push_str(&String::from_utf8_lossy(&chunk));
        if let Some(data) = text.lines().find_map(|line| line.strip_prefix("data: {")) {
            return format!("{{{data}");
        }
    }
    text
}

/// The administrator under a lease on the first tenant.
async fn lease<'g>(root: &Actor<'g>, is_read_only: bool) -> Actor<'g> {
    let input = format!("{{ tenantId: \"tenant_1001\", reason: \"probe\", isReadOnly: {is_read_only} }}");
    let given = root.data(&format!("mutation {{ impersonateTenant(input: {input}) {{ accessToken }} }}")).await;
    root.with_token(given["impersonateTenant"]["accessToken"].as_str().expect("a token"))
}

/// What our check takes for skipped, the library must not run: else a field would be reached without being asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_field_behind_a_defaulted_skip_is_not_reached() {
    let gateway = Gateway::start().await;
    let staff = gateway.tenant("acme").await.staff().await;
    for probe in probes().into_iter().filter(|probe| !probe.is_subscription) {
        let (keyword, selection) = probe.document.split_once(" { ").expect("a document");
        let name = &probe.name;
        let at = selection.rfind(')').map_or(name.len(), |end| end + 1);
        let (field, rest) = selection.split_at(at);
        let document = format!("{keyword}($x: Boolean = true) {{ __typename {field} @skip(if: $x) {rest}");
        let answer = staff.query(&document).await;
        assert!(answer["data"]["__typename"].is_string() && answer["data"].get(name).is_none(), "{document}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_caller_at_every_root_field() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let root = gateway.root().await;
    let callers = [
        ("stranger", gateway.stranger()),
        ("visitor", acme.visitor().await.0),
        ("staff", acme.staff().await),
        ("tenant admin", acme.admin().await),
        ("root", root.clone()),
        ("root in acme", root.in_tenant("acme")),
        ("read-only lease", lease(&root, true).await),
        ("writing lease", lease(&root, false).await),
    ];
    let mut matrix = String::new();
    write!(matrix, "{:<34}", "").expect("written");
    for (name, _) in &callers {
        write!(matrix, "{name:<17}").expect("written");
    }
    for probe in probes() {
        write!(matrix, "\n{:<34}", format!("{}.{}", probe.root, probe.name)).expect("written");
        for (name, caller) in &callers {
            // Signing out would sign out the prober: everybody brings a session of their own.
            let fresh = match *name {
                _ if probe.name != "logout" => caller.clone(),
                "staff" => gateway.sign_in("staff@acme.example").await,
                "tenant admin" => gateway.sign_in("admin@acme.example").await,
                "root" => gateway.root().await,
                "root in acme" => gateway.root().await.in_tenant("acme"),
                _ => caller.clone(),
            };
            // And an address of their own, where they make somebody.
            let document = probe.document.replace("@nowhere.", &format!("@{}.", name.replace(' ', "-")));
            let own = Probe { document, name: probe.name.clone(), requires: probe.requires.clone(), ..probe };
            write!(matrix, "{:<17}", verdict(&fresh, &own).await).expect("written");
        }
    }
    let matrix = matrix.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "../golden", omit_expression => true }, {
        insta::assert_snapshot!("role_matrix", matrix);
    });
}

/// What a website visitor can read, of every type that they reach: a field that is added shows up here.
#[test]
fn a_visitor_reads_these_fields_and_no_others() {
    let document = parse_schema(frontdesk::graph::sdl()).expect("readable");
    let definitions: Vec<TypeDefinition> = document
        .definitions
        .into_iter()
        .filter_map(|definition| match definition {
            TypeSystemDefinition::Type(definition) => Some(definition.node),
            _ => None,
        })
        .collect();
    let requires = |field: &FieldDefinition| {
        let auth = field.directives.iter().find(|directive| directive.node.name.node == "auth")?;
        Some(auth.node.get_argument("requires").expect("an argument").node.to_string())
    };
    let mut seen = std::collections::BTreeMap::new();
    let mut ahead: Vec<String> = Vec::new();
    for root in ["Query", "Mutation", "Subscription"] {
        for field in fields(&definitions, root) {
            // Signing in gives a person's token, and what a person sees.
            let is_open = requires(field).as_deref() == Some("VISITOR") || field.name.node == "startVisitorSession";
            if is_open {
                ahead.push(base(&field.ty.node).to_owned());
            }
        }
    }
    while let Some(name) = ahead.pop() {
        let Some(definition) = definitions.iter().find(|definition| definition.name.node == name.as_str()) else {
            continue;
        };
        let own = match &definition.kind {
            TypeKind::Object(object) => &object.fields,
            TypeKind::Interface(interface) => {
                ahead.extend(definitions.iter().filter_map(|other| match &other.kind {
                    TypeKind::Object(object) if object.implements.iter().any(|of| of.node == name.as_str()) => {
                        Some(other.name.node.to_string())
                    }
                    _ => None,
                }));
                &interface.fields
            }
            _ => continue,
        };
        if seen.contains_key(&name) {
            continue;
        }
        let open: Vec<&FieldDefinition> =
            own.iter().map(|field| &field.node).filter(|field| requires(field).is_none()).collect();
        ahead.extend(open.iter().map(|field| base(&field.ty.node).to_owned()));
        seen.insert(name, open.iter().map(|field| field.name.node.to_string()).collect::<Vec<_>>().join(" "));
    }
    let view = seen.iter().map(|(name, fields)| format!("{name}: {fields}")).collect::<Vec<_>>().join("\n");
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "../golden", omit_expression => true }, {
        insta::assert_snapshot!("visitor_view", view);
    });
}
