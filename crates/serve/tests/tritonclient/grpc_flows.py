"""What programs that use `tritonclient.grpc` do, against the gateway of `flows.py`.

    python grpc_flows.py HOST:PORT TOKEN
"""

import asyncio
import queue
import sys

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.grpc.aio as aio
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

ADDRESS, TOKEN = sys.argv[1:]
HEAD = {"authorization": f"Bearer {TOKEN}"}


def pair(rows: int):
    """Two inputs and what the model makes of them."""
    a = np.arange(rows * 16, dtype=np.int32).reshape(rows, 16)
    b = np.full((rows, 16), 7, dtype=np.int32)
    return a, b, a + b, a - b


def inputs(a, b):
    made = [grpc.InferInput("INPUT0", list(a.shape), "INT32"), grpc.InferInput("INPUT1", list(b.shape), "INT32")]
    made[0].set_data_from_numpy(a)
    made[1].set_data_from_numpy(b)
    return made


def check(result, added, taken):
    assert np.array_equal(result.as_numpy("OUTPUT0"), added), result.get_response()
    assert np.array_equal(result.as_numpy("OUTPUT1"), taken), result.get_response()


def refused(call, code, *words):
    try:
        call()
    except InferenceServerException as error:
        assert error.status() == f"StatusCode.{code}" and all(word in str(error) for word in words), error
        return
    raise AssertionError(f"not refused: {words}")


def health_and_metadata(client):
    assert client.is_server_live() and client.is_server_ready(), "both are answered without a token"
    assert client.is_model_ready("simple", headers=HEAD) and client.is_model_ready("simple", "1", headers=HEAD)
    assert not client.is_model_ready("simple", "9", headers=HEAD), "a version that is not there is not ready"
    refused(lambda: client.is_model_ready("nope", headers=HEAD), "NOT_FOUND", "Request for unknown model: 'nope' is not found")
    server = client.get_server_metadata()
    assert server.name == "tidegate" and "statistics" in server.extensions, server
    model = client.get_model_metadata("simple", headers=HEAD)
    assert model.name == "simple" and list(model.versions) == ["1"] and model.platform == "onnx_onnxv1", model
    assert (model.inputs[0].name, model.inputs[0].datatype, list(model.inputs[0].shape)) == ("INPUT0", "INT32", [-1, 16]), model
    config = client.get_model_config("simple", headers=HEAD, as_json=True)["config"]
    assert config["name"] == "simple" and config["input"][1]["data_type"] == "TYPE_INT32", config
    refused(lambda: client.get_model_metadata("simple"), "UNAUTHENTICATED", "token")


def infer(client):
    a, b, added, taken = pair(1)
    for packed in (None, "gzip", "deflate"):
        for rows in (1, 300):
            a, b, added, taken = pair(rows)
            check(client.infer("simple", inputs(a, b), headers=HEAD, compression_algorithm=packed), added, taken)
    outputs = [grpc.InferRequestedOutput("OUTPUT1")]
    result = client.infer("simple", inputs(a, b), "1", outputs=outputs, request_id="q7", headers=HEAD, client_timeout=5)
    assert result.as_numpy("OUTPUT0") is None and np.array_equal(result.as_numpy("OUTPUT1"), taken)
    assert (result.get_response().id, result.get_response().model_version) == ("q7", "1")
    statistics = client.get_inference_statistics("simple", headers=HEAD)
    assert len(statistics.model_stats) == 1 and statistics.model_stats[0].inference_stats.success.count > 0, statistics


def explicit_contents(_client):
    """Values in the list of their datatype, as programs do that make messages themselves; answers are read as bytes."""
    with grpc_channel() as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        request = service_pb2.ModelInferRequest(model_name="simple", id="own")
        a, b, added, _ = pair(1)
        for name, values in (("INPUT0", a), ("INPUT1", b)):
            tensor = request.inputs.add(name=name, datatype="INT32", shape=[1, 16])
            tensor.contents.int_contents[:] = values.flatten().tolist()
        answer = stub.ModelInfer(request, metadata=list(HEAD.items()))
        assert [output.name for output in answer.outputs] == ["OUTPUT0", "OUTPUT1"] and len(answer.raw_output_contents) == 2, answer
        assert np.array_equal(np.frombuffer(answer.raw_output_contents[0], dtype=np.int32), added.flatten()), answer


def grpc_channel():
    import grpc as plain

    return plain.insecure_channel(ADDRESS)


