//! Sends traces to a collector, by OTLP over HTTP, from a thread of its own. A collector that is away or slow costs spans, which
//! are dropped, and nothing else. Must not know what the spans are of.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::Context;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter as Otlp, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, SpanExporter},
};
use reqwest::{blocking::Client, redirect::Policy};
use secrecy::ExposeSecret;
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use crate::{
    config::{Sampling, TraceSettings},
    kernel::trace,
};

/// Spans that may wait; those beyond are dropped.
const QUEUE: usize = 8_192;
/// Spans of one post.
const BATCH: usize = 512;
/// How long a collector may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the last spans may take when the server stops.
const FAREWELL: Duration = Duration::from_secs(3);

/// What sends traces.
pub(super) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Starts the thread that sends. Not to be called on the runtime.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub(super) fn start(settings: &TraceSettings) -> anyhow::Result<Self> {
        // A redirect would carry the headers elsewhere.
        let http = Client::builder()
            .redirect(Policy::none())
            .timeout(PATIENCE)
            .connect_timeout(PATIENCE)
            .build()
            .context("HTTP client for traces")?;
        let headers: HashMap<_, _> =
            settings.headers.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned())).collect();
        let inner = Otlp::builder()
            .with_http()
            .with_http_client(http)
            .with_endpoint(&settings.url)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(PATIENCE)
            .with_headers(headers)
            .build()
            .context("exporter of traces")?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(settings.pace)
            .build();
        let exporter = Exporter { inner, is_away: AtomicBool::new(false) };
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
            .with_sampler(sampler(settings.sampling))
            .with_resource(Resource::builder_empty().with_service_name(settings.service.clone()).build())
            .build();
        Ok(Self { provider })
    }

    /// What takes spans down: those of traces, and nothing else of the log.
    pub(super) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        let only_traces = filter_fn(|metadata| [trace::TARGET, trace::ROOT].contains(&metadata.target()));
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("frontdesk"))
            .with_location(false)
            .with_threads(false)
            .with_level(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_error_events_to_status(false)
            .with_error_events_to_exceptions(false)
            .with_error_fields_to_exceptions(false)
            .with_error_records_to_exceptions(false)
            .with_filter(only_traces.with_max_level_hint(LevelFilter::INFO))
    }

    /// Sends what waits, and stops.
    pub(super) fn stop(&self) {
        if self.provider.shutdown_with_timeout(FAREWELL).is_err() {
            tracing::warn!("the last traces were not delivered");
        }
    }
}

fn sampler(sampling: Sampling) -> Sampler {
    let share = Sampler::TraceIdRatioBased(sampling.share);
    if sampling.follows_parent { Sampler::ParentBased(Box::new(share)) } else { share }
}

/// An exporter that says when its collector is gone, and when it is back, and nothing between.
#[derive(Debug)]
struct Exporter {
    inner: Otlp,
    is_away: AtomicBool,
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let result = self.inner.export(batch).await;
        let was_away = self.is_away.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Err(error) if !was_away => {
                let why = why(error);
                tracing::warn!(why, "traces can't be delivered; they are dropped until their collector is back");
            }
            Ok(()) if was_away => tracing::info!("traces are delivered again"),
            Err(_) | Ok(()) => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// The library's word: a status, or that the network failed; it holds no address and no header.
fn why(error: &OTelSdkError) -> &str {
    match error {
        OTelSdkError::InternalFailure(why) => why,
        OTelSdkError::Timeout(_) => "timed out",
        OTelSdkError::AlreadyShutdown => "shut down",
    }
}
