"""One long-lived process that is real DVC: reads requests as JSON lines, answers each with a JSON line.

A request is {"cwd": .., "args": [..]} and is carried out as `dvc ARGS` in that directory; {"listing": PATH} gives the
`.dir` id that DVC computes for a directory.
"""

import contextlib
import io
import json
import os
import sys


def run(request):
    from dvc.cli import main

    os.chdir(request["cwd"])
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(request["args"])
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}


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
