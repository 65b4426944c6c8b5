"""The judge on repeated benchmarks of real machines: nothing changed, and a shift that was put in.

bench_judge.py TIDEGATE DATA: DATA is a folder of `.csv.gz` files with the columns value, starttime and VM_id. Runs of one
machine alternate between candidate and control, so that nothing but noise tells them apart; then the candidate's values are
made worse by 1, 2, 5 and 10 %. A comparison is of 100 pairs. `tidegate judge series` looks after each pair. Beside it, on the same pairs: a z-test at each
look, and Argo Rollouts' way (each measurement at most 5 % worse, three may fail). The last line is all of it as JSON.
"""

import csv
import gzip
import json
import math
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ALPHA = 0.05
SHIFTS = [0.0, 0.01, 0.02, 0.05, 0.10]
# Pairs of one comparison.
PAIRS = 100


def pairs_of(path):
    runs = {}
    with gzip.open(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            runs.setdefault(row["VM_id"], []).append((row["starttime"], float(row["value"])))
    for machine, values in sorted(runs.items()):
        values = [value for _, value in sorted(values)]
        pairs = list(zip(values[0::2], values[1::2]))
        # Which of the two comes first alternates, so that a drift falls on both.
        pairs = [pair if at % 2 == 0 else pair[::-1] for at, pair in enumerate(pairs)]
        pairs = [(a, b) for a, b in pairs if a > 0 and b > 0]
        for start in range(0, len(pairs) - PAIRS + 1, PAIRS):
            yield machine, pairs[start : start + PAIRS]


def ours(tidegate, pairs, worse, folder):
    for name, column in (("candidate", 0), ("control", 1)):
        (folder / name).write_text("".join(f"{pair[column]!r}\n" for pair in pairs))
    command = [tidegate, "judge", "series", "--candidate", folder / "candidate", "--control", folder / "control", "--worse", worse]
    command += ["--alpha", str(ALPHA), "--tolerance", "1", "--harm", "1.05", "--json"]
    found = json.loads(subprocess.run(command, check=False, capture_output=True, text=True).stdout)
    bar = found["needs_rollback"]
    first = next((p["pairs"] for p in found["points"] if p["e_rollback"] >= bar), None)
    return first if found["verdict"] == "rollback" else None


def z_test(pairs, worse):
    """One-sided at alpha after each pair from the tenth on."""
    differences = []
    for number, (candidate, control) in enumerate(pairs, 1):
        d = math.log(candidate / control)
        differences.append(d if worse == "higher" else -d)
        if number >= 10:
            spread = statistics.stdev(differences)
            if spread > 0 and statistics.fmean(differences) / (spread / math.sqrt(number)) > 1.645:
                return number
    return None


def argo(pairs, worse):
    failed = 0
    for number, (candidate, control) in enumerate(pairs, 1):
        ratio = candidate / control if worse == "higher" else control / candidate
        failed += ratio > 1.05
        if failed > 3:
            return number
    return None


def main():
    tidegate, data = sys.argv[1], Path(sys.argv[2])
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(data.glob("*.csv.gz")):
            unit = re.search(r"unit=([^.]+)", path.name)
            worse = "higher" if unit and unit.group(1) == "ms" else "lower"
            test = re.sub(r"test_suite=|test_name=|_vm_lifespan.*", "", path.name)
            for _, pairs in pairs_of(path):
                for shift in SHIFTS:
                    factor = 1 + shift if worse == "higher" else 1 / (1 + shift)
                    moved = [(candidate * factor, control) for candidate, control in pairs]
                    row = results.setdefault(test, {}).setdefault(shift, {"runs": 0, "ours": [], "z": [], "argo": []})
                    row["runs"] += 1
                    row["ours"].append(ours(tidegate, moved, worse, Path(folder)))
                    row["z"].append(z_test(moved, worse))
                    row["argo"].append(argo(moved, worse))
    print("test | worse by | comparisons | ours: found, median pairs | z-test at each look | Argo, 5 %, three may fail")
    total = {}
    for test, shifts in results.items():
        for shift, row in shifts.items():
            cells = []
            for judge in ("ours", "z", "argo"):
                found = [at for at in row[judge] if at is not None]
                sum_ = total.setdefault(shift, {}).setdefault(judge, [0, 0])
                sum_[0] += len(found)
                sum_[1] += row["runs"]
                cells.append(f"{100 * len(found) / row['runs']:.1f} %" + (f", {statistics.median(found):.0f}" if found else ""))
            print(f"{test} | {100 * shift:.0f} % | {row['runs']} | " + " | ".join(cells))
    for shift, judges in total.items():
        print(f"all | {100 * shift:.0f} % | " + " | ".join(f"{judge}: {found} of {runs}" for judge, (found, runs) in judges.items()))
    print(json.dumps(total))


main()
