//! Keys of `deployments`: what other tools hold until they are answered.

use super::{SPAN, key};
use crate::config::shape::{Case, Key, Need, Shape, Table};

pub(super) static DEPLOYMENT: Shape = Shape::Choice(&[
    Case { marker: "github", table: &GITHUB },
    Case { marker: "gitlab", table: &GITLAB },
    Case { marker: "gitlab_check", table: &CHECK },
]);

const SERVICE: Key = key("service", Shape::Ref("services"), Need::Required, "The service that is deployed.");
const VERSION: Key = key(
    "version",
    Shape::Text,
    Need::Default("newest"),
    "Which version it is: the `newest` one when the question is first looked at, the one of the `commit`, or by the branch or tag, as `v{version}`.",
);
const ASKS: Key = key(
    "asks",
    Shape::Word(&["approvals", "gates", "judge"]),
    Need::Default("approvals"),
    "What decides: `approvals` is whether the version may be released now (gates, approvals, freezes, breakers, no other release under way), `gates` its gates alone, `judge` a judgement of `judges` that was begun.",
);
const JUDGE: Key = key("judge", Shape::Ref("judges"), Need::Optional, "The judge, for `asks: judge`.");
const SUBJECT: Key = key(
    "subject",
    Shape::Text,
    Need::Default("'{{sha}}'"),
    "The judgement's subject; `{{sha}}`, `{{ref}}` and `{{version}}` are filled in from the question.",
);
const WITHIN: Key = key("within", SPAN, Need::Default("7d"), "What still waits after this time is a no.");
const LOGINS: Key = key(
    "logins",
    Shape::Names { of: "login", item: &Shape::Ref("people"), refers: None, preset: None },
    Need::Optional,
    "Who of `people` a login of the tool is: approvals are asked for in their name, and they cannot give one.",
);
const SECRET: Key = key(
    "secret",
    Shape::Variable,
    Need::Required,
    "Name of the environment variable that holds the webhook's secret. What does not prove to know it is not read.",
);

static GITHUB: Table = Table {
    title: "deployments.NAME, GitHub",
    doc: "A deployment protection rule: a job of a workflow waits before an environment until it is answered.",
    keys: &[
        key("github", Shape::Text, Need::Required, "The repository, as `acme/shop`."),
        key("environment", Shape::Text, Need::Required, "The environment, as GitHub calls it."),
        key("api", Shape::Text, Need::Default("https://api.github.com"), "Address of the API. No other is called."),
        SECRET,
        key(
            "token",
            Shape::Variable,
            Need::Optional,
            "Name of the environment variable that holds an installation's token; GitHub ends it after an hour.",
        ),
        key("app", Shape::Text, Need::Optional, "Id of the GitHub App, which gets itself such tokens."),
        key(
            "key",
            Shape::Variable,
            Need::Optional,
            "Name of the environment variable that holds the App's private key, as GitHub made it (PEM).",
        ),
        key(
            "statuses",
            Shape::Word(&["none", "release"]),
            Need::Default("none"),
            "With `release` the deployment is given a status when the release of its version begins, ends, or goes back. The job writes its own, too.",
        ),
        SERVICE,
        VERSION,
        ASKS,
        JUDGE,
        SUBJECT,
        WITHIN,
        LOGINS,
    ],
};

static GITLAB: Table = Table {
    title: "deployments.NAME, GitLab",
    doc: "The approval of deployments to a protected environment.",
    keys: &[
        key("gitlab", Shape::Text, Need::Required, "The project, as `acme/shop`."),
        key("environment", Shape::Text, Need::Required, "The environment, as GitLab calls it."),
        key("api", Shape::Text, Need::Default("https://gitlab.com/api/v4"), "Address of the API. No other is called."),
        SECRET,
        key(
            "token",
            Shape::Variable,
            Need::Required,
            "Name of the environment variable that holds a token of scope `api`, of somebody who may approve there.",
        ),
        key(
            "represented_as",
            Shape::Text,
            Need::Optional,
            "The group or role in whose name it is approved, where the token's owner is in several.",
        ),
        SERVICE,
        VERSION,
        ASKS,
        JUDGE,
        SUBJECT,
        WITHIN,
        LOGINS,
    ],
};

static CHECK: Table = Table {
    title: "deployments.NAME, check of GitLab",
    doc: "An external status check of merge requests.",
    keys: &[
        key("gitlab_check", Shape::Text, Need::Required, "The project, as `acme/shop`."),
        key("check", Shape::Text, Need::Required, "Name of the check, as GitLab calls it."),
        key("api", Shape::Text, Need::Default("https://gitlab.com/api/v4"), "Address of the API. No other is called."),
        SECRET,
        key(
            "token",
            Shape::Variable,
            Need::Required,
            "Name of the environment variable that holds a token of scope `api`, of somebody who may approve merge requests there.",
        ),
        SERVICE,
        VERSION,
        ASKS,
        JUDGE,
        SUBJECT,
        WITHIN,
        LOGINS,
    ],
};
