"""Deliberate mistakes about variants and words."""

from tests.faults import SJC, Fault

IN_BLENDER, BLOCKOUT = "tests/blender/test_variants.py", "tests/blender/test_blockout.py"

FAULTS = [
    Fault(
        "views-of-several-jobs-change-places",
        f"{SJC}/variants/side_by_side.py",
        "torch.cat([question.by_view(question.x) for question in questions], 1)",
        "torch.cat([question.by_view(question.x) for question in questions], 0)",
        ("tests/backend/variants/test_variants.py::test_a_variant_is_to_the_bit_what_it_is_alone_in_one_call_for_all",),
    ),
    Fault(
        "clearing-takes-what-somebody-goes-on-with",
        f"{SJC}/variants/plan.py",
        "            if untouched(folder):\n",
        "            if folder.is_dir():\n",
        (
            "tests/backend/variants/test_variants.py::test_one_taken_to_full_length_is_the_whole_job_and_clearing_leaves_it",
        ),
    ),
    Fault(
        "one-taken-leaves-the-others",
        "sjc_blender/variants.py",
        "    if not keep_others:\n",
        "    if keep_others:\n",
        (f"{IN_BLENDER}::test_variants_are_a_row_and_a_click_takes_one_and_removes_the_others",),
    ),
    Fault(
        "one-taken-removes-those-of-another-press",
        "sjc_blender/variants.py",
        "if other.folder.parent == record.folder.parent",
        "if other",
        (f"{IN_BLENDER}::test_variants_are_a_row_and_a_click_takes_one_and_removes_the_others",),
    ),
    Fault(
        "variants-lose-the-block-outs-front",
        f"{SJC}/variants/making.py",
        "                placement.write(folder, stands)\n",
        "                pass\n",
        (
            "tests/backend/variants/test_variants.py::test_a_variant_that_somebody_goes_on_with_or_that_is_damaged_is_not_cleared",
        ),
    ),
    Fault(
        "a-job-starts-before-its-files-are-there",
        "sjc_blender/queue/queue.py",
        "(job.preparation and not job.preparation.done)",
        "(job.preparation and False)",
        ("tests/addon/test_queue.py::test_a_job_waits_for_its_preparation_and_fails_with_it_and_retry_does_it_again",),
    ),
    Fault(
        "stopped-variants-are-made-all-the-same",
        "sjc_blender/queue/cluster.py",
        "any(job.state is not State.STOPPING for job in self.jobs)",
        "self.jobs",
        (
            "tests/addon/test_variants.py::test_variants_wait_for_their_preparation_and_one_that_is_stopped_meanwhile_makes_nothing",
        ),
    ),
    Fault(
        "a-sheared-object-has-a-front",
        "sjc_blender/scene/blockout.py",
        "upright = square and ",
        "upright = ",
        (f"{BLOCKOUT}::test_odd_meshes_are_read_as_they_stand",),
    ),
    Fault(
        "a-loose-point-makes-a-block-out-larger",
        "sjc_blender/scene/parts.py",
        "        used[self.corners] = True\n",
        "        used[:] = True\n",
        (f"{BLOCKOUT}::test_odd_meshes_are_read_as_they_stand",),
    ),
    Fault(
        "modifiers-are-evaluated-before-the-limit",
        "sjc_blender/scene/blockout.py",
        "if (count := triangles_of(item.data)) >= MOST_FACES:",
        "if (count := triangles_of(item.data)) > MOST_FACES:",
        (f"{BLOCKOUT}::test_what_cannot_be_a_start_is_refused_and_the_scene_stays",),
    ),
    Fault(
        "a-damaged-list-of-words-is-lost",
        "sjc_blender/words.py",
        "            with contextlib.suppress(OSError):\n                os.replace(self.path, aside)\n",
        "            with contextlib.suppress(OSError):\n                os.remove(self.path)\n",
        ("tests/addon/test_words.py::test_a_damaged_list_is_set_aside_and_named",),
    ),
]
