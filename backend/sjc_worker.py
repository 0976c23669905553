"""Starts the worker: `python -u -X utf8 -B sjc_worker.py [--other JSON] [--fake FAULT]`.

With --other its jobs are done on another computer (sjc/remote/here.py); Blender's own Python serves for that.

Started by path, so that the `sjc` beside this file comes first, whatever else the interpreter has installed. Before
anything is imported, file descriptors 0 and 1 are kept for messages. For everybody else 1 points at 2, because
libraries print, and 0 at nothing, because some ask: the question would wait for ever, or take a command for its answer.
"""

import os
import sys


def main() -> int:
    """Serve until told to stop or the input ends; returns the exit status."""
    messages = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    sys.path[:] = [os.path.dirname(os.path.abspath(__file__)), *(p for p in sys.path if p)]  # noqa: PTH100, PTH120
    from sjc import errors
    from sjc.machine import standard_input

    errors.in_blender = True
    commands = os.fdopen(standard_input.take(), "rb")
    if "--other" in sys.argv:
        from sjc.remote import here as worker
    elif "--fake" in sys.argv:
        from sjc.worker import fake as worker
    else:
        from sjc.worker import serve as worker
    return worker.main(commands, messages)


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # whatever thread or library would keep the process alive
