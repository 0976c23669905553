"""Deliberate mistakes about jobs that are killed, held or robbed of their readers."""

from tests.faults import SJC, Fault

START = "tests/backend/job/test_start.py"
FAULTS = [
    Fault(
        "what-is-kept-has-a-gradient",
        f"{SJC}/field/start.py",
        "masked_fill_(~self.changeable[..., None], 0.0)",
        "masked_fill_(~self.changeable[..., None], 1e-9)",
        (f"{START}::test_all_outside_of_the_part_that_may_change_is_held_bit_by_bit",),
    ),
    Fault(
        "a-hole-in-a-block-out-is-a-tunnel",
        f"{SJC}/job/blockout.py",
        ".astype(np.int8) * closed[..., None]",
        ".astype(np.int8)",
        (f"{START}::test_pieces_that_overlap_or_have_holes_are_solid_where_they_stand",),
    ),
    Fault(
        "a-strangers-job-reads-any-file",
        f"{SJC}/job/run.py",
        "    inputs.check_inside(settings, folder)\n",
        "",
        ("tests/backend/job/test_inputs.py::test_a_strangers_folder_leads_nowhere_else",),
    ),
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
        f"{SJC}/output/files.py",
        "        shutil.copymode(temporary, private / temporary.name)\n",
        "",
        ("tests/backend/job/test_checkpoint.py::test_a_checkpoint_has_the_rights_of_every_other_file",),
    ),
    Fault(
        "a-linked-collection-takes-the-result",
        "sjc_blender/scene/collect.py",
        "if child.get(_MARK) and child.library is None and child.override_library is None:",
        "if child.get(_MARK):",
        ("tests/blender/test_nothing_lost.py::test_a_linked_or_overridden_collection_takes_no_result",),
    ),
    Fault(
        "what-blender-refuses-goes-unsaid",
        "sjc_blender/live.py",
        '        record.problem = Problem("bug", text, ',
        '        Problem("bug", text, ',
        ("tests/blender/test_nothing_lost.py::test_whatever_keeps_a_result_out_is_told_and_retry_brings_it_in",),
    ),
    Fault(
        "finished-before-the-mesh-is-read",
        "sjc_blender/queue/queue.py",
        "            if self.current and not self._ready(self.current, self._heard[0]):\n",
        "            if False:\n",
        ("tests/addon/test_queue.py::test_what_comes_after_a_message_that_is_not_ready_waits_with_it",),
    ),
    Fault(
        "a-mesh-is-read-by-blender-itself",
        "sjc_blender/live.py",
        'if message["type"] != "result" or bpy.app.background:',
        'if message["type"]:',
        ("tests/blender/test_live.py::test_a_mesh_is_read_beside_blender[5.0.1]",),
    ),
    Fault(
        "results-only-beside-the-blend",
        "sjc_blender/places.py",
        "return beside if beside and _can_write(beside) else general_folder()",
        "return beside or general_folder()",
        ("tests/blender/test_nothing_lost.py::test_a_blend_whose_folder_cannot_be_written_has_its_results_elsewhere",),
    ),
    Fault(
        "no-patience-with-a-cold-disk",
        "sjc_blender/worker/process.py",
        'self._loading = self._loading or type_ == "start"',
        "self._loading = False",
        ("tests/addon/test_process.py::test_a_job_that_loads_its_libraries_gets_more_time",),
    ),
    Fault(
        "fonts-are-listed-in-the-home-folder",
        f"{SJC}/machine/telemetry.py",
        '    "MPLCONFIGDIR": "matplotlib",\n',
        "",
        ("tests/e2e/test_nobody_is_called.py::test_a_whole_job_writes_its_folder_and_our_cache",),
    ),
]
