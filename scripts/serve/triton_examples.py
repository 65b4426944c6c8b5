"""The examples of Triton's clients, NVIDIA's own scripts, against the gateway.

    triton_examples.py GATEWAY LIBRARY FOLDER

FOLDER holds copies of `src/python/examples` of github.com/triton-inference-server/client: no package carries them, so they are fetched by
hand. They know no token and ask for a server named triton: the gateway is started with that name, and two small proxies, one of HTTP and
one of gRPC, put the token before what the scripts send. Prints a line a script; the exit code is 1 where one fails.
"""

import http.client
import subprocess
import sys
import tempfile
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import grpc
import onnx_files
from processes import Server, free_port

TOKEN = ("authorization", "Bearer token")
EXAMPLES = [
    "simple_http_health_metadata", "simple_http_infer_client", "simple_http_async_infer_client", "simple_http_aio_infer_client",
    "simple_grpc_health_metadata", "simple_grpc_infer_client", "grpc_explicit_int_content_client", "simple_grpc_async_infer_client",
    "simple_grpc_aio_infer_client",
]  # fmt: skip
# Two of them leave without having imported `sys`.
RUN = "import builtins, runpy, sys; builtins.sys = sys; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
EXAMPLE_S_MAX = 60


def proxy_of_http(port):
    """Passes requests on with the token; its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            onward = http.client.HTTPConnection("127.0.0.1", port)
            onward.request(self.command, self.path, body, dict(self.headers.items()) | dict([TOKEN]))
            answer = onward.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            onward.close()

        do_GET = do_POST = pass_on

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def proxy_of_grpc(port):
    """Passes calls of one message on with the token, as bytes; its port and what keeps it."""
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")

    class Calls(grpc.GenericRpcHandler):
        def service(self, details):
            onward = channel.unary_unary(details.method)
            sent = [pair for pair in details.invocation_metadata if not pair[0].startswith(("grpc-", "user-agent"))]

            def call(message, context):
                try:
                    return onward(message, metadata=[*sent, TOKEN])
                except grpc.RpcError as error:
                    return context.abort(error.code(), error.details())

            return grpc.unary_unary_rpc_method_handler(call)

    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[Calls()])
    found = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return found, (server, channel)


def main():
    gateway, library, folder = sys.argv[1:]
    failed = 0
    with tempfile.TemporaryDirectory() as work:
        version, port = onnx_files.simple(Path(work) / "simple"), free_port()
        command = [gateway, library, f"127.0.0.1:{port}", "--name", "triton", f"simple={version}"]
        with Server("Tidegate", command, port, Path(work) / "log"):
            over_http = proxy_of_http(port)
            over_grpc, _kept = proxy_of_grpc(port)
            for name in EXAMPLES:
                address = f"127.0.0.1:{over_http if '_http_' in name else over_grpc}"
                script = Path(folder) / f"{name}.py"
                ran = subprocess.run([sys.executable, "-c", RUN, str(script), "-u", address], capture_output=True, text=True, timeout=EXAMPLE_S_MAX, check=False)
                last = (ran.stdout.strip().splitlines() or [""])[-1][:100]
                print(f"{'ok' if ran.returncode == 0 else 'FAILED'} {name}: {last}")
                if ran.returncode:
                    failed += 1
                    print(ran.stderr[-2000:])
    print(f"{len(EXAMPLES) - failed} of {len(EXAMPLES)}")
    sys.exit(failed > 0)


main()
