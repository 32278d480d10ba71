//! Objects whose fields are at hand: a row that was read already. Of such, the library makes a future for each field, on the heap,
//! joins them, and keeps a value for each in a map; for a list of two hundred messages that is most of what an answer costs. Here
//! they are written as the text of the answer at once, by the same resolvers. Whatever needs more than a row (another field, an
//! argument, a directive) goes the library's way, the whole object with it. Nothing is selected twice: see `merge.rs`. Must not know
//! any object.

use std::borrow::Cow;

use async_graphql::{
    ContainerType, Context, ContextSelectionSet, ID, OutputType, Positioned, ScalarType, ServerError, ServerResult,
    Value,
    parser::types::{Field, Selection},
    registry::Registry,
    resolver_utils::EnumType,
};
use futures_util::future::try_join_all;

use crate::{
    graph::{
        answer::{self, named, quoted},
        scalars::{DateTime, PhoneNumber},
    },
    kernel::vocabulary::{
        AuditOutcome, Channel, ConversationStatus, DeliveryStatus, LeadStatus, MeetingStatus, MessageRole,
        MessageStatus, PromptStatus, Role,
    },
};

/// About how long the text of an object is, in bytes.
const OBJECT: usize = 256;

/// An object that has some of its fields at hand.
pub(super) trait Plain: ContainerType {
    /// Writes a field's value; `None` for one that has to be resolved.
    fn plain(&self, ctx: &Context<'_>, out: &mut Vec<u8>) -> Option<()>;

    /// Whether what is selected of `name` is selected of this; `None` where that is not at hand.
    fn is_a(&self, name: &str) -> Option<bool> {
        (name == Self::type_name()).then_some(true)
    }
}

/// What a resolver gives that waits for nothing, as JSON.
pub(super) trait Leaf {
    fn write(self, out: &mut Vec<u8>);
}

impl Leaf for ID {
    fn write(self, out: &mut Vec<u8>) {
        quoted(&self.0, out);
    }
}

impl Leaf for &ID {
    fn write(self, out: &mut Vec<u8>) {
        quoted(&self.0, out);
    }
}

impl Leaf for &String {
    fn write(self, out: &mut Vec<u8>) {
        quoted(self, out);
    }
}

impl Leaf for &str {
    fn write(self, out: &mut Vec<u8>) {
        quoted(self, out);
    }
}

impl<T: Leaf> Leaf for Option<T> {
    fn write(self, out: &mut Vec<u8>) {
        match self {
            Some(leaf) => leaf.write(out),
            None => out.extend_from_slice(b"null"),
        }
    }
}

/// Says which fields of a type are at hand, and by which of its resolvers: these wait for nothing and can't fail.
macro_rules! plain {
    ($type:ty { $($name:literal => $resolver:ident,)+ }) => {
        impl $crate::graph::plain::Plain for $type {
            fn plain(&self, ctx: &async_graphql::Context<'_>, out: &mut Vec<u8>) -> Option<()> {
                match ctx.item.node.name.node.as_str() {
                    $($name => {
                        let value = futures_util::FutureExt::now_or_never(self.$resolver(ctx))?.ok()?;
                        $crate::graph::plain::Leaf::write(value, out);
                    })+
                    _ => return None,
                }
                Some(())
            }
        }
    };
}
pub(super) use plain;

macro_rules! leaves {
    (scalars $($scalar:ty),+; enums $($enum:ty),+) => {
        $(impl Leaf for $scalar {
            fn write(self, out: &mut Vec<u8>) {
                answer::value(&ScalarType::to_value(&self), out);
            }
        })+
        $(impl Leaf for $enum {
            fn write(self, out: &mut Vec<u8>) {
                match <$enum>::items().iter().find(|item| item.value == self) {
                    Some(item) => named(item.name, out),
                    None => out.extend_from_slice(b"null"),
                }
            }
        })+
    };
}

impl Leaf for DateTime {
    fn write(self, out: &mut Vec<u8>) {
        out.push(b'"');
        self.write_rfc3339(out);
        out.push(b'"');
    }
}

leaves!(
    scalars bool, i32, PhoneNumber;
    enums AuditOutcome, Channel, ConversationStatus, DeliveryStatus, LeadStatus, MeetingStatus, MessageRole, MessageStatus,
    PromptStatus, Role
);

/// Writes an object, if all that is selected of it is at hand; `None` leaves a part of it behind.
pub(super) fn object<T: Plain>(ctx: &ContextSelectionSet<'_>, it: &T, out: &mut Vec<u8>) -> Option<()> {
    out.push(b'{');
    let before = out.len();
    select(ctx, it, before, out)?;
    out.push(b'}');
    Some(())
}

fn select<T: Plain>(ctx: &ContextSelectionSet<'_>, it: &T, before: usize, out: &mut Vec<u8>) -> Option<()> {
    for item in &ctx.item.node.items {
        match &item.node {
            Selection::Field(field) if !field.node.arguments.is_empty() || !field.node.directives.is_empty() => {
                return None;
            }
            Selection::Field(field) => {
                if out.len() > before {
                    out.push(b',');
                }
                named(&field.node.response_key().node, out);
                out.push(b':');
                if field.node.name.node == "__typename" {
                    named(&it.introspection_type_name(), out);
                } else {
                    it.plain(&ctx.with_field(field), out)?;
                }
            }
            Selection::FragmentSpread(spread) => {
                let fragment = &ctx.query_env.fragments.get(&spread.node.fragment_name.node)?.node;
                if !spread.node.directives.is_empty() {
                    return None;
                }
                if it.is_a(&fragment.type_condition.node.on.node)? {
                    select(&ctx.with_selection_set(&fragment.selection_set), it, before, out)?;
                }
            }
            Selection::InlineFragment(inline) => {
                if !inline.node.directives.is_empty() {
                    return None;
                }
                let is_meant = match &inline.node.type_condition {
                    Some(condition) => it.is_a(&condition.node.on.node)?,
                    None => true,
                };
                if is_meant {
                    select(&ctx.with_selection_set(&inline.node.selection_set), it, before, out)?;
                }
            }
        }
    }
    Some(())
}

/// What `write` writes.
fn written(objects: usize, write: impl FnOnce(&mut Vec<u8>) -> Option<()>) -> Option<Value> {
    let mut out = Vec::with_capacity(OBJECT * objects);
    write(&mut out)?;
    Some(answer::ready(out))
}

/// One object, written at once where that goes.
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
        match written(1, |out| object(ctx, &self.0, out)) {
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
        let list = |out: &mut Vec<u8>| {
            for (at, &item) in self.0.iter().enumerate() {
                out.push(if at == 0 { b'[' } else { b',' });
                object(ctx, item, out)?;
            }
            out.extend_from_slice(if self.0.is_empty() { b"[]" } else { b"]" });
            Some(())
        };
        if let Some(value) = written(self.0.len(), list) {
            return Ok(value);
        }
        // As the library's own, which would say of a fault in a field that it was the whole item's.
        let items = self.0.iter().enumerate().map(|(at, item)| {
            let ctx = ctx.with_index(at);
            async move {
                let told = |error: ServerError| if error.path.is_empty() { ctx.set_error_path(error) } else { error };
                item.resolve(&ctx, field).await.map_err(told)
            }
        });
        Ok(Value::List(try_join_all(items).await?))
    }
}
