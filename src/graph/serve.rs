//! Runs checked documents. The one way from a transport into the schema, so that every transport has the same checks.
//! Must not know which transport it is.

use std::{sync::Arc, time::Duration};

use async_graphql::{Pos, Request, Response, parser::types::OperationType};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::time::Instant;
use tracing::Instrument;

use crate::{
    graph::{
        FrontdeskSchema, JudgeOnly,
        auth::Access,
        check::{self, Checked, Rejection, RejectionKind},
        context::{Caller, RequestCx},
        documents::{Asked, DocumentSettings, Documents},
        error, isolation, judge,
        limits::Limits,
        measure, merge,
        plans::Plans,
        rules::Rules,
        runner, sdl,
    },
    kernel::{
        failure::{ErrorCode, Refusal},
        metrics::Metrics,
        trace,
        vocabulary::AuditOutcome,
    },
};

/// Who may ask what the schema looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Introspection {
    /// Everybody.
    Open,
    /// Administrators; nobody gets suggestions for misspelt names.
    Administrators,
    /// Nobody.
    Nobody,
}

/// What the graph is held to.
#[derive(Debug, Clone)]
pub struct GraphSettings {
    /// Who may ask what the schema looks like (`INTROSPECTION`).
    pub introspection: Introspection,
    /// Which documents run.
    pub documents: DocumentSettings,
}

/// The graph, ready to serve. Cheap to clone.
#[derive(Clone)]
pub struct Graph {
    inner: Arc<Inner>,
}

struct Inner {
    /// Runs what is known to be valid.
    runner: FrontdeskSchema,
    /// Says whether something is, and what the schema looks like.
    judge: FrontdeskSchema,
    plans: Plans,
    rules: Rules,
    limits: Limits,
    introspection: Introspection,
    documents: Documents,
    patience: Duration,
}

impl Graph {
    /// Builds the schema and reads its rules. A query or mutation may take as long as `patience`.
    ///
    /// # Errors
    /// When a root field does not say who may touch it.
    pub fn new(settings: GraphSettings, patience: Duration) -> anyhow::Result<Self> {
        let GraphSettings { introspection, documents } = settings;
        let rules = Rules::read(&sdl())?;
        let open = rules.open_roots();
        anyhow::ensure!(open.is_empty(), "root fields without @auth: {}", open.join(", "));
        let (runner, judge) = (runner(), judge(introspection == Introspection::Open));
        let (limits, documents, plans) = (Limits::default(), Documents::new(documents), Plans::new());
        let inner = Inner { runner, judge, plans, rules, limits, introspection, documents, patience };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Finds the document that is asked for, and checks it against the limits, before anything runs.
    ///
    /// # Errors
    /// The first limit or rule that it breaks.
    pub fn check(&self, asked: Asked) -> Result<Checked, Rejection> {
        let found = self.inner.documents.find(asked);
        let (mut request, news) = found.map_err(|refusal| Rejection::of(RejectionKind::Missing, &refusal))?;
        if let Some(plan) = self.inner.plans.recall(&self.inner.rules, &mut request) {
            check::copies_within(&self.inner.limits, &plan.uses, &request.variables)?;
            return Ok(Checked::planned(request, news, &plan));
        }
        check::check((request, news), &self.inner.rules, &self.inner.limits)
    }

    /// The answer to a document that was rejected.
    #[must_use]
    pub fn rejected(&self, rejection: Rejection, request_id: &str) -> Response {
        self.finished(Response::from_errors(vec![*rejection.error]), request_id)
    }

    /// The answer to an operation that is not let in.
    #[must_use]
    pub fn refused(&self, refusal: &Refusal, request_id: &str) -> Response {
        self.finished(Response::from_errors(vec![error::refused(refusal, None)]), request_id)
    }

    /// Runs a query or mutation, for as long as one may take.
    pub async fn execute(&self, checked: Checked, cx: RequestCx) -> Response {
        let (id, services) = (cx.public.request.0.clone(), cx.public.services.clone());
        let (kind, patience, begun) = (checked.kind, self.inner.patience, Instant::now());
        let (checked, span) = measure::span(checked);
        let schema = self.schema(&checked).clone();
        let run = async {
            match self.admitted(checked, cx).await {
                Ok(request) => tokio::time::timeout(patience, schema.execute(request))
                    .await
                    .unwrap_or_else(|_| Response::from_errors(vec![error::refused(&too_long(kind, patience), None)])),
                Err(refused) => *refused,
            }
        };
        // Boxed, since a request's future is moved from layer to layer before it begins, and this is the most of it.
        let run = Box::pin(run.instrument(span.clone()));
        let response = self.finished(isolation::answered(run).await, &id);
        measure::note(&span, &response);
        measure::count(&services.metrics, kind, &response, begun.elapsed());
        response
    }

    /// Says what there is to count of operations.
    pub fn announce(metrics: &Metrics) {
        measure::announce(metrics);
    }

    /// Runs any operation as a stream: a subscription's events, or the one answer.
    #[must_use]
    pub fn stream(&self, checked: Checked, cx: RequestCx) -> BoxStream<'static, Response> {
        let id = cx.public.request.0.clone();
        let graph = self.clone();
        if checked.kind != OperationType::Subscription {
            let answer = async move { graph.execute(checked, cx).await };
            return stream::once(answer.in_current_span()).boxed();
        }
        let (checked, span) = measure::span(checked);
        // Polled long after its request was answered, and still its own.
        let span = span.or_current();
        // Not the judge, whatever else the document holds: the fragments of its root are in place, and would count as unused.
        let schema = self.inner.runner.clone();
        let events = stream::once(async move {
            // Boxed, so that a subscription on which nothing happens holds no room for it.
            match Box::pin(graph.admitted(checked, cx)).await {
                Ok(request) => {
                    let events = isolation::streamed(schema.execute_stream(request));
                    events.map(move |response| graph.finished(response, &id)).boxed()
                }
                Err(refused) => stream::iter([graph.finished(*refused, &id)]).boxed(),
            }
        })
        .flatten();
        trace::inside(span, events).boxed()
    }

