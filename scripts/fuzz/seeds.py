"""Where fuzzing begins: `seeds.py FOLDER` writes FOLDER/TARGET/* and FOLDER/TARGET.dict.

Inputs are texts that stand in the tests of each reader, the models that the tests load, the examples and the documents, and a few messages made
here. Words of a target's inputs are its dictionary. The first byte of `text`, `json` and others says which reader is meant: lists here and
in fuzz/src have the same order.
"""

import gzip
import re
import struct
import sys
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SEED_BYTES_MAX = 32 * 1024
WORDS_MAX = 400

# Readers of `TEXTS` in fuzz/src/written.rs, and where their texts stand.
TEXTS = [
    ["wire/src/yaml/tests.rs"], ["wire/src/scenario.rs", "../examples/flights/scenario.yaml"],
    ["wire/src/transform/tests.rs", "../examples/flights/serving/*.yaml"],
    ["wire/src/contract/tests*.rs", "../examples/flights/contracts/*"], ["wire/src/contract/condition/tests.rs"],
    ["wire/src/foreign/import/tests.rs", "wire/src/foreign/import.rs"], ["wire/src/ical/tests.rs", "wire/src/freeze.rs"], ["wire/src/ical/*.rs"],
    ["wire/src/dvc/tests.rs", "../examples/flights/dvc.yaml"], ["wire/src/dvc/format_tests.rs", "wire/src/dvc/lock.rs"],
    ["wire/src/dvc/params.rs", "../examples/flights/params.yaml", "wire/src/dvc/py*.rs"], ["wire/src/dvc/params.rs", "wire/src/dvc/tests.rs"],
    ["wire/src/dvc/tracked.rs", "wire/src/dvc/format_tests.rs"], ["wire/src/dvc/config.rs"], ["wire/src/gitops.rs"], ["wire/src/samples.rs"],
    ["wire/src/samples.rs"], ["wire/src/batches.rs"], ["wire/src/requests.rs"], ["wire/src/junit/mod.rs"], ["wire/src/sarif.rs"],
    ["wire/src/order/tests.rs"], ["wire/src/order/tests.rs"], ["wire/src/config/stores.rs"], ["serve/src/remote/upstream.rs"],
    ["wire/src/prometheus.rs"],
]
# Readers of `VALUES` there.
VALUES = [
    ["wire/src/prometheus.rs", "wire/src/prometheus/**/*.rs"], ["wire/src/sources/tests.rs"], ["wire/src/sources/tests.rs"],
    ["wire/src/sources/tests.rs"], ["wire/src/sources/tests.rs"], ["wire/src/sources/tests.rs"], ["wire/src/sources/tests.rs"],
    ["wire/src/foreign/kayenta.rs"], ["wire/src/gateway_api.rs"], ["wire/src/kserve.rs"], ["wire/src/kubernetes.rs"],
]
# Readers of `json` there, before the values.
BODIES = [["wire/src/foreign/kayenta.rs"], ["wire/src/foreign/deployments.rs"], ["wire/src/foreign/deployments.rs"], ["wire/src/record.rs"],
          ["serve/src/remote/model.rs"], ["wire/src/delivery/tests.rs"]]

ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", '"': '"', "\\": "\\"}


def literals(text):
    """Texts in a Rust file: raw ones, those with escapes, and what stands in `json!(..)` where that is JSON."""
    for hashes, raw in re.findall(r'\br(#+)"(.*?)"\1', text, re.S):
        yield raw
    for written in re.findall(r'(?<![r#\w])"((?:[^"\\]|\\.)*)"', text, re.S):
        if len(written) > 7:
            yield re.sub(r"\\(\n\s*|.)", lambda m: ESCAPES.get(m[1], ""), written)
    for made in re.findall(r"json!\((.*?)\)[;,.)]", text, re.S):
        yield re.sub(r",(\s*[\]}])", r"\1", made)


def texts(patterns):
    found = []
    for pattern in patterns:
        for path in sorted((ROOT / "crates").glob(pattern) if not pattern.startswith("../") else ROOT.glob(pattern[3:])):
            text = path.read_text()
            found += literals(text) if path.suffix == ".rs" else [text]
    return [text.encode() for text in dict.fromkeys(found) if text.strip()]


