"""One process of real DVC for all comparisons: a request a line, `{"dir": .., "argv": [..]}` for a command of `dvc`, or
`{"dir": .., "expand": {..}}` for the expansion of a dvc.yaml, and an answer a line."""

import contextlib
import io
import json
import logging
import os
import sys


class Said(logging.Handler):
    """What DVC tells people goes through its logger, whose streams are those of its first minute."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def command(argv):
    from dvc.cli import main

    out, err, said = io.StringIO(), io.StringIO(), Said()
    logging.getLogger("dvc").addHandler(said)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(argv)
    finally:
        logging.getLogger("dvc").removeHandler(said)
    return {"code": code, "out": out.getvalue(), "said": "\n".join(said.lines), "err": err.getvalue()}


def expand(data):
    from dvc.parsing import DataResolver
    from dvc.repo import Repo

    with Repo() as repo:
        try:
            return {"code": 0, "stages": list(DataResolver(repo, os.getcwd(), data).resolve()["stages"].items())}
        except Exception as error:  # whatever DVC refuses with
            return {"code": 1, "err": f"{type(error).__name__}: {error}"}


def main():
    # What stages and DVC's own workers write to the descriptors must not reach the answers.
    answers = os.fdopen(os.dup(1), "w")
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.dup2(devnull, 2)
    for line in sys.stdin:
        request = json.loads(line)
        os.chdir(request["dir"])
        answer = expand(request["expand"]) if "expand" in request else command(request["argv"])
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
