"""Run the commands that come in on the standard input, a JSON line each, and answer with their outcomes."""

import contextlib
import io
import json
import os
import resource
import sys
import traceback

from longlag.cli.main import main

MEMORY = 12 * 2**30  # bytes; a request for more fails here, and not in the machine


def outcome(arguments: list[str]) -> dict[str, object]:
    """Return the exit code, the output and the errors of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code: object = main(arguments)
        except SystemExit as error:
            code = error.code
        except BaseException:
            code = 1
            traceback.print_exc()
    return {"code": code, "out": out.getvalue()[-5000:], "err": err.getvalue()[-5000:]}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        typed, folder = json.loads(line)
        os.chdir(folder)
        answers.write(json.dumps(outcome(typed)) + "\n")
        answers.flush()
