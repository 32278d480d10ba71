//! What a document goes through before anything runs: a look at its bytes, the parser, and one walk that adds up its cost
//! and collects who may touch its fields. Fragments are walked once each, whatever the number of their spreads. Must not
//! ask the database.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use async_graphql::{
    Name, Pos, Positioned, Request, ServerError, Variables,
    parser::{
        parse_query,
        types::{
            Directive, DocumentOperations, ExecutableDocument, Field, FragmentDefinition, OperationDefinition,
            OperationType, Selection, SelectionSet,
        },
    },
};
use async_graphql_value::{ConstValue, Value};

use crate::{
    graph::{
        auth::Access,
        documents::News,
        escapes,
        gather::Gather,
        limits::{self, Limits, Uses},
        plans::Plan,
        rules::{self, Rules},
        scan::scan,
        sum::Sum,
    },
    kernel::{
        failure::{ErrorCode, Refusal},
        page::{DEFAULT_SIZE, MAX_SIZE},
    },
};

/// What whoever asks for more than one subscription is told.
const ONE: &str = "A subscription has one field at its root. Ask for each by an operation of its own.";
/// Rows that a list without a size is taken to give.
const PLAIN_LIST: usize = 10;
/// What a field costs that asks the database for each row of its parent.
const STATEMENT: usize = 10;
/// What a field costs that searches documents.
const SEARCH: usize = 2_000;
/// Fields of introspection that lead from types to types.
const CIRCLES: &[&str] = &["fields", "inputFields", "interfaces", "possibleTypes"];

/// A document that may run, if its caller may touch its fields.
pub struct Checked {
    pub(super) request: Request,
    /// Query, mutation or subscription.
    pub kind: OperationType,
    /// Fields that say who may touch them.
    pub(super) touched: Arc<[(Access, String, Pos)]>,
    /// What it costs: each field once for each row that a list may give.
    pub cost: usize,
    /// What is new about the document.
    pub(super) news: News,
    /// How often it names each of its variables.
    uses: Uses,
    /// The specification's rules were looked at before, for the like of it.
    pub(super) is_valid: bool,
    /// It asks what the schema looks like.
    pub(super) introspects: bool,
}

impl Checked {
    /// What an earlier look at the like of it found.
    pub(super) fn planned(mut request: Request, news: News, plan: &Plan) -> Self {
        request.set_parsed_query(plan.document.clone());
        Self {
            request,
            kind: plan.kind,
            touched: plan.touched.clone(),
            cost: plan.cost,
            news,
            uses: plan.uses.clone(),
            is_valid: true,
            introspects: plan.introspects,
        }
    }

    /// The same for the next of its like, now that it is known to be valid.
    pub(super) fn plan(&mut self) -> Option<Plan> {
        let document = self.request.parsed_query().ok()?.clone();
        let Self { kind, cost, introspects, .. } = *self;
        let (touched, uses) = (self.touched.clone(), self.uses.clone());
        Some(Plan { document, bytes: self.request.query.len(), kind, touched, cost, uses, introspects })
    }

    /// Whether it changes something, if its caller may.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.kind == OperationType::Mutation || self.touched.iter().any(|(_, name, _)| name == "Subscription.chat")
    }
}

/// Why a document does not run.
#[derive(Debug)]
pub struct Rejection {
    /// Which step it failed.
    pub kind: RejectionKind,
    pub(super) error: Box<ServerError>,
}

/// The step that a document failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectionKind {
    /// It is not GraphQL.
    Syntax,
    /// It is GraphQL, but not for this schema, or too much of it.
    Invalid,
    /// There is none: the server has no document of this id, or takes none as text.
    Missing,
}

impl Rejection {
    pub(super) fn of(kind: RejectionKind, refusal: &Refusal) -> Self {
        Self { kind, error: Box::new(super::error::refused(refusal, None)) }
    }
}

