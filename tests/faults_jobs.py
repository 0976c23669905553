"""Deliberate mistakes about jobs that are killed, held or robbed of their readers."""

from tests.faults import SJC, Fault

FAULTS = [
    Fault(
        "snapshots-lost-between-checkpoint-and-kill",
        f"{SJC}/job/run.py",
        "            writer.finish()  # a job that goes on from there makes no snapshot of an earlier step again\n",
        "",
        ("tests/backend/job/test_run.py::test_a_checkpoint_waits_for_the_snapshots_before_it",),
    ),
    Fault(
        "an-extra-takes-the-result-with-it",
        f"{SJC}/job/extras.py",
        "except Exception as error:",
        "except KeyError as error:",
        ("tests/backend/job/test_run.py::test_every_extra_may_fail_alone",),
    ),
    Fault(
        "a-killed-start-makes-a-folder-foreign",
        f"{SJC}/job/folder.py",
        "if not _TEMPORARY.fullmatch(name)}",
        "if name}",
        (
            "tests/backend/job/test_folder.py::test_a_folder_whose_job_file_was_being_written_is_no_strangers",
            "tests/backend/test_cli.py::test_a_batch_goes_on_with_a_folder_whose_job_file_was_being_written",
        ),
    ),
    Fault(
        "the-shell-takes-no-lock",
        f"{SJC}/job/locks.py",
        "        lock.take()\n    except Taken as error:\n        raise SjcError",
        "    except Taken as error:\n        raise SjcError",
        ("tests/backend/test_cli.py::test_a_folder_that_another_program_works_in_is_left_alone",),
    ),
    Fault(
        "a-reader-that-goes-away-ends-the-job",
        f"{SJC}/job/progress.py",
        "        except OSError:\n            mute(self.stream)",
        "        except KeyError:\n            mute(self.stream)",
        ("tests/backend/job/test_progress.py::test_events_end_with_their_reader",),
    ),
    Fault(
        "a-checkpoint-for-its-owner-alone",
        f"{SJC}/job/checkpoint.py",
        "            shutil.copymode(temporary, private / path.name)\n",
        "",
        ("tests/backend/job/test_checkpoint.py::test_a_checkpoint_has_the_rights_of_every_other_file",),
    ),
]
