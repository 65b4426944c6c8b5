"""Models behind a real gateway, each in a worker of its own: asked all rows as bytes, their answers as arrays."""

import http.client
import json
import re
import time
from pathlib import Path

import numpy as np
from processes import Server, free_port

# Workers that one gateway starts: below the pool's limit, and what memory holds.
TOGETHER = 40
ROWS_A_REQUEST = 1000
DATATYPES = {
    "float32": "FP32",
    "float64": "FP64",
    "float16": "FP16",
    "int64": "INT64",
    "int32": "INT32",
    "int8": "INT8",
    "uint8": "UINT8",
    "bool": "BOOL",
}


def datatype(array):
    return "BYTES" if array.dtype.kind in "OU" else DATATYPES[array.dtype.name]


def _bytes(array):
    if array.dtype.kind not in "OU":
        return np.ascontiguousarray(array).tobytes()
    texts = [str(text).encode() for text in array.ravel()]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)


def _values(kind, shape, data):
    if kind != "BYTES":
        name = next(name for name, told in DATATYPES.items() if told == kind)
        return np.frombuffer(data, dtype=name).reshape(shape)
    texts, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        texts.append(data[at + 4 : at + 4 + size].decode())
        at += 4 + size
    return np.array(texts, dtype=object).reshape(shape)


def body(inputs):
    """A request with these arrays as bytes, and the length of its JSON."""
    parts = [_bytes(value) for value in inputs.values()]
    heads = [
        {"name": name, "shape": list(value.shape), "datatype": datatype(value), "parameters": {"binary_data_size": len(part)}}
        for (name, value), part in zip(inputs.items(), parts, strict=True)
    ]
    head = json.dumps({"inputs": heads, "parameters": {"binary_data_output": True}}).encode()
    return head + b"".join(parts), len(head)


def answer(data, length):
    told, at, arrays = json.loads(data[:length]), length, {}
    for output in told["outputs"]:
        size = output["parameters"]["binary_data_size"]
        arrays[output["name"]] = _values(output["datatype"], output["shape"], data[at : at + size])
        at += size
    return arrays


def tensors(arrays):
    """As golden requests spell them."""
    return [
        {"name": name, "datatype": datatype(value), "shape": list(value.shape), "data": value.ravel().tolist()}
        for name, value in arrays.items()
    ]


def version(folder, path, inputs, outputs):
    """A version directory of a model file, with one golden request."""
    folder.mkdir(parents=True)
    name = "model" + Path(path).suffix
    (folder / name).write_bytes(Path(path).read_bytes())
    golden = {"v": 1, "requests": [{"id": "one", "inputs": tensors(inputs), "expect": {"outputs": tensors(outputs)}}]}
    (folder / "golden.json").write_text(json.dumps(golden))


def join(parts, rows):
    """Answers of several requests one after the other, along the axis that has the rows."""
    axis = next((axis for axis, size in enumerate(parts[0].shape) if size == rows), 0)
    return np.concatenate(parts, axis=axis)


class Asked:
    """What a model answered to all rows, and the time of each, or why it did not."""

    def __init__(self, port, name, inputs):
        self.why, self.outputs, self.row_us = None, {}, 0.0
        parts, rows = [], len(next(iter(inputs.values())))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        began = time.perf_counter()
        for at in range(0, rows, ROWS_A_REQUEST):
            data, length = body({key: value[at : at + ROWS_A_REQUEST] for key, value in inputs.items()})
            headers = {"authorization": "Bearer token", "inference-header-content-length": str(length)}
            connection.request("POST", f"/v2/models/{name}/infer", data, headers)
            response = connection.getresponse()
            data = response.read()
            if response.status != 200:
                self.why = f"{response.status}: {data.decode(errors='replace')[:300]}"
                return
            parts.append(answer(data, int(response.headers["inference-header-content-length"])))
        self.row_us = (time.perf_counter() - began) * 1e6 / rows
        self.outputs = {key: join([part[key] for part in parts], min(rows, ROWS_A_REQUEST)) for key in parts[0]}


def serve(gateway, library, work, cases):
    """Asks each of the cases, a few at a time; `cases` are name, version directory, inputs. Gives name and what was answered."""
    for start in range(0, len(cases), TOGETHER):
        some = cases[start : start + TOGETHER]
        port, log = free_port(), work / f"gateway{start}.log"
        command = [gateway, library, f"127.0.0.1:{port}", "--lenient", *(f"{name}={folder}" for name, folder, _ in some)]
        with Server("Tidegate", command, port, log):
            refused = dict(re.findall(r"^not ready: (\w+): (.*)$", log.read_text(errors="replace"), re.MULTILINE))
            for name, _, inputs in some:
                if name in refused:
                    yield name, refused[name], None
                else:
                    asked = Asked(port, name, inputs)
                    yield name, asked.why, asked
