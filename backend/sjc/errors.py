"""The one exception that carries a message for a person, and where that person is."""

in_blender = False
"""Whether whoever reads this process's messages sits in Blender: with buttons, without a shell.

False at first; Blender's extension and the programs that it starts set it.
"""


def here(shell: str, blender: str) -> str:
    """What to do where the person is: the first in a shell, the second in Blender."""
    return blender if in_blender else shell


class SjcError(Exception):
    """Bad input or a failed precondition.

    The message is one line that says what was wrong and what to do. The command line prints it and exits with 2;
    every other door shows the same line. Anything else that escapes is a bug and keeps its traceback.

    code: the kind of failure, one of `causes.CAUSES`: then the message says what is so, and the door adds what to do
    there. "" for bad input.

    Halves of characters, which a JSON file can hold and no stream can print, stand as their escapes.
    """

    def __init__(self, message: object = "", code: str = "") -> None:
        super().__init__(str(message).encode("utf-8", "backslashreplace").decode())
        self.code = code


def one_line(error: BaseException) -> str:
    """What to show of an exception that nobody foresaw: its class and the first line that it says."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
