//! How much of the server a caller may have, at the door: before the database is asked who they are. Must not decide who may do
//! what.

use async_graphql::Response as Answer;
use axum::http::StatusCode;

use crate::{
    context::{OpenStream, RequestId},
    graph::{Asked, Checked, RejectionKind},
    http::{Web, body::BadRequest, caller::Proof},
    kernel::failure::Refusal,
    tokens,
};

/// Counts an operation on its caller's account. Whom it refuses it keeps waiting for a moment: who asks again at once is slowed
/// down by that, and takes nothing from the others.
///
/// # Errors
/// `RATE_LIMITED` with the seconds to wait.
pub(super) async fn admit(web: &Web, proof: &Proof, cost: usize) -> Result<(), Refusal> {
    let admitted = web.services.take_operation(&proof.account(), cost).await;
    if admitted.is_err() {
        // Each for another time, or all who are refused together come back together.
        tokio::time::sleep(web.settings.penalty.mul_f64(0.5 + tokens::chance())).await;
    }
    admitted
}

/// Why an operation is not run.
pub(super) struct Denied {
    /// What its caller is told.
    pub(super) answer: Box<Answer>,
    pub(super) why: Why,
}

/// What kind of no it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Too much was asked for; of the document, nothing is said.
    TooFast,
    /// The request holds no operation.
    Unreadable(StatusCode),
    /// There is no document to run.
    Missing,
    /// The document is wrong.
    Wrong,
}

/// Checks what is asked for, and counts it: as one, what can't even be read.
///
/// # Errors
/// What is wrong with it, or that it is too much.
pub(super) async fn check(
    web: &Web,
    proof: &Proof,
    id: &RequestId,
    asked: Result<Asked, BadRequest>,
) -> Result<Checked, Denied> {
    let checked = match asked {
        Ok(asked) => web.graph.check(asked).map_err(|rejection| {
            let why = if rejection.kind == RejectionKind::Missing { Why::Missing } else { Why::Wrong };
            Denied { answer: Box::new(web.graph.rejected(rejection, &id.0)), why }
        }),
        Err(bad) => {
            let answer = Box::new(web.graph.refused(&bad.refusal(), &id.0));
            Err(Denied { answer, why: Why::Unreadable(bad.status) })
        }
    };
    let cost = checked.as_ref().map_or(1, |checked| checked.cost);
    if let Err(refusal) = admit(web, proof, cost).await {
        return Err(too_fast(web, id, &refusal));
    }
    checked
}

/// What somebody is told who asks for too much.
pub(super) fn too_fast(web: &Web, id: &RequestId, refusal: &Refusal) -> Denied {
    Denied { answer: Box::new(web.graph.refused(refusal, &id.0)), why: Why::TooFast }
}

/// Counts a stream on its caller's account for as long as it is open.
///
/// # Errors
/// `RATE_LIMITED` when there are as many as may be.
pub(super) fn open(web: &Web, proof: &Proof) -> Result<OpenStream, Refusal> {
    web.services.streams.open(&proof.account(), &web.services.shares)
}
