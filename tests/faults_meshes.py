"""Deliberate mistakes in the way from a field to its mesh."""

from tests.faults import OUTPUT, SJC, Fault

TEXTURING = f"{SJC}/texturing"

FAULTS = [
    Fault(
        "whatever-has-a-parent-is-sharpened",
        f"{SJC}/job/texture_run.py",
        "        guided = not self.settings.sharpen_colors\n",
        "        guided = not self.settings.parent\n",
        ("tests/backend/texturing/test_texture_job.py::test_a_parent_alone_sharpens_nothing",),
    ),
    Fault(
        "outlines-count-as-all-else",
        f"{TEXTURING}/consensus.py",
        "trust = torch.where(solid, TRUST[0], 0.0)",
        "return solid.float()",
        ("tests/backend/texturing/test_texture_job.py",),
    ),
    Fault(
        "a-start-brighter-than-the-model-draws",
        f"{TEXTURING}/shared_views.py",
        "present.colors.to(cover) * shade",
        "present.colors.to(cover)",
        ("tests/backend/texturing/test_texture_job.py",),
    ),
    Fault(
        "a-mirrored-object-is-textured-inside-out",
        "sjc_blender/scene/texturing.py",
        "x.reshape(-1, 3)[:, ::-1].reshape(-1)",
        "x",
        ("tests/blender/test_texture.py",),
    ),
    Fault(
        "guidance-to-the-lowest-level",
        f"{TEXTURING}/shared_views.py",
        "self.guided if sigma >= UNGUIDED else self.unguided",
        "self.guided",
        ("tests/backend/texturing/test_texture_job.py",),
    ),
    Fault(
        "corrections-reach-other-colours",
        f"{TEXTURING}/correction.py",
        "[position / REACH, color / ALIKE]",
        "[position / REACH, color]",
        ("tests/backend/texturing/test_texture_job.py::test_whole_colours_are_corrected_and_borders_stay",),
    ),
    Fault(
        "a-cancelled-preview-stays",
        "sjc_blender/live.py",
        """    elif kind == "done" and record.settings.surface:
""",
        """    elif False:
""",
        (
            "tests/blender/test_texture.py::test_a_mesh_is_seen_while_it_is_painted_and_a_cancelled_job_leaves_the_scene",
        ),
    ),
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
    Fault(
        "reducing-tears-thin-parts",
        f"{OUTPUT}/decimate.py",
        "return both & ~few",
        "return both | True",
        ("tests/backend/output/test_decimate.py::test_a_net_keeps_its_holes_and_more_faces_than_would_tear_it",),
    ),
    Fault(
        "the-librarys-torn-mesh-is-taken",
        f"{OUTPUT}/decimate.py",
        "if is_closed(fewer_corners) and",
        "if True or",
        ("tests/backend/output/test_decimate.py::test_what_the_library_tears_is_reduced_all_the_same",),
    ),
    Fault(
        "the-plate-counts-as-overhang",
        "backend/sjc/handover/printing.py",
        "area[over & ~on_plate]",
        "area[over]",
        ("tests/backend/handover/test_printing.py::test_a_cube_is_as_thick_as_its_edge_and_hangs_nowhere_over",),
    ),
    Fault(
        "an-edge-counts-as-a-wall",
        "backend/sjc/handover/printing.py",
        '(np.einsum("ni,ni->n", normals[other], inwards) > LEANING)',
        '(np.einsum("ni,ni->n", normals[other], inwards) > -2)',
        ("tests/backend/handover/test_printing.py::test_a_wedge_has_no_wall_at_its_edge",),
    ),
    Fault(
        "a-normal-map-upside-down",
        f"{OUTPUT}/tangents.py",
        "uv.astype(np.float64) * (1, -1)",
        "uv.astype(np.float64) * (1, 1)",
        ("tests/blender/test_glb_in_blender.py::test_baked_normals_in_blender_are_those_of_the_dense_mesh",),
    ),
    Fault(
        "a-sky-that-is-brightest-above",
        "backend/sjc/handover/detail_kernels.py",
        "radius = wp.sqrt(squared)",
        "radius = squared",
        ("tests/backend/handover/test_detail.py::test_the_middle_of_a_round_pit",),
    ),
    Fault(
        "stl-in-metres",
        "backend/sjc/handover/options.py",
        '"stl": "mm"',
        '"stl": "m"',
        ("tests/backend/handover/test_export.py::test_size_origin_and_faces",),
    ),
    Fault(
        "obj-texture-upside-down",
        f"{OUTPUT}/obj.py",
        "{1 - v:.6f}",
        "{v:.6f}",
        ("tests/backend/output/test_other_formats.py::test_obj_with_a_texture",),
    ),
]
