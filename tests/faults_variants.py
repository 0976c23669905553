"""Deliberate mistakes about variants and words."""

from tests.faults import SJC, Fault

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
        "a-damaged-list-of-words-is-lost",
        "sjc_blender/words.py",
        "            with contextlib.suppress(OSError):\n                os.replace(self.path, aside)\n",
        "            with contextlib.suppress(OSError):\n                os.remove(self.path)\n",
        ("tests/addon/test_words.py::test_a_damaged_list_is_set_aside_and_named",),
    ),
]
