"""Why a library, an installer or a process failed, from its own words or its exit code, and what to do about it.

Every door asks here: the worker, the command line, the doctor, the installer and the panel. The advice depends on where
a person is: somebody in Blender has buttons and no shell. Standard library only.
"""

from __future__ import annotations

import errno
import re
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .errors import SjcError, here


@dataclass(frozen=True)
class Cause:
    """One kind of failure.

    code: memory, disk, driver, card, runtime, processor, venv, certificate; the panel chooses its buttons by it. text:
    what happened; hint: what to do in Blender. shell: what to do in a shell. pattern: the words by which it is known, a
    regular expression that ignores case.
    """

    code: str
    text: str
    hint: str
    shell: str
    pattern: str

    @property
    def remedy(self) -> str:
        """What to do where the person is."""
        return here(self.shell, self.hint)

    def advice(self) -> str:
        """What happened and what to do where the person is, on one line."""
        return f"{self.text} {self.remedy}"


PAGING = Cause(
    "memory",
    "Windows' paging file is too small.",
    "Close other programs, or let Windows manage the paging file's size (System > About > Advanced system settings > "
    "Performance > Advanced > Virtual memory), then press Retry.",
    "Close other programs, or let Windows manage the paging file's size (System > About > Advanced system settings > "
    "Performance > Advanced > Virtual memory), then sjc resume what was begun.",
    r"WinError 1455|os error 1455|paging file is too small",
)
MEMORY = Cause(
    "memory",
    "The computer or its graphics card ran out of memory.",
    "Close other programs or use Free GPU Memory, then press Retry to continue from the last checkpoint. If that is "
    "not enough, use Edit Settings to lower Grid or Views per Step or to choose a smaller model, and generate "
    "again.",
    "Close other programs, or lower --grid, --views-per-step or the model's size, then sjc resume what was begun.",
    r"\bMemoryError|out of memory|not enough memory|(cannot|can't|unable to|failed to) allocate memory|bad_alloc|"
    r"(CUBLAS|CUDNN|CUSOLVER|CUSPARSE)_STATUS_ALLOC_FAILED|Unable to allocate .{1,40} for an array|"
    r"insufficient memory|oom-kill|hipErrorOutOfMemory|\[Errno 12\]|os error 12\b|WinError 8\b|WinError 14\b",
)
DISK = Cause(
    "disk",
    "The disk is full.",
    "Free some disk space, then press Retry to continue from the last checkpoint; or choose another output folder and "
    "generate again.",
    "Free some disk space, then sjc resume what was begun; or choose another --out.",
    r"No space left on device|disk is full|disk quota|not enough space|\[Errno 28\]|os error 28\b|WinError 112\b|"
    r"os error 112\b",
)
DRIVER = Cause(
    "driver",
    "The NVIDIA driver is too old for the installed PyTorch, or does not work.",
    "Update the driver from NVIDIA's page and restart the computer; or press Install Backend and choose an older "
    "NVIDIA build of PyTorch, such as CU126.",
    "Update the driver from www.nvidia.com/drivers and restart the computer; or install a build of torch for an older "
    "CUDA, such as cu126.",
    r"NVIDIA driver on your system is too old|driver version is insufficient|Driver/library version mismatch|"
    r"unsupported display driver|couldn't communicate with the NVIDIA driver|PTX was compiled with an unsupported|"
    r"forward compatibility was attempted|no NVIDIA driver on your system",
)
CARD = Cause(
    "card",
    "The installed PyTorch has no kernels for this graphics card.",
    "Press Install Backend to get the build of PyTorch that fits the card (choose it there, or leave Automatic); or "
    "set Device to cpu, which is slow.",
    "Install the build of torch that fits the card; or use --device cpu, which is slow.",
    r"no kernel image is available|is not compatible with the current PyTorch installation|"
    r"PyTorch no longer supports this GPU|device kernel image is invalid|hipErrorNoBinaryForGpu|"
    r"invalid device function",
)
RUNTIME = Cause(
    "runtime",
    "Windows lacks a library that PyTorch needs: Microsoft's Visual C++ Redistributable.",
    "Press Get Visual C++, install it, restart Blender, and press Retry.",
    "Install it from https://aka.ms/vs/17/release/vc_redist.x64.exe, then try again.",
    r"WinError 126\b|WinError 1114\b|Visual C\+\+ Redistributable|(VCRUNTIME|MSVCP)140\S*\.dll|"
    r"DLL load failed while importing \S+: The specified module could not be found",
)
PROCESSOR = Cause(
    "processor",
    "This computer's processor lacks instructions that the installed packages need.",
    "Use a computer with a newer processor (one with AVX2); or build the packages for this one in an environment of "
    "your own, and press Use Existing Python.",
    "Use a computer with a newer processor (one with AVX2), or build the packages for this one.",
    r"illegal instruction|NumPy was built with baseline optimizations|CPU does not support .{0,20}AVX|"
    r"requires? a CPU with .{0,20}AVX",
)
VENV = Cause(
    "venv",
    "This Python cannot make environments: its module venv or ensurepip is missing.",
    "Install it in a terminal (Debian, Ubuntu: sudo apt install python3-venv), or let Install Backend use another "
    "Python, then press Install Backend again.",
    "Install it (Debian, Ubuntu: sudo apt install python3-venv), then try again.",
    r"ensurepip is not available|No module named '?(ensurepip|venv)\b|install the python3\S*-venv",
)
CERTIFICATE = Cause(
    "certificate",
    "A proxy in your network answers with a certificate of its own, which this program does not trust.",
    "Ask whoever runs the network for its certificate file, set the environment variables SSL_CERT_FILE and "
    "REQUESTS_CA_BUNDLE to its path, restart Blender, and try again.",
    "Ask whoever runs the network for its certificate file, set SSL_CERT_FILE and REQUESTS_CA_BUNDLE to its path, and "
    "try again.",
    r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|invalid peer certificate|UnknownIssuer|"
    r"self[- ]signed certificate|unable to get local issuer certificate",
)
CAUSES = (PAGING, MEMORY, DISK, DRIVER, CARD, RUNTIME, PROCESSOR, VENV, CERTIFICATE)
BY_CODE = {cause.code: cause for cause in reversed(CAUSES)} | {"memory": MEMORY}

