//! The two forms of the page: the text of Prometheus, and OpenMetrics for who asks for it, which has exemplars.

use crate::exemplars::Exemplar;
use hyper::HeaderMap;
use hyper::header::{ACCEPT, HeaderValue};

const OPEN_METRICS: &str = "application/openmetrics-text";

/// How the page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Prometheus,
    OpenMetrics,
}

impl Form {
    /// The one that is asked for: OpenMetrics where it is named and plain text is not wanted more.
    pub fn asked(headers: &HeaderMap) -> Form {
        let ranges = || headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        let weight = |kind: &str| ranges().filter_map(|range| weight(range, kind)).reduce(f32::max).unwrap_or(0.0);
        let open = weight(OPEN_METRICS);
        if open > 0.0 && open >= weight("text/plain") { Form::OpenMetrics } else { Form::Prometheus }
    }

    pub fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Form::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Form::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        })
    }

    /// Name and kind of a metric, for its head. Counters of OpenMetrics end with `_total`, which is no part of the metric's name there; one
    /// that ends otherwise is of unknown kind, for a name that changed with the form would break dashboards.
    pub fn head<'a>(self, name: &'a str, kind: &'a str) -> (&'a str, &'a str) {
        match (self, kind, name.strip_suffix("_total")) {
            (Form::Prometheus, ..) => (name, kind),
            (Form::OpenMetrics, "counter", Some(name)) => (name, kind),
            (Form::OpenMetrics, "counter", None) => (name, "unknown"),
            (Form::OpenMetrics, ..) => (name, kind),
        }
    }

    /// What follows the value of a bucket.
    pub fn exemplar(self, exemplar: Option<&Exemplar>) -> String {
        match (self, exemplar) {
            (Form::OpenMetrics, Some(Exemplar { trace, latency_us, at_ms })) => {
                format!(" # {{trace_id=\"{trace}\"}} {} {}.{:03}", latency_us / 1e6, at_ms.div_euclid(1_000), at_ms.rem_euclid(1_000))
            }
            _ => String::new(),
        }
    }

    pub fn end(self) -> &'static str {
        match self {
            Form::Prometheus => "",
            Form::OpenMetrics => "# EOF\n",
        }
    }
}

/// How much a range of `accept` wants this kind, where it names it.
fn weight(range: &str, kind: &str) -> Option<f32> {
    let mut parts = range.split(';').map(str::trim);
    parts.next().filter(|named| named.eq_ignore_ascii_case(kind))?;
    let said = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    Some(said.map_or(1.0, |q| q.trim().parse().unwrap_or(0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::TraceId;

    #[test]
    fn openmetrics_is_for_who_asks_for_it() {
        let of = |accept: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(ACCEPT, HeaderValue::from_str(value).unwrap());
            }
            Form::asked(&headers)
        };
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for accept in [&[OPEN_METRICS][..], &[prometheus], &["text/plain;q=0.4", "Application/OpenMetrics-Text; version=1.0.0; q=0.5"]] {
            assert_eq!(of(accept), Form::OpenMetrics, "{accept:?}");
        }
        let plain = "text/plain, application/openmetrics-text;q=0.5";
        for accept in
            [&[][..], &["*/*"], &["text/plain"], &[plain], &["application/openmetrics-text;q=0"], &["application/openmetrics-text;q=x"]]
        {
            assert_eq!(of(accept), Form::Prometheus, "{accept:?}");
        }
    }

    #[test]
    fn names_stay_what_they_are_in_either_form() {
        assert_eq!(Form::OpenMetrics.head("a_total", "counter"), ("a", "counter"));
        assert_eq!(Form::OpenMetrics.head("nv_inference_count", "counter"), ("nv_inference_count", "unknown"));
        assert_eq!(Form::Prometheus.head("a_total", "counter"), ("a_total", "counter"));
        let exemplar = Exemplar { trace: TraceId([0xab; 16]), latency_us: 67.0, at_ms: 1_700_000_000_007 };
        assert_eq!(
            Form::OpenMetrics.exemplar(Some(&exemplar)),
            " # {trace_id=\"abababababababababababababababab\"} 0.000067 1700000000.007"
        );
        assert_eq!(Form::Prometheus.exemplar(Some(&exemplar)), "");
    }
}
