"""Starts the end of the line on this computer, for Blender on another one: `python -m sjc.remote FOLDER`.

As `sjc_worker.py` does, it keeps standard input and output for messages before anything else is imported.
`python -m sjc.remote --check FOLDER` says in one line of JSON what this computer has.
"""

import os
import sys


def main() -> int:
    """Serve until the line ends; returns the exit status."""
    messages = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    from .. import errors
    from ..machine import standard_input
    from ..paths import user_path

    errors.in_blender = True
    commands = os.fdopen(standard_input.take(), "rb")
    words = sys.argv[1:]
    if words[0] == "--check":
        from . import check

        messages.write(check.answer(user_path(words[1])))
        return 0
    from . import there

    if "--fake" in words:
        from ..worker.fake import main as work
    else:
        from ..worker.serve import main as work
    return there.run(commands, messages, user_path(words[0]), work)


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # whatever thread or library would keep the process alive
