//! Keys of `services.NAME.serving` and `gateway.keys`: how requests are answered, and who may ask for how much.

use super::key;
use crate::config::shape::{Need, Shape, Table};

pub(super) static SERVING: Table = Table {
    title: "services.NAME.serving",
    doc: "How requests to it are answered.",
    keys: &[
        key(
            "scan",
            Shape::Table(&SCAN),
            Need::Optional,
            "What is looked for in texts of answers, and what is done with it: `flag` counts it and tells of it in a header, `mask` replaces it, `block` answers 422 instead.",
        ),
        key(
            "outputs",
            super::names("output", &Shape::Table(&OUTPUT)),
            Need::Optional,
            "What answers are promised to be. One that breaks it is an error of its version and is not given out; a version whose golden answers break it gets no request.",
        ),
        key("batch", Shape::Table(&BATCH), Need::Optional, "Puts requests that wait together into one call of the model."),
        key(
            "queue",
            Shape::Duration { min_ms: 1, max_ms: 60_000 },
            Need::Default("2s"),
            "Longest that a request waits for its turn. One that would wait longer is answered 429 at once.",
        ),
        key(
            "golden",
            Shape::Duration { min_ms: 100, max_ms: 3_600_000 },
            Need::Default("5s"),
            "How often each worker answers one of the model's golden requests while it serves. One that answers otherwise twice in a row is ended and started again.",
        ),
        key(
            "explain",
            Shape::Word(&["true", "false"]),
            Need::Default("true"),
            "Whether who asks with the parameter `explain` is told what each feature adds to a prediction. It takes the model's time.",
        ),
        key(
            "fallback",
            Shape::Table(&FALLBACK),
            Need::Optional,
            "What clients are given, with `x-tidegate-fallback`, where nobody who should answer can. The failure counts as one.",
        ),
        key(
            "sequence",
            Shape::Table(&SEQUENCE),
            Need::Optional,
            "For stateful models: what requests with a `sequence_id` are told of those before them. It is kept in the gateway and goes with the request to whoever answers.",
        ),
        key("generate", Shape::Table(&GENERATE), Need::Default("{}"), "How long answers of language models may take."),
        key(
            "providers",
            Shape::OneOrMore { item: &PROVIDER, max: 10 },
            Need::Default("cpu"),
            "Which of ONNX Runtime's execution providers carry a model out, in the order in which they are asked for each operator. One that the library lacks is refused, unless `cpu` is named too and stands in.",
        ),
        key("threads", Shape::Whole { min: 1, max: 256 }, Need::Default("1"), "Threads of one call of an ONNX model."),
        key(
            "memory_mib",
            Shape::Whole { min: 1, max: 16_777_216 },
            Need::Optional,
            "Memory that the worker of one version may take, in MiB. One that takes more when it is loaded gets no request; one that grows beyond is replaced by another one and ends when it has answered.",
        ),
        key(
            "in_process",
            Shape::Word(&["true", "false"]),
            Need::Default("false"),
            "Whether the stable version answers in the gateway's own process: quicker for small models, and a crash of the model is one of the gateway.",
        ),
    ],
};

static FALLBACK: Table = Table {
    title: "services.NAME.serving.fallback",
    doc: "In place of 500, 503 and 504, in this order; not for who names a version, and not along a sequence.",
    keys: &[
        key(
            "older_version",
            Shape::Word(&["true", "false"]),
            Need::Default("false"),
            "Whether the version that stood before answers while it is kept warm without a share of its own.",
        ),
        key(
            "cached",
            Shape::Duration { min_ms: 1_000, max_ms: 86_400_000 },
            Need::Optional,
            "How long an answer may stand in for the one to a request that asks the same of the same version. None that was given before a promotion, a rollback or a wrong golden answer is given after it.",
        ),
        key(
            "answer",
            Shape::Text,
            Need::Optional,
            "A declared answer, as JSON of the protocol: `{\"model_name\": \"m\", \"outputs\": [{\"name\": \"score\", \"datatype\": \"FP64\", \"shape\": [1], \"data\": [0.5]}]}`.",
        ),
    ],
};

static SEQUENCE: Table = Table {
    title: "services.NAME.serving.sequence",
    doc: "A sequence begins with `sequence_start` and ends with `sequence_end`, as in Triton. Its requests are carried out one after the other, by one version.",
    keys: &[
        key(
            "state",
            Shape::List { item: &Shape::Table(&CARRIED), min: 1, max: 64 },
            Need::Required,
            "Tensors that are carried. Clients neither send nor see them.",
        ),
        key(
            "idle",
            Shape::Duration { min_ms: 1_000, max_ms: 86_400_000 },
            Need::Default("10m"),
            "How long a sequence may rest; then it is forgotten.",
        ),
        key(
            "across_versions",
            Shape::Word(&["true", "false"]),
            Need::Default("false"),
            "Whether another version goes on where the one of a sequence is gone: with `false` that is 409, and the sequence begins anew.",
        ),
    ],
};