def field(number, value):
    """A field of a message: bytes, or a number."""
    def varint(n):
        out = b""
        while n > 127:
            out, n = out + bytes([n & 127 | 128]), n >> 7
        return out + bytes([n])
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def messages():
    def tensor(name, kind, shape, *contents):
        return field(1, name) + field(2, kind) + b"".join(field(3, n) for n in shape) + b"".join(field(5, c) for c in contents)
    head = field(1, b"late") + field(2, b"1") + field(3, b"id-1") + field(4, field(1, b"p") + field(2, field(2, 7)))
    yield head + field(5, tensor(b"x", b"FP32", [1, 4])) + field(7, struct.pack("<4f", 5.1, 3.5, 1.4, 0.2)) + field(6, field(1, b"y"))
    yield head + field(5, tensor(b"n", b"INT64", [3], field(3, bytes([1, 2, 3]))))
    yield head + field(5, tensor(b"t", b"BYTES", [2], field(8, b"ab") + field(8, b"c")))
    yield head + field(5, tensor(b"t", b"BYTES", [1])) + field(7, struct.pack("<I", 2) + b"ab")
    yield field(1, b"late") + field(4, field(1, b"sequence_id") + field(2, field(2, 7)))


def framed(message, packed=0):
    return struct.pack(">BI", packed, len(message)) + message


def grpc():
    for message in messages():
        yield b"\x02" + message
        yield b"\x00" + framed(message) * 2
        yield b"\x01" + framed(gzip.compress(message), 1) + framed(message)
        yield b"\x05" + framed(zlib.compress(message), 1)


def frame(kind, number, payload):
    return struct.pack("<IBQ", len(payload) + 9, kind, number) + payload


def frames():
    body = b'{"inputs":[]}'
    for form in [0xFFFFFFFF, 0xFFFFFFFE, 5]:
        yield frame(1, 7, struct.pack("<I", form) + body)
    yield frame(2, 0, b'{"ready":true,"why":"","platform":"onnx_onnxv1","inputs":[{"name":"x","datatype":"FP32","shape":[-1,4]}],"outputs":[]}')
    for outcome in range(5):
        yield frame(3, 7, struct.pack("<BdqH2sI2fI3QI", outcome, 0.5, -(2**63), 2, b"id", 2, 1.5, 2.5, 1, 1, 2, 3, 0xFFFFFFFF) + body)


def bodies():
    for plain in [b"{}", b"a" * 5_000, b'{"request_id":"a","label":1}']:
        yield b"\x00" + gzip.compress(plain)
        yield b"\x00" + gzip.compress(plain) * 2
        yield b"\x01" + zlib.compress(plain)
    yield b'\x02{"request_id":"a","label":1}'
    yield b'\x02[{"request_id":"a","label":true},{"request_id":"b","label":"late"}]'
    yield from [b"\x0317", b"\x03-1", b"\x0399999999999"]


def upstream():
    good = b'{"id":"a","outputs":[{"name":"y","datatype":"FP64","shape":[1],"data":[2.5]}]}'
    length = b"content-length: %d\r\n" % len(good)
    chunked = b"transfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n" % (len(good), good)
    for head in [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200\r\n", b"HTTP/1.1 500 no\r\nconnection: close\r\n", b"HTTP/1.1 429 x\r\n",
                 b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"]:
        for pieces in b"\x01\x07\xff":
            yield bytes([pieces]) + head + length + b"\r\n" + good
            yield bytes([pieces]) + head + chunked + b"\r\n" + head + length + b"\r\n" + good
            yield bytes([pieces]) + head + chunked + b"trailer: x\r\n\r\n"
            yield bytes([pieces]) + head + b"\r\n" + good
            yield bytes([pieces]) + head + b"inference-header-content-length: 20\r\n" + length + b"\r\n" + good


def language():
    chunk = b'data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"},"finish_reason":null}]}\n\n'
    end = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4}}\n\n'
    for cut in b"\x00\x20\xff":
        yield bytes([cut]) + chunk * 2 + end + usage + b"data: [DONE]\n\n"
        yield bytes([cut]) + b': ping\r\n\r\nevent: x\r\ndata: {"text_output":"a"}\r\n\r\ndata: {"error":{"message":"no"}}\n\n'
    yield b'\x00{"model":"m","messages":[{"role":"user","content":"?"}],"stream":true,"stream_options":{"include_usage":true}}'
    yield b'\x00{"model":"m","prompt":"Once","variables":{"a":"b"},"max_tokens":4}'
    yield b'\x00{"id":"c","choices":[{"index":0,"message":{"content":"Hi"},"text":"Hi","finish_reason":"stop"}],"usage":{"prompt_tokens":9}}'
    yield b'\x00{"data":[{"embedding":[0.5,1]},{"embedding":[2,3]}]}'
    yield b"\x00Say {{ a }} to {{b}}."


