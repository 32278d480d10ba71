//! The two tenants that the checks are made with: each with an administrator and a member of staff, a prompt, a lead, a
//! conversation and a document, and in each of these a canary, a word that nobody else uses. Must not judge.

use serde_json::{Value, json};

use crate::cli::verify::{
    client::{Caller, Graph},
    random,
    report::Verdict,
};

/// Everything that a check may use.
pub(super) struct Stage<'g> {
    /// The server.
    pub(super) graph: &'g Graph,
    /// A global administrator who names no tenant.
    pub(super) root: Caller<'g>,
    /// The tenant that is looked for.
    pub(super) a: Side<'g>,
    /// The tenant from which it is looked for.
    pub(super) b: Side<'g>,
    /// A lead's number: in both tenants somebody has it.
    pub(super) phone: String,
}

/// One tenant, and what it has.
pub(super) struct Side<'g> {
    /// Its global id, such as `tenant_1042`.
    pub(super) id: String,
    /// Its number, such as `1042`.
    pub(super) number: String,
    pub(super) name: String,
    pub(super) subdomain: String,
    /// The website that its chat may run on.
    pub(super) origin: String,
    /// The word that stands in all that it has.
    pub(super) canary: String,
    pub(super) admin: Caller<'g>,
    pub(super) user: Caller<'g>,
    /// The addresses of the two.
    pub(super) emails: [String; 2],
    /// Their password.
    pub(super) password: String,
    /// Global ids of what it has.
    pub(super) user_id: String,
    pub(super) prompt: String,
    pub(super) lead: String,
    pub(super) conversation: String,
    pub(super) message: String,
    pub(super) reply: String,
    pub(super) document: String,
}

impl<'g> Stage<'g> {
    /// Makes both tenants.
    pub(super) async fn set(graph: &'g Graph, root: &Caller<'g>, slug: &str) -> Verdict<Self> {
        let phone = phone()?;
        Ok(Self {
            graph,
            root: root.clone(),
            a: Side::make(graph, root, "A", &format!("{slug}-a"), &phone).await?,
            b: Side::make(graph, root, "B", &format!("{slug}-b"), &phone).await?,
            phone,
        })
    }

    /// All who see B, and must not see A.
    pub(super) fn onlookers(&self) -> [Caller<'g>; 3] {
        let [admin, root] = self.administrators();
        [admin, root, self.b.user.clone()]
    }

    /// Those of them who administer B.
    pub(super) fn administrators(&self) -> [Caller<'g>; 2] {
        [self.b.admin.clone(), self.root.naming(&self.b.number)]
    }
}

impl<'g> Side<'g> {
    async fn make(graph: &'g Graph, root: &Caller<'g>, letter: &str, subdomain: &str, phone: &str) -> Verdict<Self> {
        // A letter first: a word to every full-text search.
        let canary = format!("canary{}", word::<6>()?);
        let name = format!("Throw-away {canary}");
        let password = word::<12>()?;
        let origin = format!("https://{subdomain}.example");
        let input = json!({ "name": name, "subdomain": subdomain, "allowedOrigins": [origin] });
        let id = made(root, "createTenant", "CreateTenantInput", input, "id").await?;
        let number = id.trim_start_matches("tenant_").to_owned();
        let inside = root.naming(subdomain);
        let emails = [format!("admin@{subdomain}.example"), format!("staff@{subdomain}.example")];
        let [first, second] = &emails;
        let input = json!({ "email": first, "password": password, "role": "TENANT_ADMIN" });
        made(&inside, "createUser", "CreateUserInput", input, "id").await?;
        let input = json!({ "email": second, "password": password, "role": "USER" });
        let user_id = made(&inside, "createUser", "CreateUserInput", input, "id").await?;
        let admin = graph.sign_in(&format!("{letter}'s administrator"), first, &password).await?;
        let user = graph.sign_in(&format!("{letter}'s staff"), second, &password).await?;

        let input = json!({ "name": canary, "businessPrompt": format!("This business is {canary}.") });
        let prompt = made(&admin, "setupPrompt", "SetupPromptInput", input, "id").await?;
        let input = json!({ "name": canary, "phone": phone, "notes": "Tall." });
        let lead = made(&admin, "createLead", "CreateLeadInput", input, "id").await?;
        let input = json!({ "title": canary, "content": format!("Our word is {canary}.") });
        let document = made(&admin, "addKnowledgeDocument", "KnowledgeDocumentInput", input, "id").await?;
        let input = json!({ "leadId": lead, "subject": canary });
        let conversation = made(&admin, "startConversation", "StartConversationInput", input, "id").await?;
        let send = "mutation($input: SendMessageInput!) { sendMessage(input: $input) { message { id } reply { id } } }";
        let input = json!({ "conversationId": conversation, "content": format!("What is {canary}?") });
        let sent = admin.ask(send, json!({ "input": input })).await?;
        Ok(Self {
            message: sent.text("/sendMessage/message/id")?,
            reply: sent.text("/sendMessage/reply/id")?,
            subdomain: subdomain.to_owned(),
            origin,
            id,
            number,
            name,
            canary,
            admin,
            user,
            emails,
            password,
            user_id,
            prompt,
            lead,
            conversation,
            document,
        })
    }
}

/// Sends a mutation that takes an input, and must succeed; gives one field of its answer.
pub(super) async fn made(
    caller: &Caller<'_>,
    mutation: &str,
    kind: &str,
    input: Value,
    field: &str,
) -> Verdict<String> {
    let document = format!("mutation($input: {kind}!) {{ {mutation}(input: $input) {{ {field} }} }}");
    let answer = caller.ask(&document, json!({ "input": input })).await?;
    answer.text(&format!("/{mutation}/{field}")).map_err(|wrong| format!("{mutation}: {wrong}"))
}

/// A number that nobody has: there is no area code 555.
pub(super) fn phone() -> Verdict<String> {
    let digits: String = word::<7>()?.bytes().step_by(2).map(|byte| char::from(b'0' + byte % 10)).collect();
    Ok(format!("+1555{digits}"))
}

fn word<const N: usize>() -> Verdict<String> {
    random::<N>().map_err(|error| format!("{error:#}"))
}
