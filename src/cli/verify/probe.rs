//! The questions that are asked of every noun alike: can the other tenant find it, list it, change it, or tell that it is
//! there? Each is asked of the owner first: what the owner can't find either proves nothing. Must not know any noun.

use serde_json::{Value, json};

use crate::cli::verify::{
    client::Caller,
    report::Verdict,
    stage::{Side, Stage},
};

/// The number of an object that is nowhere.
const NOWHERE: &str = "999999999999";

/// A thing of A's: its own people find it by its id through this field; these others get null.
pub(super) async fn hidden(stage: &Stage<'_>, field: &str, id: &str, others: &[Caller<'_>]) -> Verdict {
    let document = format!("query($id: ID!) {{ {field}(id: $id) {{ id }} }}");
    let own = stage.a.admin.ask(&document, json!({ "id": id })).await?;
    own.is(&format!("/{field}/id"), &json!(id))?;
    for other in others {
        other.ask(&document, json!({ "id": id })).await?.is(&format!("/{field}"), &Value::Null)?;
    }
    Ok(())
}

/// As [`hidden`], for several at once, through `nodes`.
pub(super) async fn all_hidden(stage: &Stage<'_>, ids: &[&str], others: &[Caller<'_>]) -> Verdict {
    let document = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    let found: Vec<_> = ids.iter().map(|id| json!({ "id": id })).collect();
    stage.a.admin.ask(document, json!({ "ids": ids })).await?.is("/nodes", &json!(found))?;
    let nothing = vec![Value::Null; ids.len()];
    for other in others {
        other.ask(document, json!({ "ids": ids })).await?.is("/nodes", &json!(nothing))?;
    }
    Ok(())
}

/// A thing of A's stands in A's list, in nobody else's, and is not counted there either.
pub(super) async fn unlisted(stage: &Stage<'_>, list: &str, id: &str, others: &[Caller<'_>]) -> Verdict {
    let document = format!("{{ {list}(first: 100) {{ nodes {{ id }} totalCount }} }}");
    stage.a.admin.ask(&document, json!({})).await?.holds(&format!("\"{id}\""))?;
    for other in others {
        let answer = other.ask(&document, json!({})).await?;
        answer.lacks(&format!("\"{id}\""))?;
        let listed = answer.items(&format!("/{list}/nodes"))?.len();
        answer.is(&format!("/{list}/totalCount"), &json!(listed))?;
    }
    Ok(())
}

/// B's administrator tries something with an id of A's, and is refused exactly as with an id that nobody has. `variables`
/// gives the variables around an id.
pub(super) async fn refused_as_missing(
    stage: &Stage<'_>,
    document: &str,
    id: &str,
    variables: impl Fn(&str) -> Value,
) -> Verdict {
    let noun = id.split_once('_').map_or(id, |(noun, _)| noun);
    let missing = format!("{noun}_{NOWHERE}");
    let theirs = stage.b.admin.ask(document, variables(id)).await?;
    theirs.refused(&["NOT_FOUND"])?;
    let nobodys = stage.b.admin.ask(document, variables(&missing)).await?;
    nobodys.refused(&["NOT_FOUND"])?;
    let (theirs, nobodys) = (theirs.errors_about(id), nobodys.errors_about(&missing));
    if theirs == nobodys {
        return Ok(());
    }
    Err(format!("for an id of A's {theirs}, for one that nobody has {nobodys}; should have been the same"))
}

/// What a caller reads by this document holds their own tenant's canary, and not the other's.
pub(super) async fn holds_own(
    caller: &Caller<'_>,
    document: &str,
    variables: Value,
    own: &Side<'_>,
    other: &Side<'_>,
) -> Verdict {
    let answer = caller.ask(document, variables).await?;
    answer.holds(&own.canary)?;
    answer.lacks(&other.canary)
}