def several_at_once(client):
    found = queue.Queue()
    pairs = [pair(rows) for rows in range(1, 9)]
    for number, (a, b, _, _) in enumerate(pairs):
        client.async_infer("simple", inputs(a, b), lambda result, error, number=number: found.put((number, result, error)), headers=HEAD)
    for _ in pairs:
        number, result, error = found.get(timeout=20)
        assert error is None, error
        check(result, *pairs[number][2:])


def stream(client):
    found = queue.Queue()
    client.start_stream(lambda result, error: found.put((result, error)), headers=HEAD)
    pairs = [pair(rows) for rows in (1, 2, 3)]
    for number, (a, b, _, _) in enumerate(pairs):
        client.async_stream_infer("simple", inputs(a, b), request_id=str(number))
    client.async_stream_infer("nope", inputs(*pairs[0][:2]))
    client.async_stream_infer("simple", inputs(*pairs[0][:2]), request_id="last")
    for number, (_, _, added, taken) in enumerate(pairs):
        result, error = found.get(timeout=20)
        assert error is None and result.get_response().id == str(number), error
        check(result, added, taken)
    _, error = found.get(timeout=20)
    assert "Request for unknown model: 'nope' is not found" in str(error), error
    result, error = found.get(timeout=20)
    assert error is None and result.get_response().id == "last", "a stream goes on after an error"
    client.stop_stream()


def aio_flow(_client):
    async def flow():
        async with aio.InferenceServerClient(ADDRESS) as client:
            assert await client.is_server_ready()
            assert await client.is_model_ready("simple", headers=HEAD)
            assert (await client.get_model_metadata("simple", headers=HEAD)).name == "simple"
            a, b, added, taken = pair(3)
            check(await client.infer("simple", inputs(a, b), headers=HEAD), added, taken)
            assert len((await client.get_inference_statistics("simple", headers=HEAD)).model_stats) == 1

    asyncio.run(flow())


def texts(client):
    words = np.array(["", "a", "naïve", "日本", "x" * 70_000], dtype=np.object_)
    sent = grpc.InferInput("in", [5], "BYTES")
    sent.set_data_from_numpy(words)
    got = [word.decode() for word in client.infer("texts", [sent], headers=HEAD).as_numpy("out")]
    assert got == words.tolist(), got


def repository(client):
    index = client.get_model_repository_index(headers=HEAD)
    assert [(m.name, m.version, m.state) for m in index.models] == [("simple", "1", "READY"), ("texts", "1", "READY")], index
    client.load_model("simple", headers=HEAD)
    refused(lambda: client.load_model("simple", headers=HEAD, config="{}"), "INVALID_ARGUMENT", "`tidegate release`")
    refused(lambda: client.unload_model("simple", headers=HEAD), "FAILED_PRECONDITION", "releases decide")
    refused(lambda: client.get_system_shared_memory_status(headers=HEAD), "UNIMPLEMENTED")


def errors(client):
    a, b, _, _ = pair(1)
    refused(lambda: client.infer("nope", inputs(a, b), headers=HEAD), "NOT_FOUND", "Request for unknown model: 'nope' is not found")
    refused(lambda: client.infer("simple", inputs(a, b), "99", headers=HEAD), "NOT_FOUND", "'simple' version 99 is not found")
    outputs = [grpc.InferRequestedOutput("ZZ")]
    refused(lambda: client.infer("simple", inputs(a, b), outputs=outputs, headers=HEAD), "INVALID_ARGUMENT", "unexpected inference output 'ZZ'")
    outputs = [grpc.InferRequestedOutput("OUTPUT0", class_count=3)]
    refused(lambda: client.infer("simple", inputs(a, b), outputs=outputs, headers=HEAD), "INVALID_ARGUMENT", "classification")
    floats = grpc.InferInput("INPUT0", [1, 16], "FP32")
    floats.set_data_from_numpy(a.astype(np.float32))
    refused(lambda: client.infer("simple", [floats, inputs(a, b)[1]], headers=HEAD), "INVALID_ARGUMENT", "INPUT0")
    refused(lambda: client.infer("simple", inputs(a, b)), "UNAUTHENTICATED", "token")


with grpc.InferenceServerClient(ADDRESS) as whole:
    for flow in (health_and_metadata, infer, explicit_contents, several_at_once, stream, aio_flow, texts, repository, errors):
        flow(whole)
        print("ok", flow.__name__.removesuffix("_flow"), flush=True)
