#!/usr/bin/env python3
"""Kills `tidegate up` at random moments and shows that the loop always ends the same.

Each round: an empty `.tidegate`, `tidegate up --once` killed with SIGKILL after a random time, then `tidegate up --once`
to its end. With --chain there is one workspace and every kill hits the same loop, which then ends once.

After each end: exit code 0, the outcomes of all acts as in a run without a kill, a verified journal, every release at an
end, every record that was acknowledged before the kill still there, and no live answer from a version whose weight was 0.

    scripts/kill_test.py [--kills 20] [--seed 1] [--chain] [--longest 150] TIDEGATE EXAMPLE
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXPECTED = ["live", "promoted", "stopped_in_shadow", "rolled_back", "drift_found", "promoted"]
# A request is chosen before a split changes and answered after it.
IN_FLIGHT_MS = 10_500


def tidegate(binary: str, workspace: Path, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run([binary, "-C", str(workspace), *words], capture_output=True, text=True, check=False)


def journal(binary: str, workspace: Path) -> list[dict]:
    done = tidegate(binary, workspace, "journal", "-n", "1000000", "--json")
    return [json.loads(line) for line in done.stdout.splitlines()] if done.returncode == 0 else []


def start(binary: str, workspace: Path) -> subprocess.Popen:
    words = [binary, "up", str(workspace), "--once", "--any-port"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)


def kill_after(binary: str, workspace: Path, seconds: float) -> list[dict]:
    up = start(binary, workspace)
    try:
        up.wait(seconds)
    except subprocess.TimeoutExpired:
        pass
    before = journal(binary, workspace)
    if up.poll() is None:
        os.kill(up.pid, signal.SIGKILL)
    up.wait()
    return before


def wanted_weights(records: list[dict]) -> dict[str, list[tuple[int, int, int]]]:
    """For each version, the spans in which a split that gives it weight was wanted: (from, until, weight)."""
    spans: dict[str, list[tuple[int, int, int]]] = {}
    specs: dict[str, dict] = {}
    open_span: dict[str, int] = {}
    for record in records:
        body, stream = record["body"], record["stream"]
        if record["kind"] != "rollout":
            continue
        if body["event"] == "started":
            specs[stream] = body["spec"]
        if body["event"] != "traffic_wanted":
            continue
        spec, traffic, at = specs[stream], body["traffic"], body["at"]
        weights: dict[str, int] = {}
        for version, bp in [(spec["candidate"], traffic["candidate_bp"]), (spec["stable"], traffic["stable_bp"] + traffic["control_bp"])]:
            if version is not None and bp > 0:
                weights[version] = weights.get(version, 0) + bp
        for version in list(open_span):
            if version not in weights:
                spans.setdefault(version, []).append((open_span.pop(version), at, 0))
        for version in weights:
            open_span.setdefault(version, at)
    for version, since in open_span.items():
        spans.setdefault(version, []).append((since, sys.maxsize, 0))
    return spans


def served_without_weight(workspace: Path, records: list[dict]) -> int:
    import pyarrow.parquet as pq

    spans = wanted_weights(records)
    wrong = 0
    for file in sorted((workspace / ".tidegate/lake/predictions").rglob("*.parquet")):
        table = pq.read_table(file, columns=["at", "version", "role"]).to_pydict()
        for at, version, role in zip(table["at"], table["version"], table["role"]):
            at_ms = at if isinstance(at, int) else int(at.timestamp() * 1000)
            if role != "shadow" and not any(a <= at_ms <= b + IN_FLIGHT_MS for a, b, _ in spans.get(version, [])):
                wrong += 1
    return wrong


def problems(binary: str, workspace: Path, before: list[dict], code: int) -> list[str]:
    found = [] if code == 0 else [f"`up --once` ended with {code}"]
    after = journal(binary, workspace)
    ended = [r["body"]["outcome"] for r in after if r["stream"] == "workspace/loop" and r["body"]["event"] == "act_finished"]
    if ended != EXPECTED:
        found.append(f"outcomes {ended}")
    if after[: len(before)] != before:
        found.append("a record that was acknowledged is not there any more")
    verified = tidegate(binary, workspace, "audit", "verify")
    if verified.returncode != 0:
        found.append(f"audit verify: {verified.stderr.strip()}")
    last: dict[str, str] = {}
    for record in after:
        if record["kind"] == "rollout":
            last[record["stream"]] = record["body"]["event"]
    found += [f"{stream} was left at {event}" for stream, event in last.items() if event not in ("completed", "rollback_completed")]
    wrong = served_without_weight(workspace, after)
    if wrong:
        found.append(f"{wrong} live answers came from versions without weight")
    return found


def finish(binary: str, workspace: Path) -> tuple[int, str]:
    up = start(binary, workspace)
    text, _ = up.communicate()
    return up.returncode, text


def main() -> int:
    args = argparse.ArgumentParser()
    args.add_argument("tidegate")
    args.add_argument("example", type=Path)
    args.add_argument("--kills", type=int, default=20)
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--longest", type=float, default=150.0)
    args.add_argument("--chain", action="store_true")
    args = args.parse_args()
    rng = random.Random(args.seed)
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "flights"
        shutil.copytree(args.example, workspace, ignore=shutil.ignore_patterns(".tidegate"))
        before: list[dict] = []
        for number in range(1, args.kills + 1):
            if not args.chain:
                shutil.rmtree(workspace / ".tidegate", ignore_errors=True)
            seconds = rng.uniform(0.2, args.longest)
            before = kill_after(args.tidegate, workspace, seconds)
            if args.chain and number < args.kills:
                print(f"kill {number} after {seconds:.1f} s: {len(before)} records", flush=True)
                continue
            began = time.monotonic()
            code, text = finish(args.tidegate, workspace)
            found = problems(args.tidegate, workspace, before, code)
            bad += bool(found)
            print(f"kill {number} after {seconds:.1f} s: {'; '.join(found) or 'the same end'} ({time.monotonic() - began:.0f} s)", flush=True)
            if found:
                print(text)
    print(f"{args.kills} kills, {bad} bad ends")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
