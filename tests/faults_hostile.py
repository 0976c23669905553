"""Deliberate mistakes about files and workers that lie; see tests/faults.py."""

from tests.faults import MODELS, OUTPUT, SJC, Fault

FOLDER, ADDON = "tests/backend/job/test_hostile_folder.py", "tests/addon/test_hostile_files.py"
LIMITS = "tests/backend/models/test_config_limits.py"

FAULTS = [
    Fault(
        "linked-snapshots-are-ours",
        f"{SJC}/job/folder.py",
        "if foreign.kind(place) and place.resolve() !=",
        "if foreign.kind(place) and not place.resolve() !=",
        (f"{FOLDER}::test_linked_snapshots_are_neither_read_nor_removed_nor_written",),
    ),
    Fault(
        "a-field-is-unpacked-before-it-is-measured",
        f"{OUTPUT}/npz.py",
        "        field_archive.check_sizes(archive)\n",
        "",
        (f"{FOLDER}::test_a_field_is_measured_before_it_is_unpacked",),
    ),
    Fault(
        "a-large-field-packed-as-tightly-as-it-likes",
        f"{OUTPUT}/field_archive.py",
        "unpacked > TIGHTEST * packed",
        "unpacked > TIGHTEST * unpacked",
        (f"{FOLDER}::test_a_large_field_may_not_be_packed_tightly",),
    ),
    Fault(
        "a-checkpoint-after-the-last-step",
        f"{SJC}/optimize.py",
        "if not 0 <= float(step) <= s.steps:",
        "if not 0 <= float(step):",
        (f"{FOLDER}::test_a_checkpoint_beyond_the_job_is_refused_and_never_finished",),
    ),
    Fault(
        "nested-text-ends-in-a-traceback",
        f"{SJC}/foreign.py",
        "    except RecursionError:\n",
        "    except EOFError:\n",
        (f"{FOLDER}::test_odd_settings_are_one_line", f"{ADDON}::test_an_odd_list_is_one_line"),
    ),
    Fault(
        "one-bad-entry-takes-the-list-down",
        "sjc_blender/queue/queue_file.py",
        "    except (KeyError, TypeError, ValueError, SjcError):\n        return None\n",
        "    except KeyError:\n        return None\n",
        (f"{ADDON}::test_an_odd_entry_of_the_queue_leaves_the_others_in_place",),
    ),
    Fault(
        "a-worker-names-the-folder-of-its-snapshot",
        "sjc_blender/queue/queue_file.py",
        "npz = folder / job_folder.SNAPSHOTS / Path(path).name",
        "npz = Path(path).with_name(Path(path).name)",
        (f"{ADDON}::test_a_snapshot_of_another_folder_is_not_taken",),
    ),
    Fault(
        "a-message-without-sense-ends-the-queue",
        "sjc_blender/queue/queue.py",
        "except Exception:  # noqa: BLE001 (a worker that lies",
        "except KeyError:  # (a worker that lies",
        (f"{ADDON}::test_a_message_that_makes_no_sense_ends_its_job_alone",),
    ),
    Fault(
        "numbers-of-a-worker-as-large-as-it-likes",
        f"{SJC}/worker/protocol.py",
        "abs(value) > LARGEST_NUMBER",
        "abs(value) < 0",
        (f"{ADDON}::test_whatever_a_worker_says_the_reader_and_the_queue_go_on",),
    ),
    Fault(
        "the-log-follows-a-link",
        "sjc_blender/worker/process.py",
        "foreign.appended(log) as file",
        'log.open("ab") as file',
        (f"{ADDON}::test_a_log_that_is_a_link_or_a_pipe_is_not_written_to",),
    ),
    Fault(
        "a-history-elsewhere-is-removed",
        "sjc_blender/scene/history.py",
        "if folder.resolve() != folder.parent.resolve() / folder.name:",
        "if folder.resolve() == folder.parent.resolve():",
        (f"{ADDON}::test_a_history_that_lies_elsewhere_is_not_removed",),
    ),
    Fault(
        "more-layers-than-tensors",
        f"{MODELS}/config_limits.py",
        "if max([repeats * blocks, *layers]) > max(tensors, 1):",
        "if max([repeats * blocks, *layers]) < 0:",
        (f"{LIMITS}::test_a_part_that_its_weights_cannot_be_is_refused",),
    ),
    Fault(
        "ten-thousand-million-noise-levels",
        f"{MODELS}/config_limits.py",
        "MOST_TIMES = 100_000",
        "MOST_TIMES = 10**11",
        (f"{LIMITS}::test_a_part_that_its_weights_cannot_be_is_refused",),
    ),
]
