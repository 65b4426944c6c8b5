"""A real Triton, out of the wheel `nvidia-pytriton`: its server and its Python backend, without containers.

Models are those of `triton_requests`, by a Python file of a few lines each: the wheel has no backend for ONNX.
"""

import os
import sys
import sysconfig
from pathlib import Path

from processes import Server, free_port
from triton_requests import IDENTITIES, MODELS

SIMPLE = """
import triton_python_backend_utils as pb

class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for request in requests:
            a, b = (pb.get_input_tensor_by_name(request, name).as_numpy() for name in ("INPUT0", "INPUT1"))
            made = {"OUTPUT0": a + b, "OUTPUT1": a - b}
            wanted = request.requested_output_names()
            answers.append(pb.InferenceResponse([pb.Tensor(name, made[name]) for name in made if name in wanted]))
        return answers
"""
# Half of BF16 has no array of numpy: there the tensor itself is handed on.
IDENTITY = """
import triton_python_backend_utils as pb

class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for request in requests:
            made = []
            for tensor in request.inputs():
                name = tensor.name().replace("in", "out")
                if name not in request.requested_output_names():
                    continue
                if BF16:
                    made.append(pb.Tensor.from_dlpack(name, tensor))
                else:
                    made.append(pb.Tensor(name, tensor.as_numpy()))
            answers.append(pb.InferenceResponse(made))
        return answers
"""


def kind(datatype):
    return "TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}"


def configuration(name):
    inputs, outputs = MODELS[name]
    text = f'name: "{name}"\nbackend: "python"\nmax_batch_size: 0\ninstance_group [{{ kind: KIND_CPU count: 1 }}]\n'
    for word, of in (("input", inputs), ("output", [(out, *inputs[at][1:]) for at, out in enumerate(outputs)])):
        for tensor, datatype, shape in of:
            text += f'{word} [{{ name: "{tensor}" data_type: {kind(datatype)} dims: {shape} }}]\n'
    return text


def repository(folder):
    for name in MODELS:
        version = folder / name / "1"
        version.mkdir(parents=True, exist_ok=True)
        (folder / name / "config.pbtxt").write_text(configuration(name))
        bf16 = name in IDENTITIES and IDENTITIES[name][0][0] == "BF16"
        (version / "model.py").write_text(SIMPLE if name == "simple" else f"BF16 = {bf16}\n" + IDENTITY)
    return folder


def backends(folder, root):
    """The wheel's Python backend with the stub of this Python, which the wheel keeps beside it."""
    python = folder / "python"
    python.mkdir(parents=True, exist_ok=True)
    stub = root / f"python_backend_stubs/{sys.version_info.major}.{sys.version_info.minor}/triton_python_backend_stub"
    for source in [*(root / "backends/python").glob("*.so"), *(root / "backends/python").glob("*.py"), stub]:
        (python / source.name).unlink(missing_ok=True)
        (python / source.name).symlink_to(source)
    return folder


def start(work):
    """Triton with every model, on free ports; `http` and `grpc` of what is given back are its ports."""
    packages = Path(sysconfig.get_path("purelib"))
    root = packages / "pytriton/tritonserver"
    http, grpc = free_port(), free_port()
    command = [root / "bin/tritonserver", "--model-repository", repository(work / "models"), "--backend-directory", backends(work / "backends", root)]
    command += ["--http-port", http, "--grpc-port", grpc, "--http-address", "127.0.0.1", "--grpc-address", "127.0.0.1", "--allow-metrics=false"]
    command += ["--model-control-mode", "explicit", "--load-model", "*", "--http-thread-count", "2", "--log-verbose", "0"]
    libraries = [packages / "nvidia_pytriton.libs", Path(sysconfig.get_config_var("LIBDIR"))]
    env = os.environ | {
        "LD_LIBRARY_PATH": ":".join(str(path) for path in libraries),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "VIRTUAL_ENV": sys.prefix,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    server = Server("Triton", command, http, work / "triton.log", env)
    server.http, server.grpc = http, grpc
    return server
