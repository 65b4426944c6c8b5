"""Random requests of the Open Inference Protocol, good and bad, each made from its number alone.

A request is good when it is made and is then spoilt in at most two of the ways of `SPOILS`; its `kinds` say in which.
"""

import gzip
import json
import random
import struct
import zlib
from dataclasses import dataclass, field

import numpy as np

DATATYPES = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "i1", "INT16": "<i2", "INT32": "<i4",
    "INT64": "<i8", "FP16": "<f2", "BF16": "<u2", "FP32": "<f4", "FP64": "<f8", "BYTES": None,
}  # fmt: skip
# Half precision has no JSON.
HALVES = ("FP16", "BF16")

# What both servers serve: inputs and outputs of each model. `simple` adds and subtracts; in the others outN is inN.
MODELS = {"simple": ([("INPUT0", "INT32", [-1, 16]), ("INPUT1", "INT32", [-1, 16])], ["OUTPUT0", "OUTPUT1"])}
IDENTITIES = {
    **{f"same_{datatype.lower()}": [(datatype, [-1])] for datatype in DATATYPES},
    "fixed": [("FP32", [2, 3])],
    "grid": [("FP32", [-1, 2, -1])],
    "pair": [("FP64", [-1]), ("BYTES", [-1, 2])],
}
for _name, _tensors in IDENTITIES.items():
    MODELS[_name] = ([(f"in{at}", *tensor) for at, tensor in enumerate(_tensors)], [f"out{at}" for at in range(len(_tensors))])


@dataclass
class Tensor:
    """One input on its way: `values` is an array, or a list of bytes for BYTES."""

    name: str
    datatype: str
    shape: list
    values: object
    binary: bool
    nested: bool = False
    # Members of the JSON object that are other than they should be; None leaves one out.
    odd: dict = field(default_factory=dict)
    # Bytes in place of the values'.
    raw: bytes | None = None

    def as_bytes(self):
        if self.raw is not None:
            return self.raw
        if self.datatype == "BYTES":
            return b"".join(struct.pack("<I", len(text)) + text for text in self.values)
        return self.values.tobytes()

    def as_json(self):
        if self.datatype == "BYTES":
            flat = [text.decode("utf-8", "replace") for text in self.values]
        else:
            flat = [float(np.format_float_positional(x, unique=True)) if np.isfinite(x) else None for x in self.values] if (
                self.datatype == "FP32"
            ) else self.values.tolist()
        return nest(flat, self.shape) if self.nested else flat

    def object(self):
        said = {"name": self.name, "shape": self.shape, "datatype": self.datatype}
        if self.binary:
            said["parameters"] = {"binary_data_size": len(self.as_bytes())}
        else:
            said["data"] = self.as_json()
        said |= self.odd
        return {key: value for key, value in said.items() if value is not LEFT_OUT}


LEFT_OUT = object()


def nest(flat, shape):
    if len(shape) <= 1:
        return flat
    step = len(flat) // shape[0] if shape[0] else 0
    return [nest(flat[at * step : (at + 1) * step], shape[1:]) for at in range(shape[0])]


