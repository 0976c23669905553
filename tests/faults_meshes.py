"""Deliberate mistakes in the way from a field to its mesh."""

from tests.faults import OUTPUT, Fault

FAULTS = [
    Fault(
        "one-density-marks-the-surface",
        f"{OUTPUT}/mesh.py",
        "values, iso, tau = surface.ratio, 1.0, surface.tau",
        "iso = tau = surface.tau",
        ("tests/backend/output/test_mesh.py",),
    ),
    Fault(
        "edges-have-the-level-of-flats",
        f"{OUTPUT}/edges.py",
        "1 - _largest_eigenvalue(*tensor) / total[near]",
        "0",
        ("tests/backend/output/test_surface_rule.py",),
    ),
    Fault(
        "density-itself-is-interpolated",
        f"{OUTPUT}/optical_depth.py",
        "return np.logaddexp(fine, np.float32(0), out=fine)",
        "return doubled(density)",
        ("tests/backend/output/test_surface_rule.py",),
    ),
    Fault(
        "speckles-of-colour-stay",
        f"{OUTPUT}/surface_color.py",
        "smooth = without_speckles(density, color, tau)",
        "smooth = color",
        ("tests/backend/output/test_surface_rule.py",),
    ),
    Fault(
        "cavities-stay-hollow",
        f"{OUTPUT}/level.py",
        "np.where((parts > 0) & (parts != parts[0, 0, 0]), np.float32(1), level)",
        "level",
        ("tests/backend/output/test_mesh.py::test_a_hollow_sphere_is_filled",),
    ),
    Fault(
        "mesh-half-a-voxel-aside",
        f"{OUTPUT}/mesh.py",
        "(vertices.astype(np.float64) - 0.5) * (2 / n)",
        "(vertices.astype(np.float64) - 1.0) * (2 / n)",
        ("tests/backend/output/test_mesh.py::test_volume_surface_and_normals_of_known_solids",),
    ),
    Fault(
        "colour-read-outside-the-surface",
        f"{OUTPUT}/surface_color.py",
        "- 0.5 - COLOR_DEPTH * normals",
        "- 0.5 + 4 * COLOR_DEPTH * normals",
        ("tests/backend/output/test_mesh.py::test_colour_at_the_surface_is_the_solids_own",),
    ),
]
