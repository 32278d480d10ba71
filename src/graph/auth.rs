//! `@auth`: who may touch a field. Declared at the field, printed in the schema, and enforced from what is printed: the
//! rules that [`crate::graph::rules`] reads out of the SDL are the only ones there are, so the two can't drift apart.

use async_graphql::{Enum, TypeDirective};

/// Who may touch a field.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Anybody, without a token.
    Public,
    /// A website visitor's token, bound to one conversation.
    Visitor,
    /// A signed-in person. Most fields also need a tenant: the person's own, or the one that an administrator of the platform
    /// names in `X-Tenant-Id`.
    User,
    /// An administrator of the resolved tenant, or an administrator of the platform; where a field says so, also without a
    /// tenant.
    TenantAdmin,
    /// A global administrator.
    Admin,
}

impl Access {
    /// Reads the word as it is printed.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "PUBLIC" => Some(Self::Public),
            "VISITOR" => Some(Self::Visitor),
            "USER" => Some(Self::User),
            "TENANT_ADMIN" => Some(Self::TenantAdmin),
            "ADMIN" => Some(Self::Admin),
            _ => None,
        }
    }
}

/// Says who may touch a field.
#[TypeDirective(location = "FieldDefinition")]
pub fn auth(#[graphql(desc = "The least that a caller must be.")] requires: Access) {}
