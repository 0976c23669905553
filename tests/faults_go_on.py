"""Deliberate mistakes about going on from a result, and about reference pictures."""

from tests.faults import FIELD, SJC, Fault

REFINE = "tests/backend/job/test_refine.py"
REFERENCE = "tests/backend/appearance/test_reference.py"

FAULTS = [
    Fault(
        "a-refinement-begins-from-nothing",
        f"{SJC}/optimize.py",
        "            finished.put_into(self.field)\n",
        "            pass\n",
        (f"{REFINE}::test_refining_starts_from_the_finished_field_and_names_the_parent",),
    ),
    Fault(
        "what-a-refinement-keeps-goes-through-coarse-grids",
        f"{SJC}/optimize.py",
        "is_block_out(settings.start) or settings.keep else",
        "is_block_out(settings.start) else",
        (f"{REFINE}::test_other_words_change_only_what_lies_inside_of_a_part",),
    ),
    Fault(
        "the-part-to-change-stands-where-the-result-does-not",
        "sjc_blender/scene/blockout.py",
        "frame = own @ result.matrix_world.inverted_safe()",
        "frame = own",
        ("tests/blender/test_go_on.py::test_a_result_is_refined_and_reworded_from_history_and_from_its_mesh",),
    ),
    Fault(
        "another-density-shift-goes-the-wrong-way",
        f"{FIELD}/finished.py",
        "(self.density_shift - field.density_shift)",
        "(field.density_shift - self.density_shift)",
        (f"{REFINE}::test_a_finer_grid_goes_on_from_the_same_density",),
    ),
    Fault(
        "the-density-scale-moves-with-the-colors",
        f"{SJC}/optimize.py",
        "lerp_(before[1], 1 - self.settings.density_rate)",
        "lerp_(before[1], 0.0)",
        (f"{REFINE}::test_other_words_hold_the_shape_and_colors_move",),
    ),
    Fault(
        "right-is-left",
        f"{SJC}/picture_text.py",
        '"right": (90.0, 0.0)',
        '"right": (270.0, 0.0)',
        (f"{REFERENCE}::test_views_are_the_cameras_that_they_name",),
    ),
    Fault(
        "the-background-of-a-picture-pulls-too",
        f"{FIELD}/picture_terms.py",
        "(target[:, -1:] * difference.square())",
        "difference.square()",
        (f"{REFERENCE}::test_the_terms_gradients_are_those_of_their_formulas",),
    ),
    Fault(
        "half-covered-pixels-are-dark",
        f"{SJC}/appearance/reference.py",
        "rgb / covered.clamp(min=1e-3)",
        "rgb",
        (f"{REFERENCE}::test_half_covered_pixels_have_the_objects_colour",),
    ),
]