pub(super) fn check(
    (mut request, news): (Request, News),
    rules: &Rules,
    limits: &Limits,
) -> Result<Checked, Rejection> {
    let seen = scan(&request.query);
    if seen.is_open {
        let refusal =
            Refusal::new(ErrorCode::BadUserInput, "This is not a GraphQL document: a block string does not end.");
        return Err(Rejection::of(RejectionKind::Syntax, &refusal));
    }
    within("tokens", limits.tokens, seen.tokens)?;
    within("bytes of names", limits.names, seen.names)?;
    within("nested brackets", limits.nesting, seen.nesting)?;
    let document = parse_query(escapes::joined(&request.query)).map_err(|error| syntax(&error.into()))?;
    let operation = chosen(&document, request.operation_name.as_deref())?;
    // What the library does with a variable that was left out is not our affair to guess: nothing is left out any more,
    // so both of us see the same values.
    for (name, value) in defaults(&operation.node) {
        request.variables.entry(name).or_insert(value);
    }
    required(&operation.node, &request.variables)?;
    let uses = limits::uses(&document);
    copies_within(limits, &uses, &request.variables)?;
    let mut walk = Walk {
        rules,
        limits,
        document: &document,
        variables: &request.variables,
        fragments: HashMap::new(),
        aliases: 0,
        directives: 0,
        introspects: false,
    };
    // All operations and fragments are validated, so all of them count.
    let mut size = 0usize;
    for (_, other) in document.operations.iter() {
        size = size.saturating_add(walk.operation(&other.node)?.size);
    }
    for (name, fragment) in &document.fragments {
        size = size.saturating_add(walk.fragment(name, fragment)?.size);
    }
    within("fields after spreading fragments", limits.size, size)?;
    within("aliases", limits.aliases, walk.aliases)?;
    within("directives", limits.directives, walk.directives)?;
    let sum = walk.operation(&operation.node)?;
    within("levels of fields", limits.depth, sum.depth)?;
    within("root fields", limits.root_fields, sum.roots)?;
    if operation.node.ty == OperationType::Mutation {
        within("mutations", limits.mutations, sum.roots)?;
    }
    if operation.node.ty == OperationType::Subscription {
        let gather = Gather { rules, document: &document, variables: &request.variables };
        // Whether a fragment may stand here, the validator knows.
        if gather.fields("", &[&operation.node.selection_set]).len() != 1 {
            return Err(invalid(ONE, Some(operation.pos)));
        }
    }
    within("lists of types in each other", limits.circle, sum.circle)?;
    within("cost", limits.cost, sum.cost)?;
    let (kind, introspects) = (operation.node.ty, walk.introspects);
    request.set_parsed_query(document);
    let (touched, cost) = (sum.touched.into(), sum.cost);
    Ok(Checked { request, kind, touched, cost, news, uses, is_valid: false, introspects })
}

/// The operation that is meant.
pub(super) fn chosen<'d>(
    document: &'d ExecutableDocument,
    name: Option<&str>,
) -> Result<&'d Positioned<OperationDefinition>, Rejection> {
    match (&document.operations, name.filter(|name| !name.is_empty())) {
        (DocumentOperations::Single(operation), None) => Ok(operation),
        (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => {
            operations.values().next().ok_or_else(|| invalid("The document holds no operation.", None))
        }
        (DocumentOperations::Multiple(_), None) => {
            Err(invalid("The document holds several operations; name one of them in `operationName`.", None))
        }
        (DocumentOperations::Multiple(operations), Some(name)) if operations.contains_key(name) => {
            operations.get(name).ok_or_else(|| invalid("The document holds no such operation.", None))
        }
        (_, Some(name)) => Err(invalid(format!("The document holds no operation named `{name}`."), None)),
    }
}

/// What the operation's variables are when they are not given.
fn defaults(operation: &OperationDefinition) -> Vec<(Name, ConstValue)> {
    let definitions = operation.variable_definitions.iter();
    definitions
        .filter_map(|definition| {
            Some((definition.node.name.node.clone(), definition.node.default_value.as_ref()?.node.clone()))
        })
        .collect()
}

