"""Requests that are spoilt, each made from its number alone; its `kinds` say in which ways.

A third is good, the rest is spoilt in one or two of the ways of `SPOILS`, and a few ask for something else than a prediction.
"""

import random
import struct

import numpy as np
from triton_requests import DATATYPES, HALVES, LEFT_OUT, MODELS, Request, Tensor, good, nest, tensor, values

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
    """Request `number` of a seed."""
    rng = random.Random(f"{seed}-{number}")
    if rng.random() < 0.06:
        return elsewhere(rng)
    made = good(rng)
    for _ in range(rng.choice([0, 0, 1, 1, 1, 2])):
        way = rng.choice(SPOILS)
        way(rng, made)
        made.kinds.add(way.__name__)
    return made
