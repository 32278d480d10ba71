//! Open streams are looked at again: a token that expired, a session that was ended, a user or tenant that was switched
//! off ends them within seconds.

use crate::{
    graph::context::Caller,
    http::{Web, caller::Proof, request_id},
    kernel::failure::{ErrorCode, Refusal},
};

/// Waits until the caller may no longer be served, and says why. For somebody without a token: for ever.
pub(super) async fn until_revoked(web: &Web, proof: &Proof) -> Refusal {
    let Some(token) = proof.token() else { return std::future::pending().await };
    loop {
        tokio::time::sleep(web.settings.recheck).await;
        if token.expires_at() <= web.services.clock.now() {
            return Refusal::new(ErrorCode::Unauthenticated, "The access token has expired. Refresh it and come back.");
        }
        match proof.resolve(web, request_id::fresh()).await.caller {
            // The database being away is no reason to turn anybody out.
            Caller::Unknown(Some(refusal))
                if !matches!(refusal.code, ErrorCode::UpstreamUnavailable | ErrorCode::Internal) =>
            {
                return refusal;
            }
            _ => {}
        }
    }
}
