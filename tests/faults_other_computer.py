"""Deliberate mistakes in jobs on another computer."""

from tests.faults import SJC, Fault

REMOTE = f"{SJC}/remote"
PLAYED = "tests/addon/test_other_computer.py"
REAL = "tests/addon/test_ssh.py"
THERE = "tests/backend/remote/test_there.py"

FAULTS = [
    Fault(
        "a-lost-line-begins-the-job-anew",
        f"{REMOTE}/here.py",
        "settings=chosen, resume=job.begun)",
        "settings=chosen, resume=False)",
        (f"{REAL}::test_a_line_that_is_lost_is_made_again",),
    ),
    Fault(
        "a-lost-line-is-made-again-for-ever",
        f"{REMOTE}/here.py",
        "elif job.tries >= len(self.waits):",
        "elif job.tries >= 60 * len(self.waits):",
        (f"{PLAYED}::test_a_line_that_does_not_come_back",),
    ),
    Fault(
        "what-ssh-asks-is-waited-for",
        f"{REMOTE}/ssh.py",
        '"-o", "BatchMode=yes",',
        "",
        (f"{PLAYED}::test_a_job_from_beginning_to_end",),
    ),
    Fault(
        "a-host-is-read-as-an-option",
        f"{REMOTE}/ssh.py",
        r'r"[\w\[][',
        r'r"[-\w\[][',
        (f"{PLAYED}::test_no_host_is_taken_for_an_option",),
    ),
    Fault(
        "other-sources-there-are-used",
        f"{REMOTE}/check.py",
        "if digest != protocol.source_hash(package):",
        "if False:",
        (f"{PLAYED}::test_a_job_says_what_is_wrong_there",),
    ),
    Fault(
        "a-full-disk-there-is-met-in-the-middle",
        f"{REMOTE}/there.py",
        "if free < MIN_FREE:",
        "if False:",
        (f"{PLAYED}::test_a_job_says_what_is_wrong_there",),
    ),
    Fault(
        "a-file-that-only-we-have-is-not-missed",
        f"{REMOTE}/there.py",
        "if not foreign.kind(str(path)):",
        "if False:",
        (f"{PLAYED}::test_files_that_only_this_computer_has",),
    ),
    Fault(
        "the-other-computer-names-any-file",
        f"{REMOTE}/wire.py",
        "if not fits(name):",
        "if False:",
        (f"{THERE}::test_names_that_are_refused",),
    ),
    Fault(
        "a-damaged-file-gets-its-name",
        f"{REMOTE}/wire.py",
        'if self._stream is None or self._sum.hexdigest() != message["sha256"]:',
        "if self._stream is None:",
        (f"{THERE}::test_a_file_damaged_on_its_way_is_none",),
    ),
    Fault(
        "what-was-done-here-since-is-forgotten",
        f"{REMOTE}/there.py",
        'here_only = message["checkpoint"] not in ("", *self._checkpoints())',
        "here_only = False",
        (f"{THERE}::test_whoever_has_gone_on_counts",),
    ),
    Fault(
        "a-result-comes-before-its-files",
        f"{REMOTE}/there.py",
        'if kind in ("snapshot", "painted", "result", "done"):',
        'if kind in ("snapshot", "painted", "done"):',
        (f"{THERE}::test_a_job_that_finished_while_the_line_was_lost_is_sent",),
    ),
    Fault(
        "a-folder-is-made-after-its-first-file",
        f"{REMOTE}/there.py",
        'if kind in ("progress", "snapshot", "painted", "result") and not self._begun:',
        'if kind == "progress" and not self._begun:',
        (f"{THERE}::test_the_folder_here_is_made_before_the_first_file_arrives",),
    ),
    Fault(
        "the-only-copy-is-removed",
        f"{REMOTE}/there.py",
        "            if unread:",
        "            if not names:",
        (f"{THERE}::test_what_cannot_be_read_stays_there",),
    ),
    Fault(
        "two-lines-work-on-one-job",
        f"{REMOTE}/there.py",
        "        self._take_lock()\n        free",
        "        free",
        (f"{THERE}::test_two_lines_do_not_work_on_one_job",),
    ),
]
