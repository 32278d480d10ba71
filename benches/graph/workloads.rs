//! What is asked: each workload as a GraphQL document, as a path of the bare server, and as SQL. All three touch the same rows and
//! the first two answer the same JSON. Must not know who sends it.

use serde_json::json;

use crate::data::{self, Shape};

/// Requests that the load generator goes through, again and again.
const REQUESTS: u32 = 10_000;

/// One kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// One row.
    Lead,
    /// A list.
    Leads,
    /// A list with what belongs to each: 20 conversations, 20 leads, 200 messages.
    Nested,
    /// A write.
    Create,
}

/// One request. In a body, `@@` stands for a word that no other has.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: &'static str,
    pub path: String,
    pub token: String,
    pub body: String,
}

impl Workload {
    pub const ALL: [Self; 4] = [Self::Lead, Self::Leads, Self::Nested, Self::Create];

    pub fn name(self) -> &'static str {
        match self {
            Self::Lead => "W1",
            Self::Leads => "W2",
            Self::Nested => "W3",
            Self::Create => "W4",
        }
    }

    pub fn told(self) -> &'static str {
        match self {
            Self::Lead => "`lead(id)`, one row of six fields",
            Self::Leads => "the 20 newest leads, six fields",
            Self::Nested => "the 20 newest conversations, each with its lead and its ten latest messages",
            Self::Create => "`createLead`",
        }
    }

    /// How many times the bare server's processor time a request may take; what is promised.
    pub fn most_cpu(self) -> f64 {
        match self {
            Self::Lead | Self::Leads => 1.6,
            Self::Nested => 2.0,
            Self::Create => 1.5,
        }
    }

    pub fn document(self) -> &'static str {
        match self {
            Self::Lead => "query Lead($id: ID!) { lead(id: $id) { id name email phone status createdAt } }",
            Self::Leads => "query Leads { leads(first: 20) { nodes { id name email phone status createdAt } } }",
            Self::Nested => {
                "query Inbox { conversations(first: 20) { nodes { id channel status createdAt lead { id name email } \
                 messages(last: 10) { nodes { id role content createdAt } } } } }"
            }
            Self::Create => {
                "mutation Create($input: CreateLeadInput!) { createLead(input: $input) { id name email phone status createdAt } }"
            }
        }
    }

    /// The best that is known; `:names` are pgbench's.
    pub fn sql(self) -> &'static str {
        match self {
            Self::Lead => {
                "SELECT id, name, email, phone, status, created_at FROM leads WHERE id = :lead AND tenant_id = :tenant"
            }
            Self::Leads => {
                "SELECT id, name, email, phone, status, created_at FROM leads WHERE tenant_id = :tenant \
                 ORDER BY created_at DESC, id DESC LIMIT 20"
            }
            Self::Nested => {
                "SELECT c.id, c.channel, c.status, c.created_at, l.id, l.name, l.email, m.id, m.role, m.content, m.created_at \
                 FROM (SELECT id, channel, status, created_at, lead_id FROM conversations WHERE tenant_id = :tenant \
                 ORDER BY created_at DESC, id DESC LIMIT 20) c \
                 LEFT JOIN leads l ON l.tenant_id = :tenant AND l.id = c.lead_id \
                 LEFT JOIN LATERAL (SELECT id, role, content, created_at FROM messages \
                 WHERE tenant_id = :tenant AND conversation_id = c.id ORDER BY id DESC LIMIT 10) m ON true \
                 ORDER BY c.created_at DESC, c.id DESC, m.id"
            }
            // With its line in the audit log, which is no guard but part of what is kept; in one statement, one transaction.
            Self::Create => {
                "WITH made AS (INSERT INTO leads (tenant_id, name, email, source, status, created_at, updated_at) \
                 VALUES (:tenant, :name, :email, 'WEB', 'NEW', now(), now()) ON CONFLICT DO NOTHING \
                 RETURNING id, tenant_id, name, email, phone, status, created_at), \
                 noted AS (INSERT INTO audit_entries (at, tenant_id, actor_id, impersonated, action, target, request_id, outcome) \
                 SELECT created_at, tenant_id, CAST(:actor AS bigint), false, 'lead.create', 'lead_' || id, CAST(gen_random_uuid() AS text), \
                 'DONE' FROM made) \
                 SELECT id, name, email, phone, status, created_at FROM made"
            }
        }
    }

    /// As a driver sends it, and in which order it gives the values.
    pub fn prepared(self) -> String {
        let mut sql = self.sql().to_owned();
        let values: &[&str] = match self {
            Self::Lead => &[":tenant", ":lead"],
            Self::Leads | Self::Nested => &[":tenant"],
            Self::Create => &[":tenant", ":actor", ":name", ":email"],
        };
        for (place, value) in (1..).zip(values) {
            sql = sql.replace(value, &format!("${place}"));
        }
        sql
    }

    /// A script of pgbench. Its variables are numbers, which serve as names and addresses too.
    pub fn script(self, shape: &Shape) -> String {
        format!("{}{};\n", shape.drawn(), self.sql().replace(":name", ":unique").replace(":email", ":unique"))
    }

    /// What is asked of the graph; with a token of each tenant in turn.
    pub fn of_the_graph(self, shape: &Shape, tokens: &[String]) -> Vec<Request> {
        self.spread(shape, |tenant, lead| {
            let variables = match self {
                Self::Lead => json!({ "id": format!("lead_{}", shape.lead(tenant, lead)) }),
                Self::Leads | Self::Nested => json!({}),
                Self::Create => json!({ "input": { "name": "Lead @@", "email": "lead.@@@bench.example" } }),
            };
            Request {
                method: "POST",
                path: "/graphql".to_owned(),
                token: tokens[tenant as usize].clone(),
                body: json!({ "query": self.document(), "variables": variables }).to_string(),
            }
        })
    }

    /// The same of the bare server, which believes whatever it is told.
    pub fn of_the_bare(self, shape: &Shape) -> Vec<Request> {
        self.spread(shape, |tenant, lead| {
            let at = format!("/tenants/{}", data::id_of(tenant));
            let (method, path, body) = match self {
                Self::Lead => ("GET", format!("{at}/leads/{}", shape.lead(tenant, lead)), String::new()),
                Self::Leads => ("GET", format!("{at}/leads"), String::new()),
                Self::Nested => ("GET", format!("{at}/conversations"), String::new()),
                Self::Create => {
                    let (actor, _) = shape.person(tenant);
                    let body = json!({ "actor": actor, "name": "Lead @@", "email": "lead.@@@bench.example" });
                    ("POST", format!("{at}/leads"), body.to_string())
                }
            };
            Request { method, path, token: String::new(), body }
        })
    }

    /// Over all tenants, and of each over its leads.
    fn spread(self, shape: &Shape, request: impl Fn(u32, u32) -> Request) -> Vec<Request> {
        let count = if self == Self::Lead { REQUESTS } else { shape.tenants };
        // A prime step goes through all leads before it meets one again.
        (0..count).map(|n| request(n % shape.tenants, n / shape.tenants * 7_919 % shape.leads_per_tenant)).collect()
    }
}
