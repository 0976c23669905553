"""Deliberate mistakes in the experiments; see tests/faults.py."""

from tests.faults import Fault

HERE = "tests/backend/experiments/test_experiments.py"
ROWS = "tests/backend/experiments/test_experiment_rows.py"
COMPARE = "tests/backend/experiments/test_experiment_compare.py"
EXPERIMENTS = "backend/sjc/experiments"

FAULTS = [
    Fault(
        "a-claim-holds-the-wrong-way-round",
        "experiments/compare.py",
        "(mean(differences(record, a, b, key)) > 0) == MEASURES[key].more",
        "(mean(differences(record, b, a, key)) > 0) == MEASURES[key].more",
        (f"{COMPARE}::test_a_variant_beats_another_only_where_the_pairs_can_tell",),
    ),
    Fault(
        "seeds-are-taken-for-objects",
        "experiments/compare.py",
        "return page.apart(by_object(record, a, b, key))",
        "return page.apart(differences(record, a, b, key))",
        (f"{COMPARE}::test_seeds_of_one_object_are_no_objects",),
    ),
    Fault(
        "pages-are-never-written-anew",
        f"{EXPERIMENTS}/harness.py",
        'page.write(experiment, {**record, "question": experiment.question}, out)',
        "pass",
        (f"{HERE}::test_a_page_is_written_anew_from_its_record_without_measuring",),
    ),
    Fault(
        "a-cell-of-other-code-is-kept",
        f"{EXPERIMENTS}/harness.py",
        '"measured" in cell and {key: cell.get(key) for key in known} == known',
        '"measured" in cell',
        (f"{HERE}::test_what_is_not_the_cell_is_measured_anew",),
    ),
    Fault(
        "cells-are-never-kept",
        f"{EXPERIMENTS}/harness.py",
        "settings = json.loads(json.dumps(cell.settings))",
        "settings = cell.settings",
        (f"{HERE}::test_a_finished_cell_is_not_computed_again",),
    ),
    Fault(
        "blob's-sigma-not-scaled",
        f"{EXPERIMENTS}/ood.py",
        "return PAPER_SIGMA * size / PAPER_SIZE",
        "return PAPER_SIGMA",
        (f"{HERE}::test_sigma_scales_with_the_picture",),
    ),
    Fault(
        "frechet-forgets-a-covariance",
        "experiments/sample2d.py",
        "- 2 * shared",
        "- shared",
        (f"{ROWS}::test_is_the_formula_with_the_root_of_the_matrix",),
    ),
    Fault(
        "less-is-taken-for-worse",
        "experiments/compare.py",
        '"offset of the centroid", "|c - c*|, offset of the centroid", False)',
        '"offset of the centroid", "|c - c*|, offset of the centroid", True)',
        (f"{COMPARE}::test_less_is_better_where_it_is",),
    ),
    Fault(
        "sds-weight-upside-down",
        "backend/sjc/guidance/paas.py",
        "return sigma / (1 + sigma**2)",
        "return 1 / (1 + sigma**2)",
        ("tests/backend/guidance/test_paas.py::test_sds_weight_is_one_minus_abar_on_the_noise_prediction",),
    ),
]