_PATTERNS = tuple((re.compile(cause.pattern, re.IGNORECASE), cause) for cause in CAUSES)
_WINDOWS = {1455: PAGING, 8: MEMORY, 14: MEMORY, 112: DISK, 126: RUNTIME, 1114: RUNTIME}
_NUMBERS = {errno.ENOMEM: MEMORY, errno.ENOSPC: DISK, getattr(errno, "EDQUOT", errno.ENOSPC): DISK}
_EXITS = {
    0xC0000017: MEMORY,  # STATUS_NO_MEMORY
    0xC000012D: PAGING,  # STATUS_COMMITMENT_LIMIT
    0xC000007F: DISK,
    0xC000001D: PROCESSOR,  # STATUS_ILLEGAL_INSTRUCTION
    0xC0000135: RUNTIME,  # STATUS_DLL_NOT_FOUND
}


def of_text(text: str) -> Cause | None:
    """The first kind whose words are in the text."""
    return next((cause for pattern, cause in _PATTERNS if pattern.search(text)), None)


def of_lines(lines: Iterable[str]) -> Cause | None:
    """The kind that the last of these lines with any such words tells of."""
    return next((cause for line in reversed(list(lines)) if (cause := of_text(line))), None)


def of_exit(code: int) -> Cause | None:
    """The kind that an exit code tells of, as subprocess gives it: negative for a signal (137, 132: a shell's)."""
    if code in (-9, 137):
        return MEMORY  # what the kernel does to a process when memory runs out
    if code in (-getattr(signal, "SIGILL", 4), 132):
        return PROCESSOR
    return _EXITS.get(code & 0xFFFFFFFF)


def in_one_line(error: BaseException) -> tuple[str, str] | None:
    """(code, line) of an error; None for a bug, which keeps its traceback."""
    cause = of_error(error)
    if isinstance(error, SjcError):
        return cause.code if cause else "input", f"{error} {cause.remedy}" if cause and error.code else str(error)
    return (cause.code, cause.advice()) if cause else None


def of_error(error: BaseException) -> Cause | None:
    """The kind of an exception: by its type and number, then by its words, then by what caused it.

    An SjcError is written for a person, who may be quoted in it: only its code and what caused it count.
    """
    for link in chain(error):
        if isinstance(link, SjcError):
            cause = BY_CODE.get(link.code)
        elif isinstance(link, MemoryError) or type(link).__name__ == "OutOfMemoryError":
            cause = MEMORY
        else:
            numbers = _WINDOWS.get(getattr(link, "winerror", 0) or 0) or _NUMBERS.get(getattr(link, "errno", 0) or 0)
            cause = numbers or of_text(str(link))
        if cause:
            return cause
    return None


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it, each once. What was merely handled when it was raised is no cause."""
    visited: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in visited:
        visited.add(id(link))
        yield link
        link = link.__cause__
