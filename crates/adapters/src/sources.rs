//! Services that keep metrics, asked over their HTTP APIs: each query gives series on a grid of times.

use crate::prometheus::{QueryError, range};
use crate::{Http, HttpError, Request, Sign, quoted};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tidegate_wire::prometheus::{Grid, Series, Unusable};
use tidegate_wire::sources::{
    MetricSource, PROMETHEUS_TOKEN, STEPS_OF_NEWRELIC, TIME_FILTER, cloudwatch, datadog, graphite, influx, newrelic, web,
};

/// NerdGraph with the account and the query as variables.
const NERDGRAPH: &str = "query($account: Int!, $nrql: Nrql!) { actor { account(id: $account) { nrql(query: $nrql) { results } } } }";

/// A query that gave nothing to use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// A secret that is not there.
    #[error("ask {service}: {why}")]
    Secret {
        /// Which service.
        service: &'static str,
        /// What is missing.
        why: String,
    },
    /// Prometheus.
    #[error(transparent)]
    Prometheus(#[from] QueryError),
    /// No answer.
    #[error("ask {service}: {error}")]
    Http {
        /// Which service.
        service: &'static str,
        /// Why.
        error: HttpError,
    },
    /// It does not let us in.
    #[error("ask {service}: it says {status}: look at its keys, and at what they may read")]
    Denied {
        /// Which service.
        service: &'static str,
        /// Status.
        status: u16,
    },
    /// An answer that cannot be used.
    #[error("ask {service} for `{query}`: {why}")]
    Unusable {
        /// Which service.
        service: &'static str,
        /// The query.
        query: String,
        /// Why.
        why: Unusable,
    },
}

/// What gives the value of an environment variable.
pub type Secrets<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// Values of a query at the times of a grid. CloudWatch, New Relic and InfluxDB are asked for steps as long as the grid's; Datadog and
/// Graphite choose theirs, where the query does not.
///
/// # Errors
/// When there is no answer, or none that can be used.
pub fn series(http: &dyn Http, source: &MetricSource, secrets: Secrets<'_>, query: &str, grid: Grid) -> Result<Vec<Series>, SourceError> {
    let service = source.service();
    if let MetricSource::Prometheus { url, token } = source {
        let token = match token {
            Some(variable) if variable == PROMETHEUS_TOKEN => secrets(variable).ok(),
            Some(variable) => Some(secrets(variable).map_err(|why| SourceError::Secret { service, why })?),
            None => None,
        };
        return Ok(range(http, url, token.as_deref(), query, grid)?);
    }
    if matches!(source, MetricSource::Lake { .. }) {
        let why = Unusable("it is asked where it lies, and not over HTTP".to_owned());
        return Err(SourceError::Unusable { service, query: query.to_owned(), why });
    }
    if matches!(source, MetricSource::NewRelic { .. }) && grid.steps > STEPS_OF_NEWRELIC {
        let why = Unusable(format!("{} steps, and it answers {STEPS_OF_NEWRELIC} at most: lengthen the interval", grid.steps));
        return Err(SourceError::Unusable { service, query: query.to_owned(), why });
    }
    let request = request(source, secrets, query, grid).map_err(|why| SourceError::Secret { service, why })?;
    let answer = http.send(&request).map_err(|error| SourceError::Http { service, error })?;
    if matches!(answer.status, 401 | 403) {
        return Err(SourceError::Denied { service, status: answer.status });
    }
    let body = &answer.body;
    let read = match source {
        MetricSource::Prometheus { .. } | MetricSource::Lake { .. } | MetricSource::Web { .. } => web(body, query, grid),
        MetricSource::Datadog { .. } => datadog(body, grid),
        MetricSource::CloudWatch { .. } => cloudwatch(body, grid),
        MetricSource::NewRelic { .. } => newrelic(body, grid),
        MetricSource::Influx { .. } => influx(body, grid),
        MetricSource::Graphite { .. } => graphite(body, grid),
    };
    // What it says of a refusal is worth more than its number; an error page says nothing.
    let read =
        read.and_then(
            |found| if (200..300).contains(&answer.status) { Ok(found) } else { Err(Unusable(format!("it says {}", answer.status))) },
        );
    read.map_err(|why| SourceError::Unusable { service, query: query.to_owned(), why })
}

