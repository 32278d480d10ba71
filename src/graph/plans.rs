//! Documents that were parsed, measured and validated before, so that the same is not done anew for each of a thousand requests that
//! differ in an id. What was found holds for a document and for all values of its variables that no check can tell apart: of a text,
//! the checks see only that it is one. Everything else about a variable is part of the name under which a plan is kept. Bounded; must
//! not know who asked, and hold nothing that depends on it.

use std::{fmt::Write, sync::Arc};

use async_graphql::{
    Name, Pos, Request,
    parser::types::{BaseType, ExecutableDocument, OperationType, Type},
};
use async_graphql_value::ConstValue;
use quick_cache::{Weighter, sync::Cache};
use ring::digest::{Context, SHA256};

use crate::graph::{auth::Access, check, limits::Uses, rules::Rules};

/// What all plans may hold together, in bytes of the documents that they were made from.
const PLANS_MAX: u64 = 1024 * 1024;
/// Plans, at about so many bytes of a document.
const PLAN: u64 = 512;
/// Values of variables that take more than this to tell apart are looked at each time.
const SHAPE_MAX: usize = 2 * 1024;

/// What stands for any text, and for a variable that has no value. No other value's writing begins so: where one ends and the next
/// begins is never in doubt, and two lists of values are written alike only where they are the same.
const TEXT: char = '~';
const LEFT_OUT: char = '?';

type Hash = [u8; 32];

/// What a document asks for, whoever asks.
pub(super) struct Plan {
    pub(super) document: ExecutableDocument,
    /// How long its text is, or would be if all that it spreads were written out.
    pub(super) bytes: usize,
    pub(super) kind: OperationType,
    pub(super) touched: Arc<[(Access, String, Pos)]>,
    pub(super) cost: usize,
    /// How often it names each of its variables.
    pub(super) uses: Uses,
    /// It asks what the schema looks like.
    pub(super) introspects: bool,
}

/// What has to be known of a document to name a plan: its variables.
struct Signature {
    variables: Vec<(Name, Type, Option<ConstValue>)>,
    bytes: usize,
}

/// The name of a plan.
pub(super) struct Named {
    document: Hash,
    plan: Hash,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Hash, Arc<Signature>> for Weight {
    fn weight(&self, _: &Hash, signature: &Arc<Signature>) -> u64 {
        PLAN + bytes(signature.bytes)
    }
}

impl Weighter<Hash, (Arc<Plan>, usize)> for Weight {
    fn weight(&self, _: &Hash, (_, length): &(Arc<Plan>, usize)) -> u64 {
        PLAN + bytes(*length)
    }
}

fn bytes(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// The plans that this node has made.
pub(super) struct Plans {
    signatures: Cache<Hash, Arc<Signature>, Weight>,
    plans: Cache<Hash, (Arc<Plan>, usize), Weight>,
}

impl Plans {
    pub(super) fn new() -> Self {
        let most = usize::try_from(PLANS_MAX / PLAN).unwrap_or(usize::MAX);
        Self {
            signatures: Cache::with_weighter(most, PLANS_MAX, Weight),
            plans: Cache::with_weighter(most, PLANS_MAX, Weight),
        }
    }

    /// The plan for a request, if one was made for the like of it. Gives the variables their defaults.
    pub(super) fn recall(&self, rules: &Rules, request: &mut Request) -> Option<Arc<Plan>> {
        let document = name_of(request);
        let signature = self.signatures.get(&document)?;
        let named = signature.name(document, rules, request)?;
        self.plans.get(&named.plan).map(|(plan, _)| plan)
    }

    /// Keeps what was found out about a request, once it is known to be valid. `said` is its own document, where another runs in its
    /// place: all variables that it knows are part of the name.
    pub(super) fn keep(&self, rules: &Rules, request: &mut Request, said: Option<&ExecutableDocument>, plan: Plan) {
        let length = plan.bytes;
        let document = name_of(request);
        let said = said.unwrap_or(&plan.document);
        let signature = Arc::new(Signature::of(said, request.operation_name.as_deref(), length));
        let Some(named) = signature.name(document, rules, request) else { return };
        self.signatures.insert(named.document, signature);
        self.plans.insert(named.plan, (Arc::new(plan), length));
    }
}

/// A document and which of its operations, by their hash: nobody finds two of the same.
fn name_of(request: &Request) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(request.operation_name.as_deref().unwrap_or_default().as_bytes());
    context.update(b"\0");
    context.update(request.query.as_bytes());
    finish(context)
}

fn finish(context: Context) -> Hash {
    context.finish().as_ref().try_into().unwrap_or_default()
}

impl Signature {
    fn of(document: &ExecutableDocument, operation: Option<&str>, bytes: usize) -> Self {
        let chosen = check::chosen(document, operation).ok();
        let variables = chosen.map(|operation| &operation.node.variable_definitions);
        let variables = variables.into_iter().flatten().map(|variable| {
            let variable = &variable.node;
            let default = variable.default_value.as_ref().map(|value| value.node.clone());
            (variable.name.node.clone(), variable.var_type.node.clone(), default)
        });
        Self { variables: variables.collect(), bytes }
    }