@dataclass
class Request:
    """A request of HTTP while it is made."""

    model: str
    tensors: list
    outputs: list | None = None
    id: object = None
    parameters: object = None
    version: str | None = None
    members: dict = field(default_factory=dict)
    headers: dict = field(default_factory=dict)
    coding: str | None = None
    method: str = "POST"
    # Says how long the JSON is; None where nothing is said.
    json_bytes: object = None
    is_raw: bool = False
    # What is done with the JSON's text, and with the whole body, at the end.
    spoil_text: list = field(default_factory=list)
    spoil_body: list = field(default_factory=list)
    path: str | None = None
    kinds: set = field(default_factory=set)

    def body(self):
        if self.is_raw and self.tensors:
            # A text has no length before it.
            first = self.tensors[0]
            whole = b"".join(first.values[:1]) if first.datatype == "BYTES" and first.raw is None else first.as_bytes()
            if self.json_bytes is None:
                self.json_bytes = 0
        else:
            said = {} if self.id is None else {"id": self.id}
            if self.parameters is not None:
                said["parameters"] = self.parameters
            said["inputs"] = [tensor.object() for tensor in self.tensors]
            if self.outputs is not None:
                said["outputs"] = self.outputs
            said |= self.members
            text = json.dumps({key: value for key, value in said.items() if value is not LEFT_OUT}).encode()
            for spoil in self.spoil_text:
                text = spoil(text)
            behind = b"".join(tensor.as_bytes() for tensor in self.tensors if tensor.binary)
            whole = text + behind
            if self.json_bytes is None and any(tensor.binary for tensor in self.tensors):
                self.json_bytes = len(text)
            elif callable(self.json_bytes):
                self.json_bytes = self.json_bytes(len(text), len(whole))
        for spoil in self.spoil_body:
            whole = spoil(whole)
        return whole

    def http(self):
        """Method, path, headers and body."""
        body, headers = self.body(), dict(self.headers)
        if self.json_bytes is not None:
            headers["Inference-Header-Content-Length"] = str(self.json_bytes)
        if self.coding:
            body = {"gzip": gzip.compress, "deflate": zlib.compress}.get(self.coding, lambda plain: plain)(body)
            headers["Content-Encoding"] = self.coding
        if "broken_packing" in self.kinds:
            body = body[: len(body) // 2] + b"\0\1\2" + body[len(body) // 2 + 3 :]
        version = f"/versions/{self.version}" if self.version is not None else ""
        return self.method, self.path or f"/v2/models/{self.model}{version}/infer", headers, body


def values(rng, datatype, count, binary):
    """Values of a datatype, at its ends as well; as JSON only those that it has."""
    if datatype == "BYTES":
        words = ["", "a", "naïve", "日本語", 'say "x"\\\n', "z" * 40, "\u0000", "1"]
        return [rng.choice(words).encode() for _ in range(count)]
    code = np.dtype(DATATYPES[datatype])
    if datatype == "BOOL":
        return np.array([rng.random() < 0.5 for _ in range(count)], dtype=code)
    if code.kind in "iu" and datatype != "BF16":
        ends = np.iinfo(code)
        choices = [0, 1, 2, int(ends.min), int(ends.max), rng.randint(int(ends.min), int(ends.max))]
        return np.array([rng.choice(choices) for _ in range(count)], dtype=code)
    if binary:
        # Any bits, not-a-numbers among them.
        bits = np.frombuffer(rng.randbytes(count * code.itemsize), dtype=code).copy()
        if datatype != "BF16" and rng.random() < 0.7:
            bits[~np.isfinite(bits)] = 1.5
        return bits
    choices = [0.0, -0.0, 1.0, -2.5, 0.1, 1e-30, 3.4e38, 1 / 3, 5e-324 if datatype == "FP64" else 1e-45, rng.gauss(0, 1e3)]
    with np.errstate(over="ignore", invalid="ignore"):
        return np.array([rng.choice(choices) for _ in range(count)], dtype=np.float64).astype(code)


def tensor(rng, name, datatype, spec, rows=None):
    shape = [size if size >= 0 else rng.choice([0, 1, 1, 2, 3, 4]) for size in spec]
    if rows is not None and spec and spec[0] < 0:
        shape[0] = rows
    binary = datatype in HALVES or rng.random() < 0.5
    count = int(np.prod(shape)) if shape else 1
    return Tensor(name, datatype, shape, values(rng, datatype, count, binary), binary, nested=rng.random() < 0.4)


def asked_outputs(rng, names, halves):
    """What is asked of outputs: nothing, or some of them, in any order."""
    if not halves and rng.random() < 0.4:
        return None
    chosen = rng.sample(names, rng.randint(1, len(names)))
    said = []
    for name in chosen:
        one = {"name": name}
        if halves or rng.random() < 0.7:
            one["parameters"] = {"binary_data": True if halves else rng.random() < 0.6}
        said.append(one)
    return said


def good(rng):
    """A request that both should answer."""
    model = rng.choice(["simple"] * 6 + [name for name in MODELS if name != "simple"])
    inputs, outputs = MODELS[model]
    rows = rng.choice([0, 1, 1, 1, 2, 3, 5, 8, 60])
    tensors = [tensor(rng, *spec, rows) for spec in inputs]
    halves = any(datatype in HALVES for _, datatype, _ in inputs)
    request = Request(model, tensors, asked_outputs(rng, outputs, halves))
    if len(inputs) == 1 and inputs[0][1] != "BYTES" and rng.random() < 0.2 or model == "same_bytes" and rng.random() < 0.2:
        request.is_raw = True
        request.kinds.add("raw")
        if model == "same_bytes":
            request.tensors[0].values = values(rng, "BYTES", 1, True)
    if rng.random() < 0.5:
        request.id = rng.choice(["", "q1", "ä", "x" * 100, "{}"])
    if rng.random() < 0.3:
        request.parameters = {"binary_data_output": rng.random() < 0.5}
    if rng.random() < 0.1:
        request.parameters = (request.parameters or {}) | {"mine": rng.choice(["text", 5, True, 1.5])}
    if rng.random() < 0.3:
        request.coding = rng.choice(["gzip", "deflate"])
    if rng.random() < 0.3:
        request.headers["Accept-Encoding"] = rng.choice(["gzip", "deflate", "gzip, deflate", "identity", "br"])
    if rng.random() < 0.3:
        request.version = "1"
    if rng.random() < 0.5:
        request.headers["Content-Type"] = rng.choice(["application/json", "application/octet-stream", "text/plain", "x/y"])
    if request.tensors and rng.random() < 0.3:
        request.json_bytes = (lambda text, _: text) if not request.is_raw else None
    return request


# --- ways to spoil a request ------------------------------------------------------------------------------------------

SPOILS = []


def spoil(weight=1):
    def add(function):
        SPOILS.extend([function] * weight)
        return function

    return add


def any_tensor(rng, request):
    return rng.choice(request.tensors) if request.tensors else Tensor("none", "FP32", [1], np.zeros(1, "<f4"), False)


@spoil(2)
def wrong_datatype(rng, request):
    one = any_tensor(rng, request)
    other = rng.choice([name for name in DATATYPES if name != one.datatype])
    count = int(np.prod(one.shape))
    one.datatype, one.values = other, values(rng, other, count, one.binary)
    one.binary = one.binary or other in HALVES


@spoil()
def no_such_datatype(rng, request):
    any_tensor(rng, request).odd["datatype"] = rng.choice(["INT31", "", "fp32", "STRING", "FLOAT", "TYPE_INT32", "FP32 "])


@spoil(2)
def shape_of_other_count(rng, request):
    one = any_tensor(rng, request)
    one.odd["shape"] = [size + (at == len(one.shape) - 1) for at, size in enumerate(one.shape)]


@spoil()
def rank(rng, request):
    one = any_tensor(rng, request)
    one.odd["shape"] = rng.choice([[], [1, *one.shape], [*one.shape, 1], [1] * 9])


@spoil()
def odd_dimension(rng, request):
    one = any_tensor(rng, request)
    # Those that end Triton are drawn seldom: it takes its time to start.
    size = rng.choice([2**62, 2**63 - 1] if rng.random() < 0.05 else [-1, -16, 2**31, 2**64, 10**30])
    one.odd["shape"] = [size, *one.shape[1:]]


@spoil()
def dimension_of_the_model(rng, request):
    """Sound in itself, but not what the model takes."""
    one = any_tensor(rng, request)
    shape = [size + 1 for size in one.shape]
    one.shape, one.values = shape, values(rng, one.datatype, int(np.prod(shape)), one.binary)


@spoil()
def input_is_missing(rng, request):
    if request.tensors:
        request.tensors.pop(rng.randrange(len(request.tensors)))


@spoil()
def input_is_extra(rng, request):
    request.tensors.append(tensor(rng, rng.choice(["INPUT9", "in7", ""]), rng.choice(["FP32", "INT32", "BYTES"]), [2]))


@spoil()
def input_is_twice(rng, request):
    if request.tensors:
        request.tensors.append(request.tensors[0])


@spoil(2)
def member_is_missing(rng, request):
    any_tensor(rng, request).odd[rng.choice(["name", "shape", "datatype", "data", "parameters"])] = LEFT_OUT


@spoil()
def inputs_are_missing(rng, request):
    request.members["inputs"] = rng.choice([LEFT_OUT, [], None, {}, "x", 5, [5], [None], [[]]])


@spoil(2)
def member_of_other_type(rng, request):
    odd = any_tensor(rng, request).odd
    name = rng.choice(["name", "shape", "datatype", "data", "parameters"])
    odd[name] = rng.choice([5, None, True, "x", [], {}, [1.5], ["1"], [None], -1, 1e300, [[]], [{}], {"a": 1}])


@spoil()
def top_member_of_other_type(rng, request):
    request.members[rng.choice(["id", "parameters", "outputs"])] = rng.choice([5, None, True, "x", [], {}, [5], [None], 1.5, [[]]])


@spoil()
def unknown_members(rng, request):
    request.members[rng.choice(["extra", "model_name", "timeout"])] = rng.choice([5, None, "x", [1], {"a": {}}])
    any_tensor(rng, request).odd["note"] = rng.choice([5, None, "x", [1], {"a": {}}])


@spoil()
def output_is_unknown(rng, request):
    request.outputs = [*(request.outputs or []), {"name": rng.choice(["ZZ", "", "INPUT0", "output0"])}]


@spoil()
def output_is_twice(rng, request):
    one = {"name": MODELS[request.model][1][0] if request.model in MODELS else "x"}
    request.outputs = [one, one]


@spoil()
def odd_output(rng, request):
    name = MODELS[request.model][1][0] if request.model in MODELS else "x"
    request.outputs = rng.choice(
        [[], [{}], [{"name": 5}], [{"name": None}], ["x"], [{"name": name, "parameters": rng.choice([5, None, [], {}])}],
         [{"name": name, "parameters": {"binary_data": rng.choice(["yes", 1, None, []])}}], [{"name": name, "more": 1}]]
    )  # fmt: skip


@spoil()
def classification(rng, request):
    name = MODELS[request.model][1][0] if request.model in MODELS else "x"
    request.outputs = [{"name": name, "parameters": {"classification": rng.choice([1, 2, 0, "x"]), "binary_data": True}}]


@spoil()
def shared_memory(rng, request):
    place = {"shared_memory_region": "r", "shared_memory_byte_size": 64, "shared_memory_offset": 0}
    if rng.random() < 0.5 and request.tensors:
        one = any_tensor(rng, request)
        one.odd["parameters"], one.odd["data"], one.raw = place, LEFT_OUT, b""
    else:
        name = MODELS[request.model][1][0] if request.model in MODELS else "x"
        request.outputs = [{"name": name, "parameters": place}]


@spoil(2)
def length_of_the_json(rng, request):
    odd = rng.choice([lambda t, w: w + 1, lambda t, w: w + rng.randint(1, 10**6), lambda t, w: -1, lambda t, w: max(t - 1, 0), lambda t, w: t + 1,
                      lambda t, w: "x", lambda t, w: "", lambda t, w: 2**31, lambda t, w: 2**32, lambda t, w: 2**63, lambda t, w: 10**30,
                      lambda t, w: "0x10", lambda t, w: "1.5", lambda t, w: f" {t} ", lambda t, w: f"+{t}", lambda t, w: f"00{t}",
                      lambda t, w: f"{t}x", lambda t, w: f"{t} 1"])  # fmt: skip
    if request.is_raw and request.tensors:
        request.json_bytes = odd(0, len(request.tensors[0].as_bytes()))
    else:
        request.json_bytes = odd


@spoil(2)
def binary_data_size(rng, request):
    one = any_tensor(rng, request)
    size = len(one.as_bytes())
    odd = rng.choice([size + 1, size - 1, 0, -1, 2**32, 2**63, str(size), None, float(size), True, [], {}, size * 2])
    one.odd["parameters"] = {"binary_data_size": odd}


@spoil()
def values_in_both_forms(rng, request):
    one = any_tensor(rng, request)
    if one.datatype not in HALVES:
        one.odd["data"] = one.as_json()
        one.odd["parameters"] = {"binary_data_size": len(one.as_bytes())}
        one.binary = rng.random() < 0.7


@spoil()
def bytes_behind(rng, request):
    request.spoil_body.append(lambda body: body + rng.randbytes(rng.randint(1, 9)))


@spoil()
def bytes_missing(rng, request):
    cut = rng.randint(1, 9)
    request.spoil_body.append(lambda body: body[:-cut])


@spoil(3)
def broken_json(rng, request):
    def cut(text):
        return text[: rng.randrange(len(text) + 1)]

    def flip(text):
        at = rng.randrange(max(len(text), 1))
        return text[:at] + bytes([rng.randrange(256)]) + text[at + 1 :]

    def put(text):
        at = rng.randrange(len(text) + 1)
        return text[:at] + rng.choice([b",", b"}", b"]", b'"', b"\0", b"\xff", b"NaN", b"/**/", b" ", b"\n", b"-", b"e"]) + text[at:]

    whole = [b"", b"null", b"[]", b"5", b'"x"', b"{}", b"[" * 5000 + b"]" * 5000, b'{"inputs":' * 300 + b"1" + b"}" * 300, b"\xef\xbb\xbf{}"]
    request.spoil_text.append(rng.choice([cut, flip, flip, put, put, lambda text: rng.choice(whole), lambda text: text + text]))


@spoil(3)
def odd_value(rng, request):
    """A value in JSON that its datatype does not have."""
    one = any_tensor(rng, request)
    if one.binary or one.datatype in HALVES:
        return
    data = one.as_json() if not one.nested else nest(flatten(one.as_json()), [1])
    if data and isinstance(data, list):
        odd = [None, True, False, "x", "1", "", 1.5, -1, 0, 2, 300, 70000, 2**31, 2**32, 2**63, 2**64, -(2**63), -(2**63) - 1, 10**30, 1e39, 1e308,
               [], [1], {}, 1e2, 1.0, -0.0]  # fmt: skip
        data[rng.randrange(len(data))] = rng.choice(odd)
        one.odd["data"] = data


def flatten(data):
    return [leaf for part in data for leaf in flatten(part)] if isinstance(data, list) else [data]


@spoil()
def odd_nesting(rng, request):
    one = any_tensor(rng, request)
    if one.binary:
        return
    flat = flatten(one.as_json())
    one.odd["data"] = rng.choice([[flat], [[x] for x in flat], [flat[:1], flat[1:]], [*flat[:1], flat[1:]], [flat, []], flat + [[]], flat[0] if flat else []])


@spoil()
def texts_that_are_not_utf8(rng, request):
    for one in request.tensors:
        if one.datatype == "BYTES" and one.binary and one.values:
            one.values[0] = rng.choice([b"\xff\xfe", b"a\x80", bytes(range(256))])


@spoil()
def odd_texts(rng, request):
    for one in request.tensors:
        if one.datatype == "BYTES" and one.binary:
            sound = one.as_bytes()
            one.raw = rng.choice([sound[:-1], sound + b"\1", struct.pack("<I", 2**32 - 1) + sound[4:], struct.pack("<I", 5), sound[:3], sound * 2])


@spoil()
def odd_truths(rng, request):
    for one in request.tensors:
        if one.datatype == "BOOL" and one.binary and len(one.values):
            one.raw = rng.randbytes(len(one.values))


@spoil(2)
def unknown_model(rng, request):
    request.model = rng.choice(["nope", "simple2", "Simple", "simple%20", "%2e%2e"])


@spoil(2)
def unknown_version(rng, request):
    request.version = rng.choice(["2", "99", "0", "-1", "abc", "v1", "1.0", "01", "18446744073709551616", ""])


@spoil()
def other_method(rng, request):
    request.method = rng.choice(["GET", "PUT", "DELETE", "HEAD"])


@spoil()
def unknown_coding(rng, request):
    request.coding = rng.choice(["br", "zstd", "gzip, gzip", "compress", "identity", "x"])


@spoil()
def broken_packing(rng, request):
    request.coding = rng.choice(["gzip", "deflate"])


@spoil(2)
def odd_parameters(rng, request):
    request.parameters = rng.choice([
        {"binary_data_output": rng.choice(["yes", 1, None, [], {}])}, {"priority": rng.choice([1, -1, "x", 2**64])},
        {"timeout": rng.choice([10**7, "x", -5])}, {"sequence_id": rng.choice([1, 0, "s", -1, True]), "sequence_start": True},
        {"sequence_start": True}, {"a": {}}, {"a": []}, {"a": None}, {"headers": "x"}, {"triton_enable_empty_final_response": True},
        {"classification": 1}, {"": 1}, {"a" * 300: "b" * 3000},
    ])  # fmt: skip


PATHS = [
    "/v2", "/v2/", "/v2/health/live", "/v2/health/ready", "/v2/models/{m}", "/v2/models/{m}/", "/v2/models/{m}/versions/1", "/v2/models/{m}/ready",
    "/v2/models/{m}/versions/1/ready", "/v2/models/{m}/config", "/v2/models/{m}/stats", "/v2/models/stats", "/v2/models/nope", "/v2/models/nope/ready",
    "/v2/models/{m}/versions/9", "/v2/models/{m}/versions/9/ready", "/v2/models/nope/config", "/v2/models/nope/stats", "/v2/models/{m}/versions/9/config",
    "/v2/models/{m}/versions/9/stats", "/v2/nothing", "/nothing", "/v2/models", "/v2/health", "/v2/systemsharedmemory/status",
    "/v2/cudasharedmemory/status", "/v2/trace/setting", "/v2/logging", "/v2/models/{m}/trace/setting",
]  # fmt: skip


def elsewhere(rng):
    """A request that is no prediction."""
    request = Request(rng.choice(list(MODELS)), [], kinds={"elsewhere"})
    if rng.random() < 0.2:
        request.path, request.method = "/v2/repository/index", rng.choice(["POST", "POST", "GET"])
        request.spoil_body.append(lambda body: rng.choice([b"", b"{}", b'{"ready":true}', b'{"ready":1}', b"[]", b"{"]))
    else:
        template = rng.choice(PATHS)
        request.path, request.method = template.replace("{m}", request.model), "GET" if rng.random() < 0.9 else "POST"
        request.kinds.add(template)
        request.spoil_body.append(lambda body: b"")
    return request


def request(seed, number):
    """Request `number` of a seed: a third is good, two thirds are spoilt, a few ask for something else."""
    rng = random.Random(f"{seed}-{number}")
    if rng.random() < 0.06:
        return elsewhere(rng)
    made = good(rng)
    for _ in range(rng.choice([0, 0, 1, 1, 1, 2])):
        way = rng.choice(SPOILS)
        way(rng, made)
        made.kinds.add(way.__name__)
    return made
