"""What programs that use `tritonclient.http` do, against a gateway that serves `simple` and `texts`.

    python flows.py HOST:PORT TOKEN

`simple`: OUTPUT0 is the sum and OUTPUT1 the difference of INPUT0 and INPUT1, all INT32[-1,16]. `texts`: `out` is `in`,
BYTES[-1]. Each flow prints a line when it went well; the first that does not ends the program.
"""

import asyncio
import json
import sys
import urllib.request

import numpy as np
import tritonclient.http as http
import tritonclient.http.aio as aio
from tritonclient.utils import InferenceServerException

ADDRESS, TOKEN = sys.argv[1:]


def head():
    """New for each call: the client writes its own headers into what it is given."""
    return {"authorization": f"Bearer {TOKEN}"}


def pair(rows: int):
    """Two inputs and what the model makes of them."""
    a = np.arange(rows * 16, dtype=np.int32).reshape(rows, 16)
    b = np.full((rows, 16), 7, dtype=np.int32)
    return a, b, a + b, a - b


def inputs(a, b, binary=(True, True), of=http):
    made = [of.InferInput("INPUT0", list(a.shape), "INT32"), of.InferInput("INPUT1", list(b.shape), "INT32")]
    made[0].set_data_from_numpy(a, binary_data=binary[0])
    made[1].set_data_from_numpy(b, binary_data=binary[1])
    return made


def check(result, added, taken):
    assert np.array_equal(result.as_numpy("OUTPUT0"), added), result.get_response()
    assert np.array_equal(result.as_numpy("OUTPUT1"), taken), result.get_response()


def refused(call, *words):
    try:
        call()
    except InferenceServerException as error:
        assert all(word in str(error) for word in words), error
        return str(error)
    raise AssertionError(f"not refused: {words}")


def health_and_metadata(client):
    assert client.is_server_live(headers=head(), query_params={"test_1": 1, "test_2": 2})
    assert client.is_server_ready(headers=head())
    assert client.is_model_ready("simple", headers=head()) and client.is_model_ready("simple", "1", headers=head())
    assert not client.is_model_ready("nope", headers=head()) and not client.is_model_ready("simple", "9", headers=head())
    server = client.get_server_metadata(headers=head())
    assert server["name"] == "tidegate" and "binary_tensor_data" in server["extensions"], server
    model = client.get_model_metadata("simple", headers=head())
    assert model["name"] == "simple" and model["versions"] == ["1"], model
    assert model["inputs"][0] == {"name": "INPUT0", "datatype": "INT32", "shape": [-1, 16]}, model
    config = client.get_model_config("simple", headers=head())
    assert config["name"] == "simple" and config["max_batch_size"] == 0, config
    assert config["input"][1] == {"name": "INPUT1", "data_type": "TYPE_INT32", "dims": [-1, 16]}, config
    refused(lambda: client.get_model_metadata("wrong_model_name", headers=head()), "Request for unknown model: 'wrong_model_name' is not found")


def infer(client):
    a, b, added, taken = pair(1)
    for binary in [(True, True), (True, False), (False, True), (False, False)]:
        # Without outputs the client asks for all of them as bytes.
        check(client.infer("simple", inputs(a, b, binary), headers=head()), added, taken)
        outputs = [http.InferRequestedOutput("OUTPUT0", binary_data=True), http.InferRequestedOutput("OUTPUT1", binary_data=False)]
        result = client.infer("simple", inputs(a, b, binary), outputs=outputs, request_id="q7", headers=head(), query_params={"test_1": 1})
        check(result, added, taken)
        assert result.get_response()["id"] == "q7" and result.get_response()["model_version"] == "1", result.get_response()
        assert "data" not in result.get_output("OUTPUT0") and "data" in result.get_output("OUTPUT1"), result.get_response()
    only = client.infer("simple", inputs(a, b), "1", outputs=[http.InferRequestedOutput("OUTPUT1")], headers=head())
    assert only.as_numpy("OUTPUT0") is None and np.array_equal(only.as_numpy("OUTPUT1"), taken)
    a, b, added, taken = pair(0)
    check(client.infer("simple", inputs(a, b), headers=head()), added, taken)
    statistics = client.get_inference_statistics("simple", headers=head())
    assert len(statistics["model_stats"]) == 1, statistics
    assert statistics["model_stats"][0]["inference_stats"]["success"]["count"] == 10, statistics


def compression(client):
    for rows in (1, 300):
        a, b, added, taken = pair(rows)
        for sent in (None, "gzip", "deflate"):
            for wanted in (None, "gzip", "deflate"):
                for binary in [(True, True), (True, False), (False, False)]:
                    result = client.infer(
                        "simple",
                        inputs(a, b, binary),
                        headers=head(),
                        request_compression_algorithm=sent,
                        response_compression_algorithm=wanted,
                    )
                    check(result, added, taken)