/// Holds what was given to which variables must be (6.1.2). The library would take one that was left out for an argument that was.
fn required(operation: &OperationDefinition, variables: &Variables) -> Result<(), Rejection> {
    for definition in &operation.variable_definitions {
        let (name, of) = (&definition.node.name.node, &definition.node.var_type.node);
        if !of.nullable && variables.get(name).is_none_or(|value| *value == ConstValue::Null) {
            let message = format!("The variable `${name}` of type `{of}` is required, and was not given.");
            return Err(invalid(message, Some(definition.pos)));
        }
    }
    Ok(())
}

struct Walk<'d> {
    rules: &'d Rules,
    limits: &'d Limits,
    document: &'d ExecutableDocument,
    variables: &'d Variables,
    /// `None` while a fragment is being walked: to meet it again then is a circle.
    fragments: HashMap<Name, Option<Sum>>,
    aliases: usize,
    directives: usize,
    introspects: bool,
}

impl<'d> Walk<'d> {
    fn operation(&mut self, operation: &'d OperationDefinition) -> Result<Sum, Rejection> {
        self.selection(&operation.selection_set.node, rules::root(operation.ty))
    }

    fn fragment(&mut self, name: &Name, fragment: &'d Positioned<FragmentDefinition>) -> Result<Sum, Rejection> {
        match self.fragments.get(name) {
            Some(Some(known)) => return Ok(known.clone()),
            Some(None) => return Err(invalid(format!("The fragment `{name}` contains itself."), Some(fragment.pos))),
            None => {}
        }
        self.fragments.insert(name.clone(), None);
        let on = fragment.node.type_condition.node.on.node.to_string();
        let sum = self.selection(&fragment.node.selection_set.node, &on)?;
        self.fragments.insert(name.clone(), Some(sum.clone()));
        Ok(sum)
    }

    fn selection(&mut self, set: &'d SelectionSet, parent: &str) -> Result<Sum, Rejection> {
        let mut sum = Sum::default();
        for item in &set.items {
            let (part, directives) = match &item.node {
                Selection::Field(field) => (self.field(&field.node, field.pos, parent)?, &field.node.directives),
                Selection::InlineFragment(inline) => {
                    let on = inline.node.type_condition.as_ref().map(|condition| condition.node.on.node.to_string());
                    let part = self.selection(&inline.node.selection_set.node, on.as_deref().unwrap_or(parent))?;
                    (part.spread(), &inline.node.directives)
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    let Some(fragment) = self.document.fragments.get(name) else {
                        return Err(invalid(format!("There is no fragment named `{name}`."), Some(item.pos)));
                    };
                    (self.fragment(name, fragment)?.spread(), &spread.node.directives)
                }
            };
            self.directives += directives.len();
            sum.add(&if is_skipped(directives, self.variables) { part.skipped() } else { part });
            // Stopped while it is small: nothing grows with what the document would have become.
            within("fields after spreading fragments", self.limits.size, sum.size)?;
        }
        Ok(sum)
    }

    fn field(&mut self, field: &'d Field, pos: Pos, parent: &str) -> Result<Sum, Rejection> {
        self.aliases += usize::from(field.alias.is_some());
        let name = field.name.node.as_str();
        self.introspects |= matches!(name, "__schema" | "__type");
        // Unknown fields, and introspection, go on without a rule: the validator knows them.
        let rule = self.rules.field(parent, name);
        let children = self.selection(&field.selection_set.node, rule.map_or("", |rule| rule.gives.as_str()))?;
        let rows = match rule {
            Some(rule) if rule.is_paged => self.page_size(field),
            Some(_) if field.get_argument("ids").is_some() => self.list_size(field),
            Some(rule) if rule.is_plain_list && !parent.ends_with("Connection") => PLAIN_LIST,
            _ => 1,
        };
        // A page inside a page, and a count, are statements of their own; a search looks at all that a tenant wrote.
        let is_root = matches!(parent, "Query" | "Mutation" | "Subscription");
        let own = match name {
            "searchKnowledge" if is_root => SEARCH,
            "totalCount" => STATEMENT,
            _ if rule.is_some_and(|rule| rule.is_paged && !is_root) => STATEMENT,
            _ => 1,
        };
        let mut touched = children.touched;
        if let Some(access) = rule.and_then(|rule| rule.access) {
            touched.push((access, format!("{parent}.{name}"), pos));
        }
        Ok(Sum {
            size: children.size.saturating_add(1),
            cost: children.cost.saturating_mul(rows).saturating_add(own),
            depth: children.depth + 1,
            roots: 1,
            circle: children.circle + usize::from(parent.is_empty() && CIRCLES.contains(&name)),
            touched,
        })
    }

