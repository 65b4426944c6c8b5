"""Answers of two servers to one request, held against each other: class of status, form, and tensors bit for bit."""

import gzip
import http.client
import json
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from triton_requests import DATATYPES

ANSWER_S_MAX = 20
# What is read of an error's sentence, and shown of an answer: 1e308 is told with all its digits.
WORDS_BYTES_MAX = 500


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def kind(self):
        """The class of the status; 0 where the connection ended without one."""
        return self.status // 100

    def words(self):
        return self.body[:WORDS_BYTES_MAX].decode("utf-8", "replace")


class Asker:
    """One kept connection to a server."""

    def __init__(self, port, headers):
        self.port, self.headers = port, headers
        self.connection = None

    def ask(self, method, path, headers, body):
        # A connection that the other side has closed meanwhile is made anew, once.
        for _ in range(2):
            fresh = self.connection is None
            if fresh:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S_MAX)
            try:
                return self._ask(method, path, headers, body)
            except (OSError, http.client.HTTPException) as error:
                self.connection.close()
                self.connection = None
                if fresh:
                    return Answer(0, {}, repr(error).encode())
        return Answer(0, {}, b"")

    def _ask(self, method, path, headers, body):
        self.connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in (headers | self.headers | {"Content-Length": str(len(body))}).items():
            self.connection.putheader(name, value.encode("utf-8") if isinstance(value, str) else value)
        self.connection.endheaders(body)
        got = self.connection.getresponse()
        content = got.read()
        found = {name.lower(): value for name, value in got.getheaders()}
        unpack = {"gzip": gzip.decompress, "deflate": zlib.decompress}.get(found.get("content-encoding", ""), lambda plain: plain)
        return Answer(got.status, found, unpack(content))


def flat(data):
    return [leaf for part in data for leaf in flat(part)] if isinstance(data, list) else [data]


def bits(datatype, data):
    """Values of JSON as the bytes that they stand for; null is any value that JSON lacks."""
    if datatype == "BYTES":
        texts = [text.encode("utf-8", "surrogatepass") for text in data]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    code = np.dtype(DATATYPES[datatype])
    if code.kind == "f":
        data = [float("nan") if value is None else float(value) for value in data]
        with np.errstate(over="ignore"):
            return np.array(data, dtype=np.float64).astype(code).tobytes()
    return np.array(data, dtype=code).tobytes()


def tensors(answer):
    """(everything but the values, name -> (datatype, shape, form, bytes)) of an answer of inference."""
    size = answer.headers.get("inference-header-content-length")
    text, behind = (answer.body, b"") if size is None else (answer.body[: int(size)], answer.body[int(size) :])
    said = json.loads(text)
    found = {}
    for output in said["outputs"]:
        count = output.get("parameters", {}).get("binary_data_size")
        if count is None:
            form, content = "JSON", bits(output["datatype"], flat(output["data"]))
        else:
            form, content, behind = "bytes", behind[:count], behind[count:]
        found[output["name"]] = (output["datatype"], output["shape"], form, content)
    if behind:
        raise ValueError(f"{len(behind)} bytes are left behind the last output")
    head = {name: said.get(name) for name in ("model_name", "model_version")} | {"id": said.get("id") or None}
    head["outputs"] = sorted(found)
    return head, found


def difference(path, ours, theirs):
    """What differs between two answers, in words; none where nothing does."""
    if ours.kind != theirs.kind:
        return f"{theirs.kind}xx there, {ours.kind}xx here"
    if ours.kind != 2 or not path.split("?")[0].endswith("/infer"):
        return metadata(path, ours, theirs)
    try:
        (own_head, own), (their_head, their) = tensors(ours), tensors(theirs)
    except (ValueError, KeyError, TypeError) as error:
        return f"an answer cannot be read: {error!r}"
    for name in own_head:
        if own_head[name] != their_head[name]:
            return f"{name} differs"
    for name, (datatype, shape, form, content) in their.items():
        if own[name][:2] != (datatype, shape):
            return f"an output is {(datatype, shape)} there, {own[name][:2]} here"
        if own[name][2] != form:
            return f"an output comes as {form} there, as {own[name][2]} here"
        if own[name][3] != content:
            return f"values of {datatype} as {form} differ"
    return None


def metadata(path, ours, theirs):
    """What models are said to be, where both say it: names, datatypes and shapes of their tensors."""
    if ours.status != 200 or path.endswith(("/ready", "/stats", "/config", "/index")) or "/v2/models/" not in path:
        return None
    own, their = json.loads(ours.body), json.loads(theirs.body)
    differing = [name for name in ("name", "versions", "inputs", "outputs") if own.get(name) != their.get(name)]
    return f"metadata: {', '.join(differing)} differ" if differing else None
