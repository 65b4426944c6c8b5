"""Serving beside peers: CPU of a request, latency at fixed rates from the time a request was meant for, memory, and what more costs.

    bench_serve.py EXAMPLES LIBRARY [--rounds 5] [--seconds 10] [--parts proxy,model,memory,scale]

EXAMPLES is the folder of the examples of crates/serve with the profile that is shipped (`gateway`, `proxy`, `send`), LIBRARY is ONNX Runtime's; the peers'
programs come by the environment (`scripts/bench-serve.sh` sets it). All servers of a part run at once and are asked in turn, round
after round, so that what else the machine does falls on all of them. Their configurations lie in docs/benchmarks/serve. Prints Markdown; the exit code is 1 where an answer was wrong.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Template

import onnx_files
from processes import Server, free_port

CONFIGURATIONS = Path(__file__).resolve().parents[2] / "docs/benchmarks/serve"
WARM_S = 1.0
REST_S = 5
TOKEN = "authorization: Bearer token"
# Requests a second; 0 is as many as 32 connections get, each asking as soon as it is answered.
PROXY_RATES = [2_000, 5_000, 10_000, 0]
MODEL_RATES = [200, 1_000, 4_000, 0]
SCALE_RATE = 500
# A rate counts as held when so much of it was answered.
HELD = 0.99


@dataclass
class Row:
    """A server that is asked, and what was seen: (rate, what it answered, CPU us a request)."""

    name: str
    server: Server
    path: str
    body: Path
    expected: str
    headers: list = field(default_factory=list)
    seen: dict = field(default_factory=dict)
    wrong: int = 0


class Bench:
    def __init__(self, wanted, work, stack):
        self.wanted, self.work, self.stack = wanted, work, stack

    def start(self, name, command, port, **how):
        return self.stack.enter_context(Server(name, command, port, self.work / f"{name}.log".replace(" ", "-"), **how))

    def configured(self, name, **values):
        """A configuration of docs/benchmarks/serve with its ports and folders put in."""
        made = self.work / name
        made.write_text(Template((CONFIGURATIONS / name).read_text()).substitute(values, work=self.work))
        return made

    def ask(self, row, rate, seconds):
        program = self.wanted.examples / "send"
        command = [program, f"127.0.0.1:{row.server.port}", row.path, row.body, row.expected, str(rate), str(seconds), *row.headers]
        before = row.server.cpu_us()
        sent = subprocess.run([str(word) for word in command], check=False, capture_output=True, text=True)
        if sent.returncode:
            raise SystemExit(f"error: {row.server.name} at {rate} a second: {sent.stderr}\nit said:\n{row.server.tail()}")
        told = json.loads(sent.stdout)
        told["cpu_us"] = (row.server.cpu_us() - before) / max(told["answered"], 1)
        row.wrong += told["wrong"]
        return told

    def rounds(self, rows, rates):
        """Every row at every rate, in turn; the first times warm up and do not count."""
        for row in rows:
            self.ask(row, min(rate for rate in rates if rate) if any(rates) else 0, WARM_S)
        for _ in range(self.wanted.rounds):
            for rate in rates:
                for row in rows:
                    row.seen.setdefault(rate, []).append(self.ask(row, rate, self.wanted.seconds))


# --- who is asked -----------------------------------------------------------------------------------------------------


def tidegate(bench, name, versions, *more, threads="1"):
    """The gateway with a worker process for each version, unless more is said; (model, folder) each."""
    port = free_port()
    command = [bench.wanted.examples / "gateway", bench.wanted.library, f"127.0.0.1:{port}", "--threads", threads]
    return bench.start(name, [*command, *more, *(f"{model}={folder}" for model, folder in versions)], port)


def fastapi(bench, model):
    port = free_port()
    python = os.environ["TIDEGATE_BENCH_FASTAPI"]
    command = [python, "-m", "uvicorn", "fastapi_app:app", "--port", port, "--workers", "1", "--no-access-log", "--loop", "uvloop", "--http", "httptools"]
    return bench.start("FastAPI", command, port, cwd=CONFIGURATIONS, env=environment(MODEL=str(model)))


def mlserver(bench, model):
    folder = bench.work / "mlserver"
    folder.mkdir()
    port, grpc, metrics = free_port(), free_port(), free_port()
    for name, values in (("settings", {"port": port, "grpc": grpc, "metrics": metrics}), ("model-settings", {"model": model})):
        bench.configured(f"mlserver-{name}.json", **values).rename(folder / f"{name}.json")
    shutil.copy(CONFIGURATIONS / "mlserver_model.py", folder)
    program = Path(os.environ["TIDEGATE_BENCH_MLSERVER"]).parent / "mlserver"
    return bench.start("MLServer", [program, "start", folder], port, cwd=folder, env=environment(PYTHONPATH=str(folder)))


def environment(**more):
    return os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"} | more


def proxies(bench):
    """The origin alone, and proxies before it."""
    origin, answer = free_port(), json.dumps({"model_name": "m", "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 2], "data": [0.5, -1.25]}]})
    body, _ = perceptron_body(bench, 1)
    row = lambda name, server, headers=(): Row(name, server, "/v2/models/m/infer", body, answer, list(headers))
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    start = lambda name, file, port, **values: bench.start(name, [nginx, "-c", bench.configured(file, port=port, **values)], port)
    rows = [row("origin alone", start("origin", "origin.conf", origin, answer=answer))]
    rows.append(row("nginx", start("nginx", "nginx.conf", free_port(), origin=origin)))
    port = free_port()
    envoy = [Path(os.environ["TIDEGATE_BENCH_ENVOY"]).parent / "envoy", "-c", bench.configured("envoy.yaml", port=port, origin=origin)]
    rows.append(row("Envoy", bench.start("Envoy", [*envoy, "--concurrency", "1", "--log-level", "error", "--disable-hot-restart"], port)))
    port = free_port()
    command = [bench.wanted.examples / "proxy", "--remote", f"http://127.0.0.1:{origin}", "--listen", f"127.0.0.1:{port}"]
    rows.append(row("Tidegate", bench.start("Tidegate-proxy", command, port), [TOKEN]))
    return rows


def perceptron_body(bench, rows):
    """A request of so many rows of 16 floats, and the values that answer it."""
    golden = json.loads((bench.work / "perceptron/golden.json").read_text())["requests"][0]
    x, y = golden["inputs"][0]["data"], golden["expect"]["outputs"][0]["data"]
    body = bench.work / f"body-{rows}.json"
    tensor = {"name": "x", "shape": [rows, 16], "datatype": "FP32", "data": x * rows}
    body.write_text(json.dumps({"inputs": [tensor]}, separators=(",", ":")))
    return body, '"data":' + json.dumps(y * rows, separators=(",", ":"))


def models(bench):
    """The same small network in each server."""
    folder = bench.work / "perceptron"
    body, expected = perceptron_body(bench, 1)
    row = lambda name, server, headers=(): Row(name, server, "/v2/models/m/infer", body, expected, list(headers))
    return [
        row("Tidegate", tidegate(bench, "Tidegate", [("m", folder)]), [TOKEN]),
        row("Tidegate, in its process", tidegate(bench, "Tidegate-in-process", [("m", folder)], "--in-process"), [TOKEN]),
        row("FastAPI and ONNX Runtime", fastapi(bench, folder / "model.onnx")),
        row("MLServer and ONNX Runtime", mlserver(bench, folder / "model.onnx")),
    ]


# --- what is told -----------------------------------------------------------------------------------------------------


def middle(row, rate, name):
    return statistics.median(told[name] for told in row.seen[rate])


def spread(row, rate, name):
    """The median, and the least and the most where there are several."""
    values = [told[name] for told in row.seen[rate]]
    shown = f"{statistics.median(values):.1f}"
    return shown if len(values) == 1 else f"{shown} ({min(values):.1f} to {max(values):.1f})"


def of_rates(rows, rates):
    yield "| who | requests a second | CPU us a request | p50 us | p99 us | p99.9 us | answered a second |"
    yield "|---|---|---|---|---|---|---|"
    for rate in rates:
        for row in rows:
            answered = statistics.median(told["answered"] / told["seconds"] for told in row.seen[rate])
            behind = rate and statistics.median(told["answered"] / told["meant"] for told in row.seen[rate]) < HELD
            times = " | ".join(f"{middle(row, rate, name):.0f}" for name in ("p50", "p99", "p999"))
            name = f"{rate:,}" if rate else "as many as 32 connections get"
            yield f"| {row.name} | {name} | {spread(row, rate, 'cpu_us')} | {times} | {answered:,.0f}{', behind' if behind else ''} |"


def proxy(bench):
    rows = proxies(bench)
    bench.rounds(rows, PROXY_RATES)
    yield from ("## Proxies", "", "One static origin, one worker each; CPU is the proxy's alone.", "")
    yield from of_rates(rows, PROXY_RATES)
    bench.all_rows += rows


def model(bench):
    rows = models(bench)
    bench.rounds(rows, MODEL_RATES)
    yield from ("## A small model", "", "16 floats to 64 to 2, JSON, one row a request; Tidegate's CPU is of gateway and worker; with `in_process` they are one.", "")
    yield from of_rates(rows, MODEL_RATES)
    bench.all_rows += rows


def memory(bench):
    yield from ("## At rest", "", "Proportional share of memory of all processes after 100 requests, and CPU while nobody asks.", "")
    yield from ("| who | MiB | CPU us a second |", "|---|---|---|")
    rows = models(bench)
    for row in rows:
        bench.ask(row, 100, 1)
        before = row.server.cpu_us()
        time.sleep(REST_S)
        yield f"| {row.name} | {row.server.memory_mib():.1f} | {(row.server.cpu_us() - before) / REST_S:.0f} |"
    bench.all_rows += rows


def scale(bench):
    yield from ("## What more costs", "", f"At {SCALE_RATE} requests a second, or as many as are answered; CPU us a request.", "")
    yield from ("| what | how many | who | CPU us a request |", "|---|---|---|---|")
    folder = bench.work / "perceptron"
    body, expected = perceptron_body(bench, 1)
    row = lambda server: Row("Tidegate", server, "/v2/models/m/infer", body, expected, [TOKEN])
    groups = []
    for count in (1, 4, 16):
        routes = [("m", folder), *((f"m-{at}", folder) for at in range(2, count + 1))]
        groups.append(("routes", count, row(tidegate(bench, f"routes-{count}", routes))))
    for count in (2, 4):
        groups.append(("versions that share a route", count, row(tidegate(bench, f"versions-{count}", [("m", folder)] * count))))
    peers = models(bench)
    for count in (1, 16, 128, 1_024):
        long, answer = perceptron_body(bench, count)
        what = f"rows of a request ({long.stat().st_size:,} bytes)"
        groups += [(what, count, replace(peer, body=long, expected=answer, seen={})) for peer in peers]
    bench.rounds([row for _, _, row in groups], [SCALE_RATE])
    for what, count, row in groups:
        yield f"| {what} | {count:,} | {row.name} | {spread(row, SCALE_RATE, 'cpu_us')} |"
    bench.all_rows += [row for _, _, row in groups]


PARTS = {"proxy": proxy, "model": model, "memory": memory, "scale": scale}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("examples", type=Path)
    parser.add_argument("library", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--parts", default=",".join(PARTS))
    return parser.parse_args()


def main():
    wanted, wrong = arguments(), 0
    cores = os.cpu_count()
    print(f"{cores} cores, load {os.getloadavg()[0]:.1f} at the start; {wanted.rounds} rounds of {wanted.seconds:g} s, medians (least to most)")
    for name in wanted.parts.split(","):
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            bench = Bench(wanted, Path(folder), stack)
            bench.all_rows = []
            onnx_files.perceptron(bench.work / "perceptron")
            print(flush=True)
            for line in PARTS[name](bench):
                print(line, flush=True)
            for row in bench.all_rows:
                wrong += row.wrong
                if row.wrong:
                    print(f"{row.name}: {row.wrong} answers were wrong or none\n{row.server.tail()}")
    load = os.getloadavg()[0]
    print(f"\nload {load:.1f} at the end{'' if load <= cores else ': too busy to be believed'}; {wrong} answers were wrong")
    sys.exit(wrong > 0)


main()
