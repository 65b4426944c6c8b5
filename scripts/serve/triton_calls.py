"""Random calls over gRPC to both servers, made from their numbers as `triton_requests` makes requests of HTTP."""

import random
import struct

import grpc
import numpy as np
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc
from triton_compare import ANSWER_S_MAX, Answer
from triton_differences import Case
from triton_requests import DATATYPES, HALVES, MODELS, values

# What HTTP would say.
STATUS = {
    grpc.StatusCode.OK: 200, grpc.StatusCode.INVALID_ARGUMENT: 400, grpc.StatusCode.UNAUTHENTICATED: 401, grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.UNIMPLEMENTED: 404, grpc.StatusCode.FAILED_PRECONDITION: 409, grpc.StatusCode.OUT_OF_RANGE: 413,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429, grpc.StatusCode.UNAVAILABLE: 503, grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}  # fmt: skip
LISTS = {
    "BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents", "INT64": "int64_contents",
    "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents", "UINT64": "uint64_contents", "FP32": "fp32_contents",
    "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip


class Made:
    """A call: its method, its message, and in which ways it is spoilt."""

    def __init__(self, method, message, kinds):
        self.method, self.message, self.kinds = method, message, kinds
        self.tensors, self.parameters, self.members, self.outputs = [], None, {}, None


def good(rng):
    model = rng.choice(["simple"] * 6 + [name for name in MODELS if name != "simple"])
    inputs, outputs = MODELS[model]
    message = pb.ModelInferRequest(model_name=model, id=rng.choice(["", "q1", "ä"]), model_version=rng.choice(["", "", "1"]))
    raw = rng.random() < 0.5 or any(datatype in HALVES for _, datatype, _ in inputs)
    rows = rng.choice([0, 1, 1, 2, 3, 60])
    for at, (name, datatype, spec) in enumerate(inputs):
        shape = [size if size >= 0 else (rows if at == 0 or place == 0 else rng.choice([1, 2])) for place, size in enumerate(spec)]
        tensor = message.inputs.add(name=name, datatype=datatype, shape=shape)
        content = values(rng, datatype, int(np.prod(shape)), raw)
        if raw:
            texts = datatype == "BYTES"
            message.raw_input_contents.append(b"".join(struct.pack("<I", len(x)) + x for x in content) if texts else content.tobytes())
        else:
            put(tensor, datatype, content if datatype == "BYTES" else content.tolist())
    if rng.random() < 0.6:
        message.outputs.extend(pb.ModelInferRequest.InferRequestedOutputTensor(name=name) for name in rng.sample(outputs, rng.randint(1, len(outputs))))
    if rng.random() < 0.2:
        message.parameters["mine"].string_param = "x"
    return message


def put(tensor, datatype, content):
    getattr(tensor.contents, LISTS[datatype]).extend(content)


# --- ways to spoil a call ---------------------------------------------------------------------------------------------


def one(rng, message):
    return rng.choice(message.inputs) if message.inputs else message.inputs.add()


def name_of_model(rng, message):
    message.model_name = rng.choice(["nope", "", "Simple"])


def name_of_version(rng, message):
    message.model_version = rng.choice(["9", "0", "-1", "abc", "01", "v1", "18446744073709551616"])


def name_of_input(rng, message):
    one(rng, message).name = rng.choice(["", "IN", "out0"])


def datatype(rng, message):
    one(rng, message).datatype = rng.choice([*DATATYPES, "", "int32", "FLOAT"])


def shape(rng, message):
    tensor = one(rng, message)
    sound = list(tensor.shape)
    del tensor.shape[:]
    tensor.shape.extend(rng.choice([[], [1, *sound], [-1, *sound[1:]], [size + 1 for size in sound], [2**31, *sound[1:]], [*sound, 1]]))


def input_lost(rng, message):
    if message.inputs:
        del message.inputs[rng.randrange(len(message.inputs))]


def input_extra(rng, message):
    message.inputs.add(name="INPUT9", datatype="FP32", shape=[1])


def input_twice(rng, message):
    if message.inputs:
        message.inputs.add().CopyFrom(message.inputs[0])
        if message.raw_input_contents:
            message.raw_input_contents.append(message.raw_input_contents[0])


def output_unknown(rng, message):
    message.outputs.add(name=rng.choice(["ZZ", "", "INPUT0"]))


def output_of_two(rng, message):
    name = rng.choice(["OUTPUT0", "out0"])
    message.outputs.add(name=name)
    message.outputs.add(name=name)


def output_parameters(rng, message):
    for wanted in message.outputs:
        parameter = wanted.parameters[rng.choice(["classification", "binary_data", "shared_memory_region", "mine"])]
        rng.choice([lambda: setattr(parameter, "int64_param", 1), lambda: setattr(parameter, "bool_param", True), lambda: setattr(parameter, "string_param", "r")])()


def raw_of_other_count(rng, message):
    if message.raw_input_contents:
        rng.choice([lambda: message.raw_input_contents.append(b"abcd"), lambda: message.raw_input_contents.pop()])()


def raw_of_other_length(rng, message):
    if message.raw_input_contents:
        sound = message.raw_input_contents[0]
        message.raw_input_contents[0] = rng.choice([sound + b"x", sound[:-1], sound * 2, b""])


def both_forms(rng, message):
    tensor = one(rng, message)
    put(tensor, rng.choice(list(LISTS)), [])
    tensor.contents.int_contents.extend([1, 2])


def list_of_other_count(rng, message):
    for tensor in message.inputs:
        for _, content in tensor.contents.ListFields():
            if content:
                rng.choice([lambda content=content: content.append(content[0]), lambda content=content: content.pop()])()
                return


def list_of_other_datatype(rng, message):
    tensor = one(rng, message)
    tensor.ClearField("contents")
    put(tensor, *rng.choice([("FP32", [1.5] * 16), ("INT64", [1] * 16), ("BYTES", [b"1"] * 16), ("BOOL", [True] * 16)]))


def value_out_of_range(rng, message):
    for tensor in message.inputs:
        if tensor.datatype in ("INT8", "INT16") and tensor.contents.int_contents:
            tensor.contents.int_contents[0] = 70_000
        if tensor.datatype in ("UINT8", "UINT16") and tensor.contents.uint_contents:
            tensor.contents.uint_contents[0] = 70_000


def text_not_utf8(rng, message):
    for tensor in message.inputs:
        if tensor.contents.bytes_contents:
            tensor.contents.bytes_contents[0] = b"\xff\xfe"


def odd_parameters(rng, message):
    name = rng.choice(["sequence_id", "priority", "timeout", "sequence_start", "binary_data_output", "triton_x", ""])
    parameter = message.parameters[name]
    rng.choice([lambda: setattr(parameter, "int64_param", -1), lambda: setattr(parameter, "bool_param", True), lambda: setattr(parameter, "string_param", "x"), lambda: setattr(parameter, "double_param", 0.5), lambda: None])()  # fmt: skip


SPOILS = [name_of_model, name_of_version, name_of_input, datatype, datatype, shape, shape, input_lost, input_extra, input_twice, output_unknown,
          output_of_two, output_parameters, raw_of_other_count, raw_of_other_length, both_forms, list_of_other_count, list_of_other_datatype,
          value_out_of_range, text_not_utf8, odd_parameters]  # fmt: skip


def elsewhere(rng):
    name, version = rng.choice([*MODELS, "nope", ""]), rng.choice(["", "1", "9", "x"])
    method, message = rng.choice([
        ("ServerLive", pb.ServerLiveRequest()), ("ServerReady", pb.ServerReadyRequest()), ("ServerMetadata", pb.ServerMetadataRequest()),
        ("ModelReady", pb.ModelReadyRequest(name=name, version=version)), ("ModelMetadata", pb.ModelMetadataRequest(name=name, version=version)),
        ("ModelConfig", pb.ModelConfigRequest(name=name, version=version)), ("ModelStatistics", pb.ModelStatisticsRequest(name=name, version=version)),
        ("RepositoryIndex", pb.RepositoryIndexRequest(ready=rng.random() < 0.5)), ("TraceSetting", pb.TraceSettingRequest()),
        ("LogSettings", pb.LogSettingsRequest()), ("SystemSharedMemoryStatus", pb.SystemSharedMemoryStatusRequest()),
    ])  # fmt: skip
    return Made(method, message, {"gRPC", method})


def call(seed, number):
    rng = random.Random(f"calls-{seed}-{number}")
    if rng.random() < 0.1:
        return elsewhere(rng)
    made = Made("ModelInfer", good(rng), {"gRPC"})
    for _ in range(rng.choice([0, 0, 1, 1, 1, 2])):
        way = rng.choice(SPOILS)
        way(rng, made.message)
        made.kinds.add(f"gRPC_{way.__name__}")
    made.parameters = {name: True for name in made.message.parameters}
    return made


class Caller:
    def __init__(self, port, metadata):
        self.metadata = metadata
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.stub = service_pb2_grpc.GRPCInferenceServiceStub(self.channel)

    def ask(self, made):
        """The answer in the words of HTTP, with the message beside it."""
        try:
            message = getattr(self.stub, made.method)(made.message, metadata=self.metadata, timeout=ANSWER_S_MAX)
        except grpc.RpcError as error:
            return Answer(STATUS.get(error.code(), 500), {"code": error.code().name}, error.details().encode()), None
        return Answer(200, {}, str(message).encode()), message


def difference(made, own, their):
    (own_answer, own_message), (their_answer, their_message) = own, their
    if own_answer.kind != their_answer.kind:
        return f"gRPC: {their_answer.kind}xx there, {own_answer.kind}xx here"
    if own_answer.kind != 2:
        return None
    if made.method == "ModelMetadata":
        return None if own_message.inputs == their_message.inputs and own_message.outputs == their_message.outputs else "gRPC: metadata differ"
    if made.method in ("ModelReady", "ServerLive", "ServerReady"):
        return None if own_message == their_message else "gRPC: ready differs"
    if made.method != "ModelInfer":
        return None
    heads = [(message.model_name, message.model_version, message.id) for message in (own_message, their_message)]
    tensors = [
        {output.name: (output.datatype, list(output.shape), bytes(raw)) for output, raw in zip(message.outputs, message.raw_output_contents, strict=True)}
        for message in (own_message, their_message)
    ]
    if heads[0] != heads[1]:
        return f"gRPC: {heads[1]} there, {heads[0]} here"
    return None if tensors[0] == tensors[1] else "gRPC: tensors differ"


def run(report, oracle, port, seed, count):
    own = Caller(port, [("authorization", "Bearer token")])
    for number in range(count):
        made = call(seed, number)
        their = oracle.caller().ask(made)
        if their[0].status == 503 and oracle.revived():
            their = Answer(0, {}, b"it ended"), None
        mine = own.ask(made)
        said = f"{made.method} {str(made.message)[:400]!r}"
        report.add(Case(number, made, said, f"/{made.method}", mine[0], their[0], difference(made, mine, their)))
