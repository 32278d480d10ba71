//! Objects whose fields are at hand: a row that was read already. Of such, the library makes a future for each field, on the heap,
//! and joins them; for a list of two hundred messages that is most of what an answer costs. Here their values are put together at
//! once, by the same resolvers. Whatever needs more than a row (another field, an argument, a directive) goes the library's way,
//! the whole object with it. Must not know any object.

use std::borrow::Cow;

use async_graphql::{
    ContainerType, Context, ContextSelectionSet, ID, Name, OutputType, Positioned, ScalarType, ServerResult, Value,
    indexmap::IndexMap,
    parser::types::{Field, Selection},
    registry::Registry,
    resolver_utils,
};

use crate::{
    graph::scalars::{DateTime, PhoneNumber},
    kernel::vocabulary::{
        AuditOutcome, Channel, ConversationStatus, DeliveryStatus, LeadStatus, MeetingStatus, MessageRole,
        MessageStatus, PromptStatus, Role,
    },
};

/// An object that has some of its fields at hand.
pub(super) trait Plain: ContainerType {
    /// A field's value; `None` for one that has to be resolved.
    fn plain(&self, ctx: &Context<'_>) -> Option<Value>;
}

/// What a resolver gives that waits for nothing, as a value.
pub(super) trait Leaf {
    fn leaf(self) -> Value;
}

impl Leaf for ID {
    fn leaf(self) -> Value {
        Value::String(self.0)
    }
}

impl Leaf for &str {
    fn leaf(self) -> Value {
        Value::String(self.to_owned())
    }
}

impl<T: Leaf> Leaf for Option<T> {
    fn leaf(self) -> Value {
        self.map_or(Value::Null, Leaf::leaf)
    }
}

/// Says which fields of a type are at hand, and by which of its resolvers: these wait for nothing and can't fail.
macro_rules! plain {
    ($type:ty { $($name:literal => $resolver:ident,)+ }) => {
        impl $crate::graph::plain::Plain for $type {
            fn plain(&self, ctx: &async_graphql::Context<'_>) -> Option<async_graphql::Value> {
                match ctx.item.node.name.node.as_str() {
                    $($name => {
                        let value = futures_util::FutureExt::now_or_never(self.$resolver(ctx))?.ok()?;
                        Some($crate::graph::plain::Leaf::leaf(value))
                    })+
                    _ => None,
                }
            }
        }
    };
}
pub(super) use plain;

macro_rules! leaves {
    (scalars $($scalar:ty),+; enums $($enum:ty),+) => {
        $(impl Leaf for $scalar {
            fn leaf(self) -> Value {
                ScalarType::to_value(&self)
            }
        })+
        $(impl Leaf for $enum {
            fn leaf(self) -> Value {
                resolver_utils::enum_value(self)
            }
        })+
    };
}

leaves!(
    scalars bool, i32, DateTime, PhoneNumber;
    enums AuditOutcome, Channel, ConversationStatus, DeliveryStatus, LeadStatus, MeetingStatus, MessageRole, MessageStatus,
    PromptStatus, Role
);

/// An object's value, if all that is selected of it is at hand.
pub(super) fn object<T: Plain>(ctx: &ContextSelectionSet<'_>, it: &T) -> Option<Value> {
    let mut fields = IndexMap::with_capacity(ctx.item.node.items.len());
    select(ctx, it, &mut fields)?;
    Some(Value::Object(fields))
}

fn select<T: Plain>(ctx: &ContextSelectionSet<'_>, it: &T, fields: &mut IndexMap<Name, Value>) -> Option<()> {
    for item in &ctx.item.node.items {
        match &item.node {
            Selection::Field(field) if !field.node.arguments.is_empty() || !field.node.directives.is_empty() => {
                return None;
            }
            Selection::Field(field) => {
                let value = if field.node.name.node == "__typename" {
                    Value::String(it.introspection_type_name().into_owned())
                } else {
                    it.plain(&ctx.with_field(field))?
                };
                // What is there twice has to be merged.
                if fields.insert(field.node.response_key().node.clone(), value).is_some() {
                    return None;
                }
            }
            Selection::FragmentSpread(spread) => {
                let fragment = &ctx.query_env.fragments.get(&spread.node.fragment_name.node)?.node;
                if fragment.type_condition.node.on.node != *T::type_name() || !spread.node.directives.is_empty() {
                    return None;
                }
                select(&ctx.with_selection_set(&fragment.selection_set), it, fields)?;
            }
            Selection::InlineFragment(inline) => {
                let on = inline.node.type_condition.as_ref().map(|condition| condition.node.on.node.as_str());
                if on.is_some_and(|on| on != T::type_name()) || !inline.node.directives.is_empty() {
                    return None;
                }
                select(&ctx.with_selection_set(&inline.node.selection_set), it, fields)?;
            }
        }
    }
    Some(())
}

/// One object, put together at once where that goes.
pub struct Swift<T>(pub T);

impl<T: Plain> OutputType for Swift<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn introspection_type_name(&self) -> Cow<'static, str> {
        self.0.introspection_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        match object(ctx, &self.0) {
            Some(value) => Ok(value),
            None => self.0.resolve(ctx, field).await,
        }
    }
}

/// A list of them.
pub struct SwiftList<'a, T>(pub Vec<&'a T>);

impl<T: Plain> OutputType for SwiftList<'_, T> {
    fn type_name() -> Cow<'static, str> {
        <Vec<T> as OutputType>::type_name()
    }

    fn qualified_type_name() -> String {
        <Vec<T> as OutputType>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <Vec<T> as OutputType>::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        match self.0.iter().map(|&item| object(ctx, item)).collect() {
            Some(values) => Ok(Value::List(values)),
            None => resolver_utils::resolve_list(ctx, field, self.0.iter().copied(), Some(self.0.len())).await,
        }
    }
}