def raw(_client):
    """A body that is one tensor: the client has no call for it, so its bytes are sent by hand and its reader reads the answer."""
    request = urllib.request.Request(
        f"http://{ADDRESS}/v2/models/texts/infer",
        data="naïve".encode(),
        headers=head() | {"Inference-Header-Content-Length": "0"},
    )
    with urllib.request.urlopen(request) as answer:
        result = http.InferenceServerClient.parse_response_body(
            answer.read(), header_length=int(answer.headers["Inference-Header-Content-Length"])
        )
    assert result.as_numpy("out").tolist() == ["naïve".encode()], result.get_response()


def several_at_once(_client):
    with http.InferenceServerClient(ADDRESS, concurrency=4) as client:
        pairs = [pair(rows) for rows in range(1, 9)]
        asked = [client.async_infer("simple", inputs(a, b), headers=head()) for a, b, _, _ in pairs]
        for answer, (_, _, added, taken) in zip(asked, pairs, strict=True):
            check(answer.get_result(), added, taken)


def aio_flow(_client):
    async def flow():
        async with aio.InferenceServerClient(ADDRESS) as client:
            assert await client.is_server_ready(headers=head())
            assert await client.is_model_ready("simple", headers=head())
            assert (await client.get_model_metadata("simple", headers=head()))["name"] == "simple"
            for rows in (1, 300):
                a, b, added, taken = pair(rows)
                for packed in (None, "gzip", "deflate"):
                    result = await client.infer(
                        "simple",
                        inputs(a, b, (True, False)),
                        headers=head(),
                        request_compression_algorithm=packed,
                        response_compression_algorithm=packed,
                    )
                    check(result, added, taken)
            statistics = await client.get_inference_statistics("simple", headers=head())
            assert len(statistics["model_stats"]) == 1, statistics
            try:
                await client.infer("nope", inputs(a, b), headers=head())
            except InferenceServerException as error:
                assert "Request for unknown model: 'nope' is not found" in str(error), error
            else:
                raise AssertionError("an unknown model answered")

    asyncio.run(flow())


def texts(client):
    words = np.array(["", "a", "naïve", "日本", "x" * 70_000], dtype=np.object_)
    for binary in (True, False):
        for wanted in (True, False):
            sent = http.InferInput("in", [5], "BYTES")
            sent.set_data_from_numpy(words, binary_data=binary)
            outputs = [http.InferRequestedOutput("out", binary_data=wanted)]
            result = client.infer("texts", [sent], outputs=outputs, headers=head(), response_compression_algorithm="gzip")
            got = [word.decode() if isinstance(word, bytes) else word for word in result.as_numpy("out")]
            assert got == words.tolist(), got


def repository(client):
    index = client.get_model_repository_index(headers=head())
    served = [(line["name"], line["version"], line["state"]) for line in index]
    assert served == [("simple", "1", "READY"), ("texts", "1", "READY")], index
    client.load_model("simple", headers=head())
    refused(lambda: client.load_model("simple", headers=head(), config=json.dumps({"max_batch_size": 8})), "`tidegate release`")
    refused(lambda: client.unload_model("simple", headers=head()), "releases decide", "`tidegate release start`")
    assert client.is_model_ready("simple", headers=head())
    assert len(client.get_inference_statistics(headers=head())["model_stats"]) == 2


def errors(client):
    a, b, _, _ = pair(1)
    refused(lambda: client.infer("nope", inputs(a, b), headers=head()), "Request for unknown model: 'nope' is not found")
    refused(lambda: client.infer("simple", inputs(a, b), "99", headers=head()), "Request for unknown model: 'simple' version 99 is not found")
    outputs = [http.InferRequestedOutput("ZZ")]
    refused(lambda: client.infer("simple", inputs(a, b), outputs=outputs, headers=head()), "unexpected inference output 'ZZ' for model 'simple'")
    floats = http.InferInput("INPUT0", [1, 16], "FP32")
    floats.set_data_from_numpy(a.astype(np.float32))
    refused(lambda: client.infer("simple", [floats, inputs(a, b)[1]], headers=head()), "INPUT0", "INT32", "FP32")
    refused(lambda: client.infer("simple", inputs(a, b)), "token")
    outputs = [http.InferRequestedOutput("OUTPUT0", class_count=3)]
    refused(lambda: client.infer("simple", inputs(a, b), outputs=outputs, headers=head()), "classification")


with http.InferenceServerClient(ADDRESS) as whole:
    for flow in (health_and_metadata, infer, compression, raw, several_at_once, aio_flow, texts, repository, errors):
        flow(whole)
        print("ok", flow.__name__.removesuffix("_flow"), flush=True)