    fn schema(&self, checked: &Checked) -> &FrontdeskSchema {
        if checked.introspects { &self.inner.judge } else { &self.inner.runner }
    }

    /// Lets a document through if its caller may touch all of its fields. Whoever comes into a tenant from outside is
    /// recorded first, let through or not.
    async fn admitted(&self, mut checked: Checked, cx: RequestCx) -> Result<Request, Box<Response>> {
        if let (OperationType::Query, Caller::Known(known)) = (checked.kind, &cx.caller)
            && let Some(tenant) = &known.tenant
        {
            tenant.only_shows();
        }
        let verdict = verdict(&checked, &cx);
        if let Some(visitor) = cx.visitor() {
            let outcome = if verdict.is_ok() { AuditOutcome::Done } else { AuditOutcome::Refused };
            if let Some((action, fields)) = visit(&checked)
                && let Err(failure) = Box::pin(visitor.audit_visit(action, fields, outcome)).await
            {
                let error = async_graphql::Error::from(failure).into_server_error(Pos::default());
                return Err(Box::new(Response::from_errors(vec![error])));
            }
        }
        if let Err((refusal, pos)) = verdict {
            tracing::debug!(code = refusal.code.as_str(), "refused");
            return Err(Box::new(Response::from_errors(vec![error::refused(&refusal, pos)])));
        }
        self.inner.documents.note(&checked.news, &checked.request);
        if !checked.is_valid {
            // Boxed, so that each operation's future is no larger for what few need.
            Box::pin(self.validate(&mut checked)).await?;
        }
        let is_open = match self.inner.introspection {
            Introspection::Open => true,
            Introspection::Administrators => cx.admit(Access::TenantAdmin).is_ok(),
            Introspection::Nobody => false,
        };
        let request = checked.request.data(cx);
        Ok(if is_open { request } else { request.disable_introspection() })
    }

    /// Looks whether a document keeps the specification's rules. The next of its like need not be looked at.
    async fn validate(&self, checked: &mut Checked) -> Result<(), Box<Response>> {
        let Inner { judge, plans, rules, limits, .. } = &*self.inner;
        let Some(mut plan) = checked.plan() else { return Ok(()) };
        let mut request = Request::new(checked.request.query.as_str()).variables(checked.request.variables.clone());
        request.operation_name.clone_from(&checked.request.operation_name);
        request.set_parsed_query(plan.document.clone());
        let faults = judge.execute(request.data(JudgeOnly)).await;
        if faults.is_err() {
            return Err(Box::new(faults));
        }
        let Checked { request, .. } = &mut *checked;
        let (name, variables) = (request.operation_name.as_deref(), &request.variables);
        let said = match merge::merged(&plan.document, name, rules, variables, limits.size) {
            Ok(None) => None,
            Ok(Some(merged)) => {
                plan.bytes = plan.bytes.max(merged.bytes);
                request.set_parsed_query(merged.document.clone());
                Some(std::mem::replace(&mut plan.document, merged.document))
            }
            Err(rejection) => return Err(Box::new(Response::from_errors(vec![*rejection.error]))),
        };
        plans.keep(rules, &mut checked.request, said.as_ref(), plan);
        Ok(())
    }

    fn finished(&self, mut response: Response, request_id: &str) -> Response {
        error::finish(&mut response, request_id, self.inner.limits.errors);
        response
    }
}

/// Whether the caller may run the document, and where not.
fn verdict(checked: &Checked, cx: &RequestCx) -> Result<(), (Refusal, Option<Pos>)> {
    for (access, _, pos) in &*checked.touched {
        cx.admit(*access).map_err(|refusal| (refusal, Some(*pos)))?;
    }
    if checked.writes() && cx.visitor().is_some_and(|cx| cx.scope().is_read_only()) {
        let message = "This impersonation is read-only. Ask for one with `isReadOnly: false` to change something.";
        return Err((Refusal::new(ErrorCode::Forbidden, message), None));
    }
    Ok(())
}

/// How a visit is recorded: its kind, and the fields it touches that are a tenant's.
fn visit(checked: &Checked) -> Option<(&'static str, String)> {
    let fields: Vec<_> = checked
        .touched
        .iter()
        .filter(|(access, name, _)| {
            is_root(name) && matches!(access, Access::Visitor | Access::User | Access::TenantAdmin)
        })
        .map(|(_, name, _)| name.rsplit('.').next().unwrap_or(name))
        .collect();
    let action = match checked.kind {
        OperationType::Query => "impersonation.query",
        OperationType::Mutation => "impersonation.mutation",
        OperationType::Subscription => "impersonation.subscription",
    };
    (!fields.is_empty()).then(|| (action, fields.join(", ")))
}

fn is_root(field: &str) -> bool {
    ["Query.", "Mutation.", "Subscription."].iter().any(|root| field.starts_with(root))
}

fn too_long(kind: OperationType, patience: Duration) -> Refusal {
    let limit = patience.as_secs_f32();
    if kind == OperationType::Mutation {
        let message = format!(
            "The operation took longer than the limit of {limit} s and was given up. Some of it may have been done: look \
             before you send it again."
        );
        return Refusal::new(ErrorCode::UpstreamUnavailable, message);
    }
    let message =
        format!("The operation took longer than the limit of {limit} s and was given up. Ask for less at once.");
    Refusal::new(ErrorCode::QueryTooComplex, message)
}
