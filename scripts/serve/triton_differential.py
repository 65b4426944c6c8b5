"""The gateway beside a real Triton: the same random requests to both, and what each answers held against the other.

    triton_differential.py GATEWAY LIBRARY [--requests N] [--calls N] [--seed S] [--work DIR]

GATEWAY is the example `gateway` of crates/serve, LIBRARY is ONNX Runtime's. Both serve the models of `triton_requests`, Triton by its
Python backend. `scripts/triton-differential.sh` makes the environment and the program and runs this. What differs on purpose is
`triton_differences`; anything else is shown with the request that shows it, and the exit code is 1.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

import onnx_files
import triton_calls
import triton_differences
import triton_requests
import triton_server
import triton_spoils
from processes import Server, free_port
from triton_compare import Asker, difference

TOKEN = {"authorization": "Bearer token"}
# Requests shown of those that differ in the same way.
SHOWN_MAX = 3
BODY_SHOWN_MAX = 400
TOLD_EACH = 1000


def ours(gateway, library, work):
    """Our gateway with the same models."""
    versions = {"simple": onnx_files.simple(work / "versions/simple")}
    for name, tensors in triton_requests.IDENTITIES.items():
        versions[name] = onnx_files.identity(work / "versions" / name, tensors)
    port = free_port()
    command = [gateway, library, f"127.0.0.1:{port}", *(f"{name}={folder}" for name, folder in versions.items())]
    return Server("Tidegate", command, port, work / "tidegate.log")


class Oracle:
    """Triton, started again when a request has ended it."""

    def __init__(self, work):
        self.work, self.deaths = work, 0
        self.start()

    def start(self):
        self.calls = None
        self.server = triton_server.start(self.work)
        self.server.__enter__()
        self.asker = Asker(self.server.http, {})
        self.settle()

    def settle(self):
        """It listens before its models are loaded."""
        while self.asker.ask("GET", "/v2/health/ready", {}, b"").status != 200:
            time.sleep(0.1)

    def ask(self, *request):
        answer = self.asker.ask(*request)
        if answer.status == 0:
            # The request before may have ended it, or this one: it is asked once more, of a server that was well.
            self.revived()
            answer = self.asker.ask(*request)
            if answer.status == 0:
                self.revived()
        return answer

    def caller(self):
        """One kept connection of gRPC."""
        if self.calls is None:
            self.calls = triton_calls.Caller(self.server.grpc, [])
        return self.calls

    def revived(self):
        """Whether it had ended; then it is started again."""
        time.sleep(0.3)
        if self.server.process.poll() is None:
            return False
        self.deaths += 1
        self.server.end()
        self.start()
        return True


class Report:
    """What was asked, and what came of it."""

    def __init__(self):
        self.asked, self.alike, self.purpose = Counter(), Counter(), Counter()
        self.seen = Counter()
        self.strange = defaultdict(list)

    def add(self, case):
        """One request and what came of it."""
        names = sorted(case.made.kinds) or ["good"]
        self.asked.update(names)
        for note in triton_differences.NOTES:
            self.seen[note.name] += note.holds(case)
        if case.what is None:
            self.alike.update(names)
            return
        reason = next((one for one in triton_differences.ALL if one.holds(case)), None)
        if reason:
            self.purpose.update(names)
            self.seen[reason.name] += 1
        else:
            self.strange[case.what, " and ".join(names)].append(case)

    def table(self):
        yield "| asked for | requests | alike | otherwise on purpose |"
        yield "|---|---|---|---|"
        for name, count in sorted(self.asked.items()):
            yield f"| {name.replace('_', ' ')} | {count} | {self.alike[name]} | {self.purpose[name]} |"

    def purposes(self):
        yield "| otherwise on purpose | seen |"
        yield "|---|---|"
        for one in [*triton_differences.ALL, *triton_differences.NOTES]:
            yield f"| {one.name} | {self.seen[one.name] or 'never: stale'} |"

    def stale(self):
        return [one.name for one in [*triton_differences.ALL, *triton_differences.NOTES] if not self.seen[one.name]]


def shown(what, cases):
    yield f"\n{what[0]}, {what[1]}: {len(cases)}"
    for case in cases[:SHOWN_MAX]:
        yield f"  request {case.number}: {case.said}"
        yield f"    Triton   {case.their.status} {case.their.words()!r}"
        yield f"    Tidegate {case.own.status} {case.own.words()!r}"


def both(number, made, oracle, own, method, path, headers, body):
    """One request to both."""
    their_answer, own_answer = oracle.ask(method, path, headers, body), own.ask(method, path, headers, body)
    said = f"{method} {path} {headers} {body[:BODY_SHOWN_MAX]!r}"
    return triton_differences.Case(number, made, said, path, own_answer, their_answer, difference(path, own_answer, their_answer))


def over_http(report, oracle, own, seed, count):
    for number in range(count):
        made = triton_spoils.request(seed, number)
        if number % TOLD_EACH == 0:
            print(f"request {number} of {count}", file=sys.stderr, flush=True)
        report.add(both(number, made, oracle, own, *made.http()))


def over_repository(report, oracle, own):
    """Loads and unloads, which change what Triton serves: in one order, at the end."""
    load, unload = "/v2/repository/models/fixed/load", "/v2/repository/models/fixed/unload"
    asked = [(load, b""), (load, b"{}"), (load, b'{"parameters": {"config": "{\\"max_batch_size\\": 0, \\"backend\\": \\"python\\"}"}}')]
    asked += [("/v2/repository/models/nope/load", b""), (unload, b""), (load, b"")]
    for number, (path, body) in enumerate(asked):
        made = triton_requests.Request("fixed", [], path=path, kinds={"repository"})
        report.add(both(number, made, oracle, own, "POST", path, {}, body))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("gateway", type=Path)
    parser.add_argument("library", type=Path)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--calls", type=int, default=3_000)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--work", type=Path)
    return parser.parse_args()


def main():
    wanted = arguments()
    with tempfile.TemporaryDirectory() as folder:
        work = wanted.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        report, oracle = Report(), Oracle(work)
        try:
            with ours(wanted.gateway, wanted.library, work) as server:
                own = Asker(server.port, TOKEN)
                assert own.ask("GET", "/v2/health/ready", {}, b"").status == 200, server.tail()
                assert Asker(server.port, {}).ask("GET", "/v2/models/simple", {}, b"").status == 401, "the token"
                over_http(report, oracle, own, wanted.seed, wanted.requests)
                triton_calls.run(report, oracle, server.port, wanted.seed, wanted.calls)
                over_repository(report, oracle, own)
                assert own.ask("GET", "/v2/health/ready", {}, b"").status == 200, server.tail()
        finally:
            oracle.server.end()
    print("\n".join(report.table()))
    print()
    print("\n".join(report.purposes()))
    print(f"\n{wanted.requests} requests over HTTP, {wanted.calls} calls over gRPC, seed {wanted.seed}; Triton ended and was started anew {oracle.deaths} times")
    for what, cases in sorted(report.strange.items(), key=lambda item: -len(item[1])):
        print("\n".join(shown(what, cases)))
    for name in report.stale():
        print(f"stale: {name}: no request showed it")
    strange = sum(len(cases) for cases in report.strange.values())
    print(f"\n{strange} differ that should not, in {len(report.strange)} ways; {len(report.stale())} listed differences were not seen")
    sys.exit(strange > 0)


main()