    fn name(&self, document: Hash, rules: &Rules, request: &mut Request) -> Option<Named> {
        let mut shape = String::new();
        for (name, of, default) in &self.variables {
            if let (Some(default), false) = (default, request.variables.contains_key(name)) {
                request.variables.insert(name.clone(), default.clone());
            }
            match request.variables.get(name) {
                Some(value) => write(&mut shape, rules, Some(of), value),
                None => shape.push(LEFT_OUT),
            }
            if shape.len() > SHAPE_MAX {
                return None;
            }
        }
        let mut context = Context::new(&SHA256);
        context.update(&document);
        context.update(shape.as_bytes());
        Some(Named { document, plan: finish(context) })
    }
}

/// Writes all of a value that a check may look at; no two values that differ in that are written alike.
fn write(shape: &mut String, rules: &Rules, of: Option<&Type>, value: &ConstValue) {
    match (value, of.map(|of| &of.base)) {
        // The library does not hold the place of a variable against its type: a text may stand where an enum is meant.
        (ConstValue::String(text), Some(BaseType::Named(name)))
            if rules.is_text(name) && !rules.is_enum_value(text) =>
        {
            shape.push(TEXT);
        }
        (ConstValue::List(items), base) => {
            let inner = match base {
                Some(BaseType::List(inner)) => Some(&**inner),
                _ => None,
            };
            shape.push('[');
            for item in items {
                write(shape, rules, inner, item);
                if shape.len() > SHAPE_MAX {
                    return;
                }
            }
            shape.push(']');
        }
        (ConstValue::Object(fields), base) => {
            let input = match base {
                Some(BaseType::Named(name)) => Some(name.as_str()),
                _ => None,
            };
            shape.push('{');
            for (name, value) in fields {
                let of = input.and_then(|input| rules.input(input, name));
                // Writing into a string can't fail.
                let _ = write!(shape, "{:?}", name.as_str());
                write(shape, rules, of, value);
                if shape.len() > SHAPE_MAX {
                    return;
                }
            }
            shape.push('}');
        }
        (ConstValue::String(text), _) => {
            let _ = write!(shape, "{text:?}");
        }
        (other, _) => {
            let _ = write!(shape, "{other};");
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{Variables, parser::parse_query};
    use serde_json::{Value, json};

    use super::*;
    use crate::graph::sdl;

    fn request(query: &str, variables: Value) -> Request {
        Request::new(query).variables(Variables::from_json(variables))
    }

    fn plan(query: &str) -> Plan {
        let document = parse_query(query).expect(query);
        Plan {
            document,
            bytes: query.len(),
            kind: OperationType::Query,
            touched: Arc::new([]),
            cost: 1,
            introspects: false,
            uses: Uses::default(),
        }
    }

    #[test]
    fn a_plan_serves_all_texts_and_no_other_value_than_its_own() {
        let rules = Rules::read(&sdl()).expect("rules");
        let document = "query Q($id: ID!, $first: Int, $by: LeadOrderField, $filter: LeadFilter, $ids: [ID!], $if: Boolean! = true, \
                        $input: CreateLeadInput) { lead(id: $id) { id } }";
        let base = json!({ "id": "lead_1", "first": 20, "filter": { "search": "a", "status": ["NEW"] }, "ids": ["a", "b"],
                           "input": { "name": "A", "phone": "+15550100123", "source": "WEB" } });
        let plans = Plans::new();
        plans.keep(&rules, &mut request(document, base.clone()), None, plan(document));
        let with = |path: &str, value: Value| {
            let mut variables = base.clone();
            *variables.pointer_mut(path).expect(path) = value;
            plans.recall(&rules, &mut request(document, variables)).is_some()
        };
        for (path, text) in [("/id", "lead_2\"}"), ("/filter/search", ""), ("/ids/1", "ü"), ("/input/phone", "none")] {
            assert!(with(path, json!(text)), "{path}");
        }
        for (path, other) in [
            ("/id", json!(1)),
            ("/id", json!(null)),
            ("/first", json!(100)),
            ("/first", json!("20")),
            ("/filter", json!(null)),
            ("/filter/status", json!(["LOST"])),
            ("/filter/status", json!(["NEW", "NEW"])),
            ("/filter/search", json!(["a"])),
            ("/ids", json!(["a"])),
            ("/ids", json!("a")),
            ("/ids/0", json!(false)),
            ("/input/source", json!("SMS")),
            ("/input", json!({ "name": "A", "phone": "+1", "source": "WEB", "more": "x" })),
        ] {
            assert!(!with(path, other.clone()), "{path} {other}");
        }
        let mut left_out = base.clone();
        left_out.as_object_mut().expect("an object").remove("first");
        assert!(plans.recall(&rules, &mut request(document, left_out)).is_none());
        let mut other = base.clone();
        other.as_object_mut().expect("an object").insert("if".to_owned(), json!(false));
        assert!(plans.recall(&rules, &mut request(document, other)).is_none());
        assert!(plans.recall(&rules, &mut request(document, base.clone()).operation_name("R")).is_none());
        assert!(plans.recall(&rules, &mut request(&format!("{document} "), base)).is_none());
    }

    #[test]
    fn values_are_told_apart_also_where_one_is_left_out_beside_them() {
        let rules = Rules::read(&sdl()).expect("rules");
        let document = "query Q($a: Int!, $b: Int, $c: Int) { me { id } }";
        let plans = Plans::new();
        plans.keep(&rules, &mut request(document, json!({ "a": -5, "c": 5 })), None, plan(document));
        let mut other = request(document, json!({ "b": 5, "c": -5 }));
        assert!(plans.recall(&rules, &mut other).is_none());
        assert!(plans.recall(&rules, &mut request(document, json!({ "a": -5, "c": 5 }))).is_some());
    }

    #[test]
    fn a_variable_has_its_default_also_where_a_plan_is_recalled() {
        let rules = Rules::read(&sdl()).expect("rules");
        let document = "query Q($first: Int = 7) { leads(first: $first) { nodes { id } } }";
        let plans = Plans::new();
        plans.keep(&rules, &mut request(document, json!({ "first": 7 })), None, plan(document));
        let mut asked = request(document, json!({}));
        assert!(plans.recall(&rules, &mut asked).is_some());
        assert_eq!(asked.variables.get("first"), Some(&ConstValue::from(7)));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let rules = Rules::read(&sdl()).expect("rules");
        let plans = Plans::new();
        for number in 0..10_000 {
            let document = format!("query Q{number} {{ me {{ id }} }} # {}", "x".repeat(200));
            plans.keep(&rules, &mut request(&document, json!({})), None, plan(&document));
        }
        assert!(plans.plans.weight() <= PLANS_MAX && plans.signatures.weight() <= PLANS_MAX);
        assert!(!plans.plans.is_empty());
        let long = json!({ "ids": vec![1; SHAPE_MAX] });
        let document = "query Q($ids: [Int!]) { me { id } }";
        plans.keep(&rules, &mut request(document, long.clone()), None, plan(document));
        assert!(plans.recall(&rules, &mut request(document, long)).is_none());
    }
}
