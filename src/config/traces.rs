//! `OTEL_…`: where traces are sent, and how many of them, by the standard's own names.

use std::time::Duration;

use percent_encoding::percent_decode_str;
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::SecretString;

use crate::config::reader::Reader;

/// Longest name of a service, in characters.
const NAME_MAX: usize = 100;

/// Where traces are sent, and how many of them.
#[derive(Debug, Clone)]
pub struct TraceSettings {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`, with the path of traces behind it.
    pub url: String,
    /// `OTEL_EXPORTER_OTLP_HEADERS`: what each post carries, such as a key.
    pub headers: Vec<(String, SecretString)>,
    /// `OTEL_SERVICE_NAME`.
    pub service: String,
    /// `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`.
    pub sampling: Sampling,
    /// `OTEL_BSP_SCHEDULE_DELAY`: how often what waits is sent.
    pub pace: Duration,
}

/// Which traces are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Whether a caller that has decided for its trace has decided for ours.
    pub follows_parent: bool,
    /// How many of the others, from 0 to 1.
    pub share: f64,
}

/// Reads them; `None` without `OTEL_EXPORTER_OTLP_ENDPOINT`.
pub(super) fn read(read: &mut Reader<'_>) -> Option<TraceSettings> {
    let base = read.url("OTEL_EXPORTER_OTLP_ENDPOINT");
    if read.text("OTEL_EXPORTER_OTLP_PROTOCOL").is_some_and(|protocol| protocol != "http/protobuf") {
        read.problem("OTEL_EXPORTER_OTLP_PROTOCOL", "must be `http/protobuf`, or unset");
    }
    let service = read.text("OTEL_SERVICE_NAME").unwrap_or_else(|| "frontdesk".to_owned());
    if service.chars().count() > NAME_MAX {
        read.problem("OTEL_SERVICE_NAME", format!("must be {NAME_MAX} characters at the most"));
    }
    let (headers, sampling) = (headers(read), sampling(read));
    let pace = Duration::from_millis(read.number("OTEL_BSP_SCHEDULE_DELAY", 2_000, 10..=60_000));
    Some(TraceSettings { url: format!("{}/v1/traces", base?), headers, service, sampling, pace })
}

/// A comma list of `name=value`; values may be percent-encoded.
fn headers(read: &mut Reader<'_>) -> Vec<(String, SecretString)> {
    let text = read.text("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default();
    let one = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let name = HeaderName::try_from(name.trim()).ok()?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        HeaderValue::from_str(&value).ok()?;
        Some((name.to_string(), SecretString::from(value.into_owned())))
    };
    let pairs: Option<Vec<_>> = text.split(',').map(str::trim).filter(|pair| !pair.is_empty()).map(one).collect();
    pairs.unwrap_or_else(|| {
        let what = "must be a list of headers such as api-key=…,x-team=…; values may be percent-encoded";
        read.wrong("OTEL_EXPORTER_OTLP_HEADERS", what, Vec::new())
    })
}

fn sampling(read: &mut Reader<'_>) -> Sampling {
    let name = read.text("OTEL_TRACES_SAMPLER").unwrap_or_else(|| "parentbased_always_on".to_owned());
    let (follows_parent, rest) = name.strip_prefix("parentbased_").map_or((false, name.as_str()), |rest| (true, rest));
    let ratio = read.text("OTEL_TRACES_SAMPLER_ARG").map(|text| text.parse().ok());
    let share = match (rest, ratio) {
        ("always_on", _) | ("traceidratio", None) => 1.0,
        ("always_off", _) => 0.0,
        ("traceidratio", Some(Some(share))) if (0.0..=1.0).contains(&share) => share,
        ("traceidratio", Some(_)) => read.wrong("OTEL_TRACES_SAMPLER_ARG", "must be a number from 0 to 1", 1.0),
        _ => {
            let what = "must be `always_on`, `always_off` or `traceidratio`, or one of these behind `parentbased_`";
            read.wrong("OTEL_TRACES_SAMPLER", what, 1.0)
        }
    };
    Sampling { follows_parent, share }
}