static CARRIED: Table = Table {
    title: "services.NAME.serving.sequence.state[]",
    doc: "One of them.",
    keys: &[
        key("input", Shape::Text, Need::Required, "Input of the model: zeros with the first request."),
        key("output", Shape::Text, Need::Required, "Output of the model that comes back in it with the next request."),
    ],
};

static GENERATE: Table = Table {
    title: "services.NAME.serving.generate",
    doc: "An answer that takes longer is 504, or ends with an error where some of it has reached its client. It counts as an error of its version.",
    keys: &[
        key("first", WAIT, Need::Default("30s"), "From the request to the first token, where the answer is wanted while it comes."),
        key("idle", WAIT, Need::Default("30s"), "From one piece of it to the next."),
        key("whole", WAIT, Need::Default("10m"), "To its end."),
    ],
};

const WAIT: Shape = Shape::Duration { min_ms: 100, max_ms: 86_400_000 };
const PROVIDER: Shape = Shape::Word(&["cpu", "cuda", "tensorrt", "openvino", "coreml", "directml", "rocm", "migraphx", "qnn", "xnnpack"]);

const ACTION: Shape = Shape::Word(&["flag", "mask", "block"]);

static SCAN: Table = Table {
    title: "services.NAME.serving.scan",
    doc: "Each kind is looked for where it is named.",
    keys: &[
        key("card", ACTION, Need::Optional, "Payment card numbers, by issuer, length and check digit; the last four digits stay."),
        key("iban", ACTION, Need::Optional, "International bank account numbers, by their check digits."),
        key("us_ssn", ACTION, Need::Optional, "Social security numbers of the United States, written `123-45-6789`."),
        key("email", ACTION, Need::Optional, "E-mail addresses."),
        key(
            "secret",
            ACTION,
            Need::Optional,
            "Private keys, JSON web tokens, access keys of AWS, Google, GitHub, GitLab and Slack, bearer tokens.",
        ),
    ],
};

static OUTPUT: Table = Table {
    title: "services.NAME.serving.outputs.OUTPUT",
    doc: "What one output is promised to be. It must be there; further outputs may be.",
    keys: &[
        key(
            "datatype",
            Shape::Word(&[
                "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "BF16", "FP32", "FP64", "BYTES",
            ]),
            Need::Optional,
            "Its element type.",
        ),
        key(
            "shape",
            Shape::List { item: &Shape::Number { min: -1.0, max: 2_147_483_647.0, open: false }, min: 0, max: 8 },
            Need::Optional,
            "Its dimensions; -1 is one of any length.",
        ),
        key("min", NUMBER, Need::Optional, "Its least value."),
        key("max", NUMBER, Need::Optional, "Its largest value."),
        key("finite", Shape::Word(&["true", "false"]), Need::Default("true"), "Whether each value is a number, none of them infinite."),
    ],
};

const NUMBER: Shape = Shape::Number { min: f64::NEG_INFINITY, max: f64::INFINITY, open: true };

static BATCH: Table = Table {
    title: "services.NAME.serving.batch",
    doc: "Only requests to the same version are put together, and only where every input and output of the model has rows of any number.",
    keys: &[
        key("requests", Shape::Whole { min: 2, max: 256 }, Need::Default("32"), "Requests in one call, at most."),
        key(
            "wait_us",
            Shape::Whole { min: 0, max: 1_000_000 },
            Need::Default("0"),
            "How long the first of them waits for others, in microseconds. With 0 those are put together that wait already.",
        ),
    ],
};

pub(super) static GATEWAY_TLS: Table = Table {
    title: "gateway.tls",
    doc: "TLS towards clients. Files are PEM and lie in the workspace or anywhere; ones that change are taken up within a second of the next connection.",
    keys: &[
        key("certificate", Shape::Text, Need::Required, "File with the gateway's certificate, and those between it and an authority."),
        key("key", Shape::Text, Need::Required, "File with its private key."),
        key(
            "clients",
            Shape::Text,
            Need::Optional,
            "File with the certificates of authorities that vouch for clients. With it, who shows no certificate of them is not let in; a token is needed all the same.",
        ),
    ],
};

pub(super) static GATEWAY_KEY: Table = Table {
    title: "gateway.keys.NAME",
    doc: "A bearer token of its own for some clients, with what they may ask for. The token in `.tidegate/keys/gateway.token` may ask for anything.",
    keys: &[
        key("token", Shape::Variable, Need::Required, "Name of the environment variable that holds the token."),
        key(
            "rate",
            Shape::Whole { min: 1, max: 1_000_000 },
            Need::Optional,
            "Predictions a second in the long run; further ones are answered 429.",
        ),
        key(
            "burst",
            Shape::Whole { min: 1, max: 1_000_000 },
            Need::Optional,
            "Predictions at once before that counts; as many as a second's when not given.",
        ),
        key(
            "daily",
            Shape::Whole { min: 1, max: 4_000_000_000 },
            Need::Optional,
            "Predictions from one midnight UTC to the next, counted since the gateway started.",
        ),
        key(
            "priority",
            Shape::Word(&["interactive", "batch"]),
            Need::Default("interactive"),
            "`batch`: its requests wait while others do, but for a tenth of the turns. A request may say so itself in `x-tidegate-priority`.",
        ),
    ],
};
