//! Keys of `sources`: services that keep metrics.

use super::{SPAN, key};
use crate::config::shape::{Case, Need, Shape, Table};

pub(super) static SOURCE: Shape = Shape::Choice(&[
    Case { marker: "prometheus", table: &PROMETHEUS },
    Case { marker: "datadog", table: &DATADOG },
    Case { marker: "cloudwatch", table: &CLOUDWATCH },
    Case { marker: "newrelic", table: &NEWRELIC },
    Case { marker: "influxdb", table: &INFLUXDB },
    Case { marker: "graphite", table: &GRAPHITE },
    Case { marker: "web", table: &WEB },
    Case { marker: "lake", table: &LAKE },
]);

static PROMETHEUS: Table = Table {
    title: "sources.NAME, Prometheus",
    doc: "Queries are PromQL.",
    keys: &[
        key("prometheus", Shape::Http, Need::Required, "Its address."),
        key("token", Shape::Variable, Need::Optional, "Name of the environment variable that holds a bearer token."),
    ],
};

static DATADOG: Table = Table {
    title: "sources.NAME, Datadog",
    doc: "Queries are those of its metrics, as `sum:trace.http.errors{version:2}.as_count().rollup(sum, 60)`.",
    keys: &[
        key("datadog", Shape::Http, Need::Required, "Address of its API, as `https://api.datadoghq.eu`."),
        key("api_key", Shape::Variable, Need::Required, "Name of the environment variable that holds the API key."),
        key("app_key", Shape::Variable, Need::Required, "Name of the one that holds the application key."),
    ],
};

static CLOUDWATCH: Table = Table {
    title: "sources.NAME, Amazon CloudWatch",
    doc: "Queries are metric math, Metrics Insights, as `SELECT AVG(Latency) FROM SCHEMA(\"AWS/ApplicationELB\", TargetGroup)`, or a `MetricStat` as JSON.",
    keys: &[
        key("cloudwatch", Shape::Text, Need::Required, "The region, as `eu-west-1`."),
        key("endpoint", Shape::Http, Need::Optional, "Another address than the region's."),
        key("key", Shape::Variable, Need::Default("AWS_ACCESS_KEY_ID"), "Name of the environment variable that holds the access key's id."),
        key("secret", Shape::Variable, Need::Default("AWS_SECRET_ACCESS_KEY"), "Name of the one that holds the secret access key."),
        key("session", Shape::Variable, Need::Optional, "Name of the one that holds the token of a session."),
    ],
};

static NEWRELIC: Table = Table {
    title: "sources.NAME, New Relic",
    doc: "Queries are NRQL without `SINCE`, `UNTIL` and `TIMESERIES`.",
    keys: &[
        key("newrelic", Shape::Http, Need::Required, "Address of NerdGraph, as `https://api.eu.newrelic.com/graphql`."),
        key("account", Shape::Whole { min: 1, max: u32::MAX }, Need::Required, "The account."),
        key("api_key", Shape::Variable, Need::Required, "Name of the environment variable that holds a user key."),
    ],
};

static INFLUXDB: Table = Table {
    title: "sources.NAME, InfluxDB",
    doc: "Queries are InfluxQL, which versions 1, 2 and 3 answer; `$timeFilter` stands for the span of time and `$__interval` for a step of it.",
    keys: &[
        key("influxdb", Shape::Http, Need::Required, "Its address."),
        key("database", Shape::Text, Need::Required, "The database, or the bucket that is mapped to it."),
        key("login", Shape::Variable, Need::Optional, "Name of the environment variable that holds `user:password`."),
        key("token", Shape::Variable, Need::Optional, "Name of the one that holds a token, instead."),
    ],
};

static GRAPHITE: Table = Table {
    title: "sources.NAME, Graphite",
    doc: "Queries are targets of its render API.",
    keys: &[
        key("graphite", Shape::Http, Need::Required, "Its address."),
        key("login", Shape::Variable, Need::Optional, "Name of the environment variable that holds `user:password`."),
    ],
};

static WEB: Table = Table {
    title: "sources.NAME, JSON",
    doc: "A query is the pointer to a number, or to a list of numbers, in the answer, as `/data/rate` (RFC 6901): the value of now.",
    keys: &[
        key("web", Shape::Http, Need::Required, "Address that is fetched."),
        key("token", Shape::Variable, Need::Optional, "Name of the environment variable that holds a bearer token."),
    ],
};

static LAKE: Table = Table {
    title: "sources.NAME, the lake",
    doc: "Queries are one `SELECT` over `predictions`, `feedback` and `exposures` of this workspace, with a column `time`; `$timeFilter`, `$from`, `$to` and `$interval` stand for the span of time, in milliseconds.",
    keys: &[key(
        "lake",
        SPAN,
        Need::Required,
        "Rows of so long before the span are seen too, as `1d`: labels come later than what they are of.",
    )],
};
