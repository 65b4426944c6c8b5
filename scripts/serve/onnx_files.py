"""ONNX files and version directories, written without any package: protobuf by hand, the few fields that are needed.

A version directory is `model.onnx` and `golden.json`, as workers open it.
"""

import json
import struct
from pathlib import Path

# Element types of ONNX by the protocol's names.
ELEMENT = {
    "FP32": 1, "UINT8": 2, "INT8": 3, "UINT16": 4, "INT16": 5, "INT32": 6, "INT64": 7, "BYTES": 8, "BOOL": 9, "FP16": 10,
    "FP64": 11, "UINT32": 12, "UINT64": 13, "BF16": 16,
}  # fmt: skip
IR_VERSION, OPSET = 8, 17


def varint(number):
    out = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def field(number, value):
    """A field: a number, or bytes with their length before them."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def described(name, datatype, shape):
    """ValueInfoProto; -1 is a dimension of any length."""
    dims = b"".join(field(1, field(2, f"d{at}") if size < 0 else field(1, size)) for at, size in enumerate(shape))
    return field(1, name) + field(2, field(1, field(1, ELEMENT[datatype]) + field(2, dims)))


def node(operation, inputs, outputs):
    return b"".join(field(1, name) for name in inputs) + b"".join(field(2, name) for name in outputs) + field(4, operation)


def constant(name, shape, values):
    """A tensor of FP32 that belongs to the model."""
    dims = b"".join(field(1, size) for size in shape)
    return dims + field(2, ELEMENT["FP32"]) + field(8, name) + field(9, struct.pack(f"<{len(values)}f", *values))


def model(nodes, inputs, outputs, constants=()):
    """A model's bytes; `inputs` and `outputs` are (name, datatype, shape)."""
    graph = b"".join(field(1, node(*parts)) for parts in nodes) + field(2, "g")
    graph += b"".join(field(5, constant(*parts)) for parts in constants)
    graph += b"".join(field(11, described(*parts)) for parts in inputs)
    graph += b"".join(field(12, described(*parts)) for parts in outputs)
    return field(1, IR_VERSION) + field(7, graph) + field(8, field(1, "") + field(2, OPSET))


def tensor(name, datatype, shape, data):
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def version(folder, content, inputs, outputs):
    """A version directory with one golden request; its path."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(content)
    golden = {"v": 1, "requests": [{"id": "one", "inputs": inputs, "expect": {"outputs": outputs}}]}
    (folder / "golden.json").write_text(json.dumps(golden))
    return folder


def one(datatype):
    """A value of a datatype, as golden requests spell it."""
    return {"BOOL": True, "BYTES": "é"}.get(datatype, 1)


def identity(folder, tensors):
    """A version whose output `outN` is its input `inN`; `tensors` is (datatype, shape) for each."""
    inputs = [(f"in{at}", datatype, shape) for at, (datatype, shape) in enumerate(tensors)]
    outputs = [(f"out{at}", datatype, shape) for at, (datatype, shape) in enumerate(tensors)]
    nodes = [("Identity", [a[0]], [b[0]]) for a, b in zip(inputs, outputs, strict=True)]

    def asked(names):
        for name, datatype, shape in names:
            whole = [max(size, 1) for size in shape]
            count = 1
            for size in whole:
                count *= size
            yield tensor(name, datatype, whole, [one(datatype)] * count)

    return version(folder, model(nodes, inputs, outputs), list(asked(inputs)), list(asked(outputs)))


def simple(folder):
    """The model of Triton's examples: OUTPUT0 is the sum and OUTPUT1 the difference of INPUT0 and INPUT1, INT32[-1,16]."""
    inputs = [(name, "INT32", [-1, 16]) for name in ("INPUT0", "INPUT1")]
    outputs = [(name, "INT32", [-1, 16]) for name in ("OUTPUT0", "OUTPUT1")]
    nodes = [(operation, ["INPUT0", "INPUT1"], [name]) for operation, name in (("Add", "OUTPUT0"), ("Sub", "OUTPUT1"))]
    asked = [tensor("INPUT0", "INT32", [1, 16], [5] * 16), tensor("INPUT1", "INT32", [1, 16], [3] * 16)]
    told = [tensor("OUTPUT0", "INT32", [1, 16], [8] * 16), tensor("OUTPUT1", "INT32", [1, 16], [2] * 16)]
    return version(folder, model(nodes, inputs, outputs), asked, told)


def perceptron(folder, inputs=16, hidden=64, outputs=2):
    """A small network, `x` of 16 floats to `y` of 2 by way of 64, whose answer for halves of whole numbers is exact in FP32."""
    first = [((row * 7 + column * 3) % 11 - 5) / 8 for row in range(inputs) for column in range(hidden)]
    second = [((row * 5 + column * 2) % 7 - 3) / 8 for row in range(hidden) for column in range(outputs)]
    constants = [("w1", [inputs, hidden], first), ("w2", [hidden, outputs], second)]
    nodes = [("MatMul", ["x", "w1"], ["h"]), ("Relu", ["h"], ["r"]), ("MatMul", ["r", "w2"], ["y"])]
    asked, answer = perceptron_case(first, second, inputs, hidden, outputs)
    content = model(nodes, [("x", "FP32", [-1, inputs])], [("y", "FP32", [-1, outputs])], constants)
    return version(folder, content, [tensor("x", "FP32", [1, inputs], asked)], [tensor("y", "FP32", [1, outputs], answer)])


def perceptron_case(first, second, inputs, hidden, outputs):
    """One input and its answer: sums of eighths of halves, which FP32 holds whole, so that every runtime must say the same."""
    asked = [(at % 9 - 4) / 2 for at in range(inputs)]
    middle = [max(sum(asked[row] * first[row * hidden + column] for row in range(inputs)), 0.0) for column in range(hidden)]
    return asked, [sum(middle[row] * second[row * outputs + column] for row in range(hidden)) for column in range(outputs)]