    /// The rows that a page may give.
    fn page_size(&self, field: &Field) -> usize {
        let asked = ["first", "last"]
            .into_iter()
            .filter_map(|name| constant(&field.get_argument(name)?.node, self.variables))
            .find(|value| **value != ConstValue::Null);
        match asked.as_deref() {
            None => DEFAULT_SIZE,
            // What is no size, or too large a one, is refused by the field itself.
            Some(ConstValue::Number(size)) => {
                size.as_u64().and_then(|size| usize::try_from(size).ok()).unwrap_or(MAX_SIZE).clamp(1, MAX_SIZE)
            }
            Some(_) => MAX_SIZE,
        }
    }

    /// The rows that a list of ids may give.
    fn list_size(&self, field: &Field) -> usize {
        match field.get_argument("ids").and_then(|value| constant(&value.node, self.variables)).as_deref() {
            Some(ConstValue::List(ids)) => ids.len().clamp(1, MAX_SIZE),
            _ => MAX_SIZE,
        }
    }
}

/// Whether what stands behind these directives is left out.
pub(super) fn is_skipped(directives: &[Positioned<Directive>], variables: &Variables) -> bool {
    directives.iter().any(|directive| {
        let said = directive.node.get_argument("if").and_then(|value| constant(&value.node, variables));
        match (directive.node.name.node.as_str(), said.as_deref()) {
            ("skip", Some(ConstValue::Boolean(is_so))) => *is_so,
            ("include", Some(ConstValue::Boolean(is_so))) => !is_so,
            // As the library takes it.
            ("include", Some(ConstValue::Null)) => true,
            _ => false,
        }
    })
}

/// A variable's value is only looked at: it may be large, and used often.
fn constant<'v>(value: &Value, variables: &'v Variables) -> Option<Cow<'v, ConstValue>> {
    match value {
        Value::Variable(name) => variables.get(name).map(Cow::Borrowed),
        other => other.clone().into_const().map(Cow::Owned),
    }
}

/// Holds what the library would copy of variables to its limit. To be looked at for each request: plans hold for texts of any length.
pub(super) fn copies_within(limits: &Limits, uses: &Uses, variables: &Variables) -> Result<(), Rejection> {
    within("bytes of variables, counted for each use", limits.copied, limits::copied(uses, variables))
}

pub(super) fn within(what: &str, limit: usize, value: usize) -> Result<(), Rejection> {
    if value <= limit {
        return Ok(());
    }
    let message = format!("The document has {value} {what}; the limit is {limit}. Ask for less at once.");
    Err(Rejection::of(RejectionKind::Invalid, &Refusal::new(ErrorCode::QueryTooComplex, message)))
}

pub(super) fn invalid(message: impl Into<Cow<'static, str>>, pos: Option<Pos>) -> Rejection {
    let refusal = Refusal::new(ErrorCode::BadUserInput, message);
    Rejection { kind: RejectionKind::Invalid, error: Box::new(super::error::refused(&refusal, pos)) }
}

fn syntax(error: &ServerError) -> Rejection {
    // The parser draws a picture over several lines; its last line says what it expected.
    let said = error.message.lines().last().map_or("", |line| line.trim_start_matches([' ', '=']));
    let message = format!("This is not a GraphQL document: {said}.");
    let refusal = Refusal::new(ErrorCode::BadUserInput, message);
    Rejection {
        kind: RejectionKind::Syntax,
        error: Box::new(super::error::refused(&refusal, error.locations.first().copied())),
    }
}