fn request(source: &MetricSource, secrets: Secrets<'_>, query: &str, grid: Grid) -> Result<Request, String> {
    // The last step is asked for whole.
    let (from, until) = (grid.start_s, grid.end_s().saturating_add(grid.step_s));
    let get = |url: String, headers: Vec<(String, String)>| Request { method: "GET", url, headers, body: None, sign: None };
    let bearer = |token: &Option<String>| match token {
        Some(variable) => Ok::<_, String>(vec![header("Authorization", format!("Bearer {}", secrets(variable)?))]),
        None => Ok(vec![]),
    };
    let basic = |login: &Option<String>| match login {
        Some(variable) => Ok::<_, String>(vec![header("Authorization", format!("Basic {}", STANDARD.encode(secrets(variable)?)))]),
        None => Ok(vec![]),
    };
    match source {
        MetricSource::Prometheus { url, token } | MetricSource::Web { url, token } => Ok(get(url.clone(), bearer(token)?)),
        MetricSource::Lake { .. } => Err("the lake has no address".to_owned()),
        MetricSource::Datadog { url, api_key, app_key } => {
            let headers = vec![header("DD-API-KEY", secrets(api_key)?), header("DD-APPLICATION-KEY", secrets(app_key)?)];
            Ok(get(format!("{}/api/v1/query?from={from}&to={until}&query={}", base(url), quoted(query)), headers))
        }
        MetricSource::CloudWatch { region, endpoint, key, secret, session } => {
            let mut headers = vec![
                header("Content-Type", "application/x-amz-json-1.0".to_owned()),
                header("X-Amz-Target", "GraniteServiceVersion20100801.GetMetricData".to_owned()),
            ];
            if let Some(variable) = session {
                headers.push(header("X-Amz-Security-Token", secrets(variable)?));
            }
            let body = json!({ "MetricDataQueries": [metric_query(query, grid.step_s)], "StartTime": from, "EndTime": until, "ScanBy": "TimestampAscending" });
            let url = endpoint.clone().unwrap_or_else(|| format!("https://monitoring.{region}.amazonaws.com/"));
            let sign = Sign { scope: format!("aws:amz:{region}:monitoring"), user: format!("{}:{}", secrets(key)?, secrets(secret)?) };
            Ok(Request { method: "POST", url, headers, body: Some(body), sign: Some(sign) })
        }
        MetricSource::NewRelic { url, account, api_key } => {
            let step = grid.step_s;
            let nrql =
                format!("{query} SINCE {} UNTIL {} TIMESERIES {step} SECONDS", from.saturating_mul(1_000), until.saturating_mul(1_000));
            let body: Value = json!({ "query": NERDGRAPH, "variables": { "account": account, "nrql": nrql } });
            let headers = vec![header("API-Key", secrets(api_key)?)];
            Ok(Request { method: "POST", url: url.clone(), headers, body: Some(body), sign: None })
        }
        MetricSource::Influx { url, database, login, token } => {
            let within = format!("time >= {from}s AND time < {until}s");
            let asked = query.replace(TIME_FILTER, &within).replace("$__interval", &format!("{}s", grid.step_s));
            let headers = match token {
                Some(variable) => vec![header("Authorization", format!("Token {}", secrets(variable)?))],
                None => basic(login)?,
            };
            Ok(get(format!("{}/query?db={}&epoch=s&q={}", base(url), quoted(database), quoted(&asked)), headers))
        }
        MetricSource::Graphite { url, login } => {
            // Points after `from`, up to `until`.
            let span = format!("from={}&until={}", from.saturating_sub(1), until.saturating_sub(1));
            Ok(get(format!("{}/render?target={}&{span}&format=json", base(url), quoted(query)), basic(login)?))
        }
    }
}

/// An expression, or the `MetricStat` of one metric as JSON.
fn metric_query(query: &str, period_s: i64) -> Value {
    match serde_json::from_str::<Value>(query) {
        Ok(Value::Object(mut stat)) => {
            stat.insert("Period".to_owned(), json!(period_s));
            json!({ "Id": "q", "MetricStat": stat, "ReturnData": true })
        }
        _ => json!({ "Id": "q", "Expression": query, "Period": period_s, "ReturnData": true }),
    }
}