def binary():
    for values, kind, shape in [(struct.pack("<4f", 1, 2, 3, 4), "FP32", "[1,4]"), (b"\x02\0\0\0ab", "BYTES", "[1]"), (b"\1\0", "BOOL", "[2]")]:
        name = {"FP32": "x", "BYTES": "t", "BOOL": "b"}[kind]
        of = '{"name":"%s","datatype":"%s","shape":%s,"parameters":{"binary_data_size":%d}}' % (name, kind, shape, len(values))
        for json in ['{"id":"a","inputs":[%s]}' % of, '{"outputs":[%s]}' % of,
                     '{"inputs":[%s],"outputs":[{"name":"y","parameters":{"binary_data":true}}],"parameters":{"binary_data_output":true}}' % of]:
            yield struct.pack("<H", len(json)) + json.encode() + values
        yield struct.pack("<H", 0) + values


def models(pattern):
    for path in sorted((ROOT / "crates/runtime/tests/fixtures/trees").glob(pattern)):
        if "expected" not in path.name:
            yield path.read_bytes()


def config():
    yield from texts(["wire/src/config/tests/*.rs", "wire/src/config/tests/*.yaml", "../examples/flights/tidegate.yaml"])
    for page in sorted((ROOT / "docs").glob("*.md")):
        yield from (block.encode() for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.S))


def numbered(lists, before=b""):
    for at, patterns in enumerate(lists):
        yield from (before + bytes([at]) + text for text in texts(patterns))


TARGETS = {
    "infer_json": lambda: texts(["runtime/src/oip/tests/*.rs", "runtime/tests/runtime/*.rs", "serve/tests/gateway/*.rs", "serve/src/cache/identity.rs"]),
    "infer_binary": binary,
    "infer_grpc": grpc,
    "frames": frames,
    "bodies": bodies,
    "upstream": upstream,
    "language": language,
    "xgboost": lambda: [*models("xgboost-*"), *texts(["runtime/tests/trees/*.rs"])],
    "lightgbm": lambda: models("lightgbm-*"),
    "config": config,
    "text": lambda: numbered(TEXTS),
    "json": lambda: [*numbered(BODIES), *numbered(VALUES, b"\x06")],
}


def escaped(word):
    return "".join(chr(b) if 32 < b < 127 and b not in b'"\\' else f"\\x{b:02x}" for b in word)


def main():
    folder = Path(sys.argv[1])
    for target, made in TARGETS.items():
        seeds = [seed for seed in made() if len(seed) <= SEED_BYTES_MAX]
        (folder / target).mkdir(parents=True, exist_ok=True)
        for at, seed in enumerate(seeds):
            (folder / target / f"{at:04}").write_bytes(seed)
        counts = {}
        for seed in seeds:
            for word in set(re.findall(rb"[A-Za-z_$][A-Za-z0-9_.:/-]{2,30}", seed)):
                counts[word] = counts.get(word, 0) + 1
        words = sorted(counts, key=lambda word: (-counts[word], word))[:WORDS_MAX]
        (folder / f"{target}.dict").write_text("".join(f'"{escaped(word)}"\n' for word in words))
        print(f"{target}: {len(seeds)} inputs, {len(words)} words")


main()
