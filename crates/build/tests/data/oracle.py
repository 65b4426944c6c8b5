"""One long-lived process that is real DVC: reads requests as JSON lines, answers each with a JSON line.

A request is {"cwd": .., "args": [..]} and is carried out as `dvc ARGS` in that directory; {"listing": PATH} gives the
`.dir` id that DVC computes for a directory.
"""

import json
import os
import sys
import tempfile


def run(request):
    from dvc.cli import main

    os.chdir(request["cwd"])
    # Parts of DVC keep the streams that they first saw, so the descriptors themselves are turned.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        kept = os.dup(1), os.dup(2)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        try:
            code = main(request["args"])
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)
            for descriptor in kept:
                os.close(descriptor)
        out.seek(0)
        err.seek(0)
        return {"code": code, "out": out.read().decode(), "err": err.read().decode()}


def main():
    # What DVC or a library of it prints at any other time must not end up among the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        try:
            answer = run(json.loads(line))
        except BaseException as error:  # noqa: BLE001: whatever it is, the test is told
            answer = {"code": -1, "out": "", "err": repr(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


main()