fn header(name: &str, value: String) -> (String, String) {
    (name.to_owned(), value)
}

fn base(url: &str) -> &str {
    url.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Response;
    use std::cell::RefCell;

    const GRID: Grid = Grid { start_s: 1_000, step_s: 60, steps: 2 };

    /// Keeps the request and gives an answer.
    struct Canned(RefCell<Vec<Request>>, Response);

    impl Http for Canned {
        fn send(&self, request: &Request) -> Result<Response, HttpError> {
            self.0.borrow_mut().push(request.clone());
            Ok(self.1.clone())
        }
    }

    #[test]
    fn a_request_that_is_shown_shows_no_secret() {
        let source = MetricSource::CloudWatch {
            region: text("eu-west-1"),
            endpoint: None,
            key: text("ID"),
            secret: text("KEY"),
            session: Some(text("S")),
        };
        let request = request(&source, &|name: &str| Ok(format!("<{name}>")), "x", GRID).unwrap();
        let shown = format!("{request:?}");
        assert!(shown.contains("X-Amz-Security-Token") && !["<S>", "<KEY>"].iter().any(|secret| shown.contains(secret)), "{shown}");
    }

    fn asked(source: &MetricSource, query: &str, status: u16, body: Value) -> (String, String) {
        let http = Canned(RefCell::default(), Response { status, body });
        let secrets = |name: &str| if name.starts_with("NO_") { Err(format!("{name} is not set")) } else { Ok(format!("<{name}>")) };
        let said = match series(&http, source, &secrets, query, GRID) {
            Ok(found) => format!("{} series", found.len()),
            Err(error) => error.to_string(),
        };
        let sent = http.0.borrow().iter().map(|r| format!("{} {} {:?} {:?} {:?}", r.method, r.url, r.headers, r.body, r.sign)).collect();
        (sent, said)
    }

    fn text(name: &str) -> String {
        name.to_owned()
    }

    #[test]
    fn each_service_is_asked_in_its_own_way() {
        let datadog = MetricSource::Datadog { url: text("https://api.datadoghq.eu/"), api_key: text("API"), app_key: text("APP") };
        let (sent, said) = asked(&datadog, "sum:x{*}.as_count()", 200, json!({ "status": "ok", "series": [] }));
        assert_eq!(
            sent,
            "GET https://api.datadoghq.eu/api/v1/query?from=1000&to=1120&query=sum%3Ax%7B%2A%7D.as_count%28%29 \
             [(\"DD-API-KEY\", \"<API>\"), (\"DD-APPLICATION-KEY\", \"<APP>\")] None None"
        );
        assert_eq!(said, "0 series");

        let cloudwatch = MetricSource::CloudWatch {
            region: text("eu-west-1"),
            endpoint: None,
            key: text("ID"),
            secret: text("KEY"),
            session: Some(text("S")),
        };
        let (sent, _) = asked(&cloudwatch, "SELECT AVG(x) FROM y", 200, json!({ "MetricDataResults": [] }));
        for part in [
            "POST https://monitoring.eu-west-1.amazonaws.com/",
            "(\"X-Amz-Target\", \"GraniteServiceVersion20100801.GetMetricData\")",
            "(\"X-Amz-Security-Token\", \"<S>\")",
            "\"EndTime\": Number(1120)",
            "\"Expression\": String(\"SELECT AVG(x) FROM y\")",
            "\"Period\": Number(60)",
            "scope: \"aws:amz:eu-west-1:monitoring\"",
        ] {
            assert!(sent.contains(part), "{part}: {sent}");
        }
        let stat = "{\"Metric\": {\"Namespace\": \"n\", \"MetricName\": \"x\"}, \"Stat\": \"p99\"}";
        let (sent, _) = asked(&cloudwatch, stat, 200, json!({ "MetricDataResults": [] }));
        assert!(
            sent.contains("\"MetricStat\": Object") && sent.contains("\"Period\": Number(60)") && !sent.contains("Expression"),
            "{sent}"
        );

        let newrelic = MetricSource::NewRelic { url: text("https://api.newrelic.com/graphql"), account: 7, api_key: text("NR") };
        let (sent, _) = asked(&newrelic, "SELECT rate(count(*), 1 minute) FROM Transaction", 200, json!({}));
        assert!(
            sent.contains("FROM Transaction SINCE 1000000 UNTIL 1120000 TIMESERIES 60 SECONDS") && sent.contains("\"account\": Number(7)"),
            "{sent}"
        );

        let influx = |login: Option<&str>, token: Option<&str>| MetricSource::Influx {
            url: text("http://h:8086"),
            database: text("a b"),
            login: login.map(text),
            token: token.map(text),
        };
        let (sent, _) =
            asked(&influx(None, Some("T")), "SELECT mean(v) FROM x WHERE $timeFilter GROUP BY time($__interval)", 200, json!({}));
        assert!(sent.contains("/query?db=a%20b&epoch=s&q=SELECT%20mean%28v%29%20FROM%20x%20WHERE%20time%20%3E%3D%201000s%20AND%20time%20%3C%201120s%20GROUP%20BY%20time%2860s%29 "), "{sent}");
        assert!(sent.contains("Token <T>"), "{sent}");
        assert!(asked(&influx(Some("L"), None), "x", 200, json!({})).0.contains("Basic PEw+"));
    }

    #[test]
    fn graphite_json_and_prometheus_are_asked_too() {
        let graphite = MetricSource::Graphite { url: text("http://g"), login: None };
        let (sent, said) = asked(&graphite, "a.b", 200, json!([]));
        assert_eq!(
            (sent.as_str(), said.as_str()),
            ("GET http://g/render?target=a.b&from=999&until=1119&format=json [] None None", "0 series")
        );

        let web = MetricSource::Web { url: text("https://shop/kpi"), token: Some(text("W")) };
        let (sent, said) = asked(&web, "/rate", 200, json!({ "rate": 1 }));
        assert_eq!((sent.as_str(), said.as_str()), ("GET https://shop/kpi [(\"Authorization\", \"Bearer <W>\")] None None", "1 series"));

        let prometheus = |token: Option<&str>| MetricSource::Prometheus { url: text("http://p:9090"), token: token.map(text) };
        let none = json!({ "status": "success", "data": { "resultType": "matrix", "result": [] } });
        assert!(asked(&prometheus(Some(PROMETHEUS_TOKEN)), "up", 200, none.clone()).0.contains("Bearer <TIDEGATE_PROMETHEUS_TOKEN>"));
        assert!(!asked(&prometheus(None), "up", 200, none.clone()).0.contains("Bearer"), "a token goes where it is meant to");
        assert_eq!(asked(&prometheus(Some("NO_TOKEN")), "up", 200, none).1, "ask Prometheus: NO_TOKEN is not set");
    }

    #[test]
    fn what_is_refused_says_so() {
        let web = |token: Option<&str>| MetricSource::Web { url: text("https://shop/kpi"), token: token.map(text) };
        assert_eq!(
            asked(&web(Some("NO_TOKEN")), "/a", 200, json!({})),
            (String::new(), "ask the web service: NO_TOKEN is not set".to_owned())
        );
        assert!(asked(&web(None), "/a", 403, json!({})).1.contains("it says 403: look at its keys"));
        assert!(asked(&web(None), "/a", 500, json!({ "a": 1 })).1.ends_with("`/a`: it says 500"), "an answer of a failure is none");
        assert!(asked(&web(None), "/a", 302, json!({ "a": 1 })).1.ends_with("`/a`: it says 302"), "nor is one that points elsewhere");
        let newrelic = MetricSource::NewRelic { url: text("https://n"), account: 1, api_key: text("K") };
        let http = Canned(RefCell::default(), Response { status: 200, body: json!({}) });
        let long = Grid { steps: 367, ..GRID };
        let said = series(&http, &newrelic, &|_: &str| Ok(String::new()), "x", long).unwrap_err().to_string();
        assert!(said.contains("367 steps, and it answers 366 at most"), "{said}");
        let influx = MetricSource::Influx { url: text("http://h"), database: text("d"), login: None, token: None };
        assert!(
            asked(&influx, "x", 400, json!({ "error": "error parsing query" })).1.contains("it refuses the query: error parsing query")
        );
    }
}
