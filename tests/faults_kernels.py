"""Deliberate mistakes in the renderer's text for CUDA, noticed without a card."""

from tests.faults import FIELD, Fault

FAULTS = [
    Fault(
        "a-warp's-scan-begins-with-its-own-lane",
        f"{FIELD}/cpp/lanes.h",
        "x[0] = lane == 0 ? sum : join(sum, before);",
        "x[0] = join(sum, joined);",
        ("tests/backend/field/test_warps.py::test_collectives",),
    ),
    Fault(
        "a-warp-votes-with-idle-lanes",
        f"{FIELD}/cpp/lanes.h",
        "ones(ballot(lane < count && test(0)))",
        "ones(ballot(test(0)))",
        ("tests/backend/field/test_warps.py::test_collectives",),
    ),
    Fault(
        "a-warp's-sum-of-half-its-lanes",
        f"{FIELD}/cpp/lanes.h",
        "for (int away = 16; away > 0; away /= 2) x +=",
        "for (int away = 8; away > 0; away /= 2) x +=",
        ("tests/backend/field/test_warps.py::test_collectives",),
    ),
    Fault(
        "optical-depth-lost-between-chunks",
        f"{FIELD}/cpp/backward.h",
        "scan(T, count, pull.tau, 0.0f, plus);",
        "scan(T, count - 1, pull.tau, 0.0f, plus);",
        ("tests/backend/field/test_warps.py::test_warps_equal_the_reference",),
    ),
    Fault(
        "a-cell's-second-sample-not-added",
        f"{FIELD}/cpp/backward.h",
        "m < starts[one + 1]; ++m)",
        "m < starts[one] + 1; ++m)",
        ("tests/backend/field/test_warps.py::test_warps_equal_the_reference",),
    ),
    Fault(
        "a-warp-forgets-that-it-was-in-matter",
        f"{FIELD}/cpp/runs.h",
        "inside[0] = matter >> 31;",
        "inside[0] = 0;",
        ("tests/backend/field/test_warps.py::test_warps_skip_and_stop_where_a_cpu_does",),
    ),
    Fault(
        "kernels-compiled-for-any-card",
        f"{FIELD}/warp_launch.py",
        'wp.config.cuda_output = "cubin"',
        "wp.config.cuda_output = None",
        ("tests/backend/field/test_warps.py::test_a_card_gets_the_text_for_its_own_architecture",),
    ),
    Fault(
        "sums-in-any-order",
        f"{FIELD}/warp_launch.py",
        "by_warps(field.grid.device) and torch.are_deterministic_algorithms_enabled()",
        "False",
        ("tests/backend/field/test_warps.py::test_sums_in_order_are_the_same_for_rays_in_any_order",),
    ),
]
