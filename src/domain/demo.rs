//! Two demo tenants with people, leads and conversations, so that a fresh checkout has something to look at. Made once,
//! in development only.

use secrecy::SecretString;

use crate::{
    context::{AdminCx, RequestId, Services, TenantCx, View},
    db::{
        identity,
        tables::{
            messages::{self, NewMessage},
            tenants::TenantFilter,
        },
    },
    domain::{
        conversations::{self, ConversationForm},
        leads::{self, LeadForm},
        prompts::{self, SetupForm},
        settings::{self, SmsEdit},
        tenants::{self, TenantForm},
        users::{self, UserForm},
    },
    kernel::{
        failure::Outcome,
        page::{List, Order, Page, PageArgs},
        vocabulary::{Channel, MessageRole, MessageStatus, Role},
    },
};

use std::sync::Arc;

struct Demo {
    name: &'static str,
    subdomain: &'static str,
    /// Where it can be texted: a number of those that nobody has.
    phone: &'static str,
    business: &'static str,
    faq: &'static str,
    leads: &'static [(&'static str, &'static str, &'static str)],
    question: &'static str,
    answer: &'static str,
}

/// Where `examples/widget.html` is served for a first look.
const PAGES: &[&str] = &["http://localhost:5500", "http://127.0.0.1:5500"];

const DEMOS: &[Demo] = &[
    Demo {
        name: "Bright Waves Swim School",
        subdomain: "brightwaves",
        phone: "+15555550122",
        business: "Bright Waves teaches children and adults to swim, in small groups in warm water.",
        faq: "Q: When are you open?\nA: We are open Monday to Saturday, 9 am to 7 pm.\n\
              Q: How much does a lesson cost?\nA: A group lesson costs 24 dollars, a private lesson 55 dollars.\n\
              Q: From which age do you teach?\nA: From six months on, together with a parent.",
        leads: &[
            ("Maya Lindgren", "maya@example.net", "+15550100101"),
            ("Tom Okafor", "tom@example.net", "+15550100102"),
        ],
        question: "Do you teach four-year-olds?",
        answer: "Yes! From six months on, together with a parent.",
    },
    Demo {
        name: "Corner Bike Works",
        subdomain: "cornerbikes",
        phone: "+15555550133",
        business: "Corner Bike Works repairs and sells bicycles, and is honest about what a repair is worth.",
        faq: "Q: When are you open?\nA: Tuesday to Friday, 10 am to 6 pm, and Saturday until 2 pm.\n\
              Q: How much is a tune-up?\nA: A basic tune-up costs 79 dollars, parts not included.\n\
              Q: Do I need an appointment for a repair?\nA: No. Bring the bike in; most repairs take two days.",
        leads: &[("Ines Ferreira", "ines@example.net", "+15550100201")],
        question: "Can I bring my bike in today?",
        answer: "Yes, no appointment needed. Most repairs take two days.",
    },
];

/// Reached by text: at a number that nobody has, with a key that opens nothing.
fn by_text(demo: &Demo) -> SmsEdit {
    SmsEdit {
        is_enabled: Some(true),
        telnyx_phone_number: Some(Some(demo.phone.to_owned())),
        telnyx_api_key: Some(Some("a-key-of-nobody-at-telnyx".to_owned().into())),
        ..SmsEdit::default()
    }
}

/// A demo account that was made.
pub struct DemoAccount {
    /// The tenant's slug.
    pub subdomain: &'static str,
    /// Its administrator's address.
    pub email: String,
}

/// Makes the demo tenants, if there is no tenant at all yet; `password` is their administrators'.
///
/// # Errors
/// Faults only.
pub async fn seed(cx: &AdminCx, services: &Arc<Services>, password: &SecretString) -> Outcome<Vec<DemoAccount>> {
    let one = Page::read(&PageArgs { first: Some(1), ..PageArgs::default() }, Order::newest(List::Tenants))?;
    let existing =
        cx.administer(async |tx| crate::db::tables::tenants::page(tx, &TenantFilter::default(), &one).await).await?;
    if !existing.rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut accounts = Vec::new();
    for demo in DEMOS {
        accounts.push(one_tenant(cx, services, demo, password).await?);
    }
    Ok(accounts)
}

async fn one_tenant(
    cx: &AdminCx,
    services: &Arc<Services>,
    demo: &Demo,
    password: &SecretString,
) -> Outcome<DemoAccount> {
    let tenant = tenants::create(
        cx,
        TenantForm {
            name: demo.name.to_owned(),
            subdomain: demo.subdomain.to_owned(),
            is_active: true,
            system_prompt: None,
            allowed_origins: PAGES.iter().map(|page| (*page).to_owned()).collect(),
            monthly_token_quota: None,
            pinecone_environment: None,
            pinecone_api_key: None,
        },
    )
    .await?;
    let cx = TenantCx::new(identity::server_work(tenant.id), services.clone(), RequestId("seed".into()));
    let email = format!("admin@{}.example", demo.subdomain);
    for (email, name, role) in [
        (email.clone(), "Demo admin", Role::TenantAdmin),
        (format!("desk@{}.example", demo.subdomain), "Demo staff", Role::User),
    ] {
        users::create(&cx, UserForm { email, password: password.clone(), name: Some(name.to_owned()), role }).await?;
    }
    prompts::setup(
        &View::Tenant(cx.clone()),
        &SetupForm {
            name: demo.name.to_owned(),
            business_prompt: demo.business.to_owned(),
            faq: Some(demo.faq.to_owned()),
            rules: Some("Never promise a discount.".to_owned()),
        },
    )
    .await?;
    settings::update_sms(&cx, by_text(demo)).await?;
    let mut first = None;
    for (name, email, phone) in demo.leads {
        let form = LeadForm {
            name: Some((*name).to_owned()),
            email: Some((*email).to_owned()),
            phone: Some((*phone).to_owned()),
            ..LeadForm::default()
        };
        let lead = leads::create(&cx, &form).await?;
        first.get_or_insert(lead.id);
    }
    let form = ConversationForm { channel: Channel::Web, lead: first, subject: Some("First question".to_owned()) };
    let conversation = conversations::start(&cx, &form).await?;
    cx.write(async |tx| {
        for (role, content) in [(MessageRole::Customer, demo.question), (MessageRole::Assistant, demo.answer)] {
            let message = NewMessage {
                tenant_id: tenant.id,
                conversation_id: conversation.id,
                role,
                status: MessageStatus::Complete,
                content: content.to_owned(),
                author_id: None,
                reply_to_id: None,
                client_message_id: None,
                lease_expires_at: None,
                created_at: cx.now(),
                updated_at: cx.now(),
            };
            messages::insert(tx, &message).await?;
        }
        Ok(())
    })
    .await?;
    Ok(DemoAccount { subdomain: demo.subdomain, email })
}
