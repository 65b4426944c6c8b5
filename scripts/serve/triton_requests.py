"""Random requests of the Open Inference Protocol over HTTP, as both servers should answer them; `triton_spoils` spoils some."""

import gzip
import json
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
