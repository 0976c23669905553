"""Deliberate mistakes that the tests must catch: `python3 build.py faults` makes them one at a time in a copy.

Each is a mistake that somebody could make, or has made: a swapped axis, a lost half voxel, a wrong sign. One that
survives is a hole in the tests, to be closed there and never here. One whose text no longer matches (tests/house asks
that it stand exactly once) is rewritten for the new code.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One mistake: in `file`, `old` becomes `new`, and at least one of `tests` (pytest node ids) must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


SJC = "backend/sjc"
FIELD, GUIDANCE, MODELS, OUTPUT = (f"{SJC}/{room}" for room in ("field", "guidance", "models", "output"))
PARITY = "tests/backend/test_parity.py"
LOOP = "tests/backend/test_optimize.py"
PAAS = "tests/backend/guidance/test_paas.py"
REGULAR = "tests/backend/field/test_regularizers.py"
LOADING = "tests/backend/models/test_loading.py"
FAMILIES = "tests/backend/models/test_families.py"

FAULTS = [
    # ------------------------------------------------------------------------------------------------- cameras and rays
    Fault(
        "azimuth-turns-the-other-way",
        f"{FIELD}/cameras.py",
        "backward = torch.stack([e.cos() * a.sin(),",
        "backward = torch.stack([-e.cos() * a.sin(),",
        (f"{PARITY}::test_oblique_camera_matrix",),
    ),
    Fault(
        "rays-through-pixel-corners",
        f"{FIELD}/cameras.py",
        "- (width - 1) / 2",
        "- width / 2",
        (f"{PARITY}::test_init_render",),
    ),
    Fault(
        "elevation-even-in-degrees",
        f"{FIELD}/cameras.py",
        "torch.rad2deg(torch.asin((low + (high - low) * u[0].double()).clamp(-1, 1)))",
        "prior.elevation_min + (prior.elevation_max - prior.elevation_min) * u[0].double()",
        ("tests/backend/field/test_cameras.py::test_sampled_cameras_follow_the_prior",),
    ),
    # ----------------------------------------------------------------------------------------------- field and renderer
    Fault(
        "coarse-to-fine-from-corner-to-corner",
        f"{FIELD}/grid.py",
        'mode="trilinear", align_corners=False',
        'mode="trilinear", align_corners=True',
        ("tests/backend/field/test_grid.py::test_resample_keeps_constants_and_linear_functions",),
    ),
    Fault(
        "axes-swapped-in-the-lookup",
        f"{FIELD}/render_reference.py",
        "points.flip(-1)[None",
        "points[None",
        (f"{PARITY}::test_tiny_render_and_gradients",),
    ),
    Fault(
        "half-a-voxel-lost-in-the-lookup",
        f"{FIELD}/render_reference.py",
        'padding_mode="zeros", align_corners=False',
        'padding_mode="zeros", align_corners=True',
        (f"{PARITY}::test_tiny_render_and_gradients",),
    ),
    Fault(
        "half-a-voxel-lost-in-the-centres",
        f"{FIELD}/grid.py",
        "(torch.arange(size, dtype=dtype) + 0.5)",
        "torch.arange(size, dtype=dtype)",
        (f"{PARITY}::test_tiny_render_and_gradients",),
    ),
    Fault(
        "fog-beyond-the-box",
        f"{FIELD}/render_reference.py",
        "field.density_shift) * inside",
        "field.density_shift)",
        (f"{PARITY}::test_init_render",),
    ),
    Fault(
        "emptiness-of",
        f"{FIELD}/render_reference.py",
        "torch.log1p(beta * w)",
        "torch.log1p(0 * w)",
        (f"{PARITY}::test_init_render",),
    ),
    Fault(
        "background-at-another-distance",
        f"{FIELD}/render_reference.py",
        "BACKGROUND_DISTANCE = 10.0",
        "BACKGROUND_DISTANCE = 5.0",
        (f"{PARITY}::test_init_render",),
    ),
    Fault(
        "emptiness-never-rises",
        f"{FIELD}/regularizers.py",
        "if step >= switch * steps",
        "if step > steps",
        (f"{REGULAR}::test_emptiness_weight_jumps_at_the_switch",),
    ),
    Fault(
        "centre-pushed-away",
        f"{FIELD}/regularizers.py",
        "(border_mean - center.mean((-2, -1)))",
        "(center.mean((-2, -1)) - border_mean)",
        (f"{REGULAR}::test_center_depth_pulls_the_center_nearer",),
    ),
    Fault(
        "kernels-forget-what-lies-behind",
        f"{FIELD}/warp_march.py",
        "sum += behind[m];",
        "sum += 0.0f;",
        (f"{PARITY}::test_tiny_render_and_gradients",),
    ),
    # ------------------------------------------------------------------------------------------------------------ score
    Fault(
        "score-downhill",
        f"{GUIDANCE}/paas.py",
        "(denoised - (x if var_red else z))",
        "((x if var_red else z) - denoised)",
        (f"{PAAS}::test_golden_mean_and_spread",),
    ),
    Fault(
        "variance-reduction-swapped",
        f"{GUIDANCE}/paas.py",
        "(x if var_red else z)",
        "(z if var_red else x)",
        (f"{PAAS}::test_golden_mean_and_spread",),
    ),
    Fault(
        "inverse-square-weight",
        f"{GUIDANCE}/paas.py",
        "return 1 / sigma\n",
        "return 1 / sigma**2\n",
        (f"{PAAS}::test_golden_mean_and_spread",),
    ),
    Fault(
        "views-and-noises-in-the-wrong-order",
        f"{GUIDANCE}/paas.py",
        "told.repeat(draws)",
        "told.repeat_interleave(draws)",
        (f"{PAAS}::test_the_batch_repeats_the_views",),
    ),
    Fault(
        "snapped-to-the-farther-tick",
        f"{GUIDANCE}/schedules.py",
        "torch.where(nearer_below, above - 1, above)",
        "torch.where(nearer_below, above, above - 1)",
        ("tests/backend/guidance/test_schedules.py::test_snap_is_the_nearest",),
    ),
    Fault(
        "annealing-from-low-to-high",
        f"{GUIDANCE}/schedules.py",
        "(1 - progress) * math.log(high) + progress * math.log(low)",
        "(1 - progress) * math.log(low) + progress * math.log(high)",
        ("tests/backend/guidance/test_schedules.py::test_annealed_law_is_log_linear",),
    ),
    Fault(
        "guidance-away-from-the-prompt",
        f"{MODELS}/text_denoiser.py",
        "output_u + guidance * direction",
        "output_c - guidance * direction",
        (f"{LOADING}::test_guidance_in_eps_space_is_guidance_in_d_space",),
    ),
    Fault(
        "halves-of-the-guided-batch-swapped",
        f"{MODELS}/text_denoiser.py",
        "torch.cat([0 * rows, rows])",
        "torch.cat([rows, 0 * rows])",
        (f"{LOADING}::test_guidance_in_eps_space_is_guidance_in_d_space",),
    ),
    Fault(
        "sign-of-v",
        f"{MODELS}/text_denoiser.py",
        "x / (1 + s**2) - s / (1 + s**2).sqrt() * output",
        "x / (1 + s**2) + s / (1 + s**2).sqrt() * output",
        (f"{LOADING}::test_equals_the_schedulers_own_denoised_sample",),
    ),
    Fault(
        "input-not-scaled-for-the-model",
        f"{MODELS}/text_denoiser.py",
        "noised / (1 + s**2).sqrt()",
        "noised",
        (f"{LOADING}::test_equals_the_schedulers_own_denoised_sample",),
    ),
    Fault(
        "quadrants-of-the-view-words-turned",
        f"{GUIDANCE}/prompts.py",
        "(azimuth_deg + 45) / 90",
        "azimuth_deg / 90",
        ("tests/backend/guidance/test_prompts.py::test_released_prefixes",),
    ),
    Fault(
        "flow-denoised-as-if-variance-preserving",
        f"{MODELS}/text_denoiser.py",
        "            return (x - s * output) / (1 + s)\n",
        "            return x - s * output\n",
        (FAMILIES,),
    ),
    Fault(
        "sdxl-last-states-instead-of-the-penultimate",
        f"{MODELS}/text_encoders.py",
        "output.hidden_states[-2]",
        "output.hidden_states[-1]",
        (FAMILIES,),
    ),
    Fault(
        "sdxl-empty-negative-prompt-encoded",
        f"{MODELS}/prompt_encoder.py",
        "        return found.zeros() if self.zero_empty and not negative else found\n",
        "        return found\n",
        (FAMILIES,),
    ),
    Fault(
        "flux-rows-and-columns-swapped",
        f"{MODELS}/networks.py",
        "for n in (1, rows, columns)))",
        "for n in (1, rows, columns)))[:, [0, 2, 1]]",
        (FAMILIES,),
    ),
    Fault(
        "pickle-read-with-programs",
        f"{SJC}/models/convert.py",
        'map_location="cpu", weights_only=True)',
        'map_location="cpu", weights_only=False)',
        ("tests/backend/models/test_convert.py",),
    ),
    # --------------------------------------------------------------------------------------------------- loop and job
    Fault(
        "gradient-of-the-score-turned-round",
        f"{SJC}/optimize.py",
        "loss = -(y * g).sum() / views",
        "loss = (y * g).sum() / views",
        (f"{LOOP}::test_the_gradient_on_the_render_is_minus_the_score_over_the_views",),
    ),
    Fault(
        "gradient-not-averaged-over-views",
        f"{SJC}/optimize.py",
        "loss = -(y * g).sum() / views",
        "loss = -(y * g).sum()",
        (f"{LOOP}::test_the_gradient_on_the_render_is_minus_the_score_over_the_views",),
    ),
    Fault(
        "emptiness-weight-of-the-first-step-for-ever",
        f"{SJC}/optimize.py",
        "            self.step, s.steps, s.emptiness_weight",
        "            0, s.steps, s.emptiness_weight",
        (f"{LOOP}::test_emptiness_weighs_more_after_the_switch",),
    ),
    Fault(
        "resume-forgets-the-random-state",
        f"{SJC}/optimize.py",
        'self.generator.set_state(tensors["generator"])',
        "self.generator.get_state()",
        (f"{LOOP}::test_stopped_and_resumed_equals_uninterrupted",),
    ),
    Fault(
        "resume-forgets-the-moments",
        f"{SJC}/optimize.py",
        'self.optimizer.load_state_dict({"state": states, "param_groups": groups})',
        'self.optimizer.load_state_dict({"state": {}, "param_groups": groups})',
        (f"{LOOP}::test_stopped_and_resumed_equals_uninterrupted",),
    ),
    Fault(
        "nan-goes-unseen",
        f"{SJC}/optimize.py",
        "if not math.isfinite(total):",
        "if total == math.inf:",
        (f"{LOOP}::test_nan_in_the_field_stops_the_step",),
    ),
    Fault(
        "snapshot-numbers-from-two-on",
        f"{SJC}/job/run.py",
        '        number = files.next_snapshot(self.folder / "snapshots")\n',
        '        number = files.next_snapshot(self.folder / "snapshots") + 1\n',
        ("tests/backend/job/test_run.py::test_snapshots_past_the_checkpoint_are_made_again_without_gaps",),
    ),
    Fault(
        "snapshot-of-a-later-step",
        f"{SJC}/job/run.py",
        "copy.deepcopy(run.field)",
        "run.field",
        (
            "tests/backend/job/test_background.py::test_a_snapshot_is_the_field_of_its_step_though_steps_go_on",
        ),
    ),
    Fault(
        "an-error-beside-the-steps-goes-unseen",
        f"{SJC}/job/background.py",
        "            last.result()\n",
        "            last.exception()\n",
        ("tests/backend/job/test_background.py::test_an_error_comes_out_once_where_it_is_waited_for",),
    ),
    Fault(
        "a-note-is-told-after-every-step",
        f"{SJC}/job/run.py",
        "        self.heard = len(notes)\n",
        "",
        ("tests/backend/job/test_run.py::test_what_the_model_notes_is_a_warning_once_whenever_it_comes",),
    ),
    Fault(
        "a-side-stream-begins-at-once",
        f"{SJC}/job/background.py",
        "                stream.wait_event(queued)\n",
        "",
        (
            "tests/backend/job/test_background.py::test_on_cuda_a_stream_of_its_own_begins_after_what_was_queued",
        ),
    ),
    Fault(
        "a-checkpoint-lacks-the-numbers-of-steps-under-way",
        f"{SJC}/job/run.py",
        "                    tell(0)  # the history is in the checkpoint\n",
        "",
        (
            "tests/backend/job/test_background.py::test_numbers_of_steps_that_are_under_way_are_told_later_and_none_is_lost",
        ),
    ),
    Fault(
        "resume-keeps-snapshots-past-the-checkpoint",
        f"{SJC}/job/run.py",
        'int(meta.get("step", 0)) > step or',
        "False or",
        ("tests/backend/job/test_run.py::test_snapshots_past_the_checkpoint_are_made_again_without_gaps",),
    ),
    Fault(
        "overwrite-takes-foreign-folders",
        f"{SJC}/job/run.py",
        'if names and "job.json" not in names:',
        'if names and not settings.overwrite and "job.json" not in names:',
        ("tests/backend/job/test_run.py::test_used_folders_are_left_alone",),
    ),
    Fault(
        "result-cleared-before-the-prompt-is-read",
        f"{SJC}/cli.py",
        "                job.load()\n                prepare_folder(folder, settings)\n",
        "                prepare_folder(folder, settings)\n                job.load()\n",
        ("tests/backend/test_cli.py::test_results_are_never_lost",),
    ),
    Fault(
        "colour-made-linear-twice",
        f"{SJC}/job/export.py",
        "linear = srgb_to_linear(painted(",
        "linear = (lambda x: srgb_to_linear(srgb_to_linear(x)))(painted(",
        ("tests/backend/job/test_export.py::test_colour_is_the_linear_albedo",),
    ),
    Fault(
        "mean-shade-left-in-the-files",
        f"{SJC}/output/colour.py",
        "/ (2 * mean_shade)",
        "/ 2",
        ("tests/backend/job/test_export.py::test_colour_is_the_linear_albedo",),
    ),
    Fault(
        "mean-shade-left-in-the-pictures",
        f"{SJC}/job/export.py",
        "rgb = seen.color @ mixed[:-1]",
        "rgb = seen.color @ (0.8 * mixed[:-1])",
        ("tests/backend/job/test_export.py::test_a_picture_shows_albedo_before_paper",),
    ),
    # ----------------------------------------------------------------------------------------------------------- output
    Fault(
        "what-should-be-solid-is-carved-too",
        f"{SJC}/field/regularizers.py",
        "(slope.clamp(min=0) * (1 - opacity)",
        "(slope.abs() * (1 - opacity)",
        (f"{REGULAR}::test_carving_leaves_alone_what_the_score_wants_more_solid",),
    ),
    Fault(
        "carving-damped-like-the-score",
        f"{SJC}/field/regularizers.py",
        "(1 - opacity).clamp(min=eps).log()).sum()",
        "(1 - opacity)).sum()",
        (f"{REGULAR}::test_carving_pulls_optical_depth_with_the_slope_of_opacity_and_no_damping",),
    ),
    Fault(
        "one-density-marks-the-surface",
        f"{OUTPUT}/mesh.py",
        "values, iso, tau = found.depth, found.level, found.tau",
        "iso = tau = found.tau",
        ("tests/backend/output/test_mesh.py",),
    ),
    Fault(
        "decoded-views-laid-on-upside-down",
        f"{OUTPUT}/bake.py",
        "middle - focal * up / along",
        "middle + focal * up / along",
        ("tests/backend/output/test_bake.py", "tests/backend/appearance/test_latent.py"),
    ),
    Fault(
        "the-round-trip-s-loss-is-taken-away-once-more",
        f"{SJC}/appearance/latent.py",
        "rgb + GAIN * smooth",
        "rgb - GAIN * smooth",
        ("tests/backend/appearance/test_latent.py::test_what_the_round_trip_takes_away_is_put_back",),
    ),
    Fault(
        "the-finer-of-views-and-volume-counts-less",
        f"{SJC}/appearance/latent.py",
        "share * baked + (1 - share) *",
        "(1 - share) * baked + share *",
        ("tests/backend/appearance/test_latent.py::test_views_and_volume_share_by_what_they_resolve",),
    ),
    Fault(
        "latents-behind-the-field-are-raw-colours",
        f"{SJC}/optimize.py",
        "values = self.backdrop(color) if self.backdrop else color * 2 - 1",
        "values = color * 2 - 1",
        ("tests/backend/appearance/test_latent_job.py::test_what_stands_behind_a_latent_field",),
    ),
    Fault(
        "cavities-stay-hollow",
        f"{OUTPUT}/mesh.py",
        "np.where(cavity, np.float32(1), level)",
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
        f"{OUTPUT}/mesh.py",
        "- 0.5 - COLOR_DEPTH * normals",
        "- 0.5 + 4 * COLOR_DEPTH * normals",
        ("tests/backend/output/test_mesh.py::test_colour_at_the_surface_is_the_solids_own",),
    ),
    Fault(
        "mesh-file-not-turned-up",
        f"{OUTPUT}/glb.py",
        "[points[:, 0], points[:, 2], -points[:, 1]]",
        "[points[:, 0], points[:, 2], points[:, 1]]",
        ("tests/backend/output/test_glb.py::test_up_is_y_and_the_frame_keeps_its_hand",),
    ),
    Fault(
        "mesh-colour-encoded-twice",
        f"{OUTPUT}/glb.py",
        "color[:, :3] = np.clip(mesh.colors, 0, 1)",
        "color[:, :3] = np.clip(mesh.colors, 0, 1) ** (1 / 2.2)",
        ("tests/backend/output/test_glb.py::test_colour_is_linear_and_finer_than_eight_bits",),
    ),
    Fault(
        "leaves-of-the-volume-transposed",
        f"{OUTPUT}/vdb.py",
        "transpose(0, 2, 4, 1, 3, 5, *tail)",
        "transpose(0, 2, 4, 3, 1, 5, *tail)",
        ("tests/backend/output/test_vdb.py::test_any_block_comes_back",),
    ),
    Fault(
        "empty-voxels-tint-a-live-volume",
        f"{OUTPUT}/vdb.py",
        "_block_sums(values * density[..., None], step) / np.maximum(mass, 1e-12)[..., None]",
        "_block_sums(values, step) / step**3",
        ("tests/backend/output/test_vdb.py::test_coarser_blocks_are_means_where_they_were",),
    ),
    Fault(
        "coarser-voxels-half-a-voxel-off",
        f"{OUTPUT}/vdb.py",
        "low + edge / 2",
        "low + voxel / 2",
        ("tests/backend/output/test_vdb.py::test_coarser_blocks_are_means_where_they_were",),
    ),
    Fault(
        "gamma-without-its-foot",
        f"{OUTPUT}/colour.py",
        "size <= 0.04045",
        "size <= 0",
        ("tests/backend/output/test_colour.py",),
    ),
    Fault(
        "files-half-written-in-place",
        f"{OUTPUT}/files.py",
        "yield temporary\n",
        "yield path\n",
        ("tests/backend/output/test_files.py::test_a_failed_write_keeps_what_was_there",),
    ),
    Fault(
        "a-thread's-gradient-forgotten",
        f"{FIELD}/warp_source.py",
        "to[i] += from[i];",
        "to[i] += 0.0f;",
        ("tests/backend/field/test_render_warp.py::test_threads_share_the_rays_and_lose_nothing",),
    ),
    Fault(
        "fog-in-the-half-voxel-outside-overlooked",
        f"{FIELD}/warp_source.py",
        "(faded > largest ? faded : largest) >= threshold",
        "largest >= threshold",
        ("tests/backend/field/test_render_warp.py::test_blocks_are_clear_exactly_where_they_say",),
    ),
    Fault(
        "a-sample-jumped-over",
        f"{FIELD}/warp_runs.py",
        "(int)nearest + 1)",
        "(int)nearest + 2)",
        ("tests/backend/field/test_render_warp.py::test_runs_are_the_samples_in_occupied_blocks",),
    ),
    Fault(
        "runs-that-found-no-room-forgotten",
        f"{FIELD}/render_warp.py",
        "if width == most or int(needed.max()) < width:",
        "if True:",
        (
            "tests/backend/field/test_render_warp.py::test_rays_with_more_runs_than_there_is_room_for_at_first",
        ),
    ),
    Fault(
        "the-way-back-skips-a-run's-last-sample",
        f"{FIELD}/warp_walk.py",
        "wp::min(ray.k, ray.run[1] - 1)",
        "wp::min(ray.k, ray.run[1] - 2)",
        ("tests/backend/field/test_render_warp.py::test_the_way_back_visits_the_same_samples",),
    ),
    Fault(
        "a-launch-keeps-its-tensors",
        f"{FIELD}/warp_launch.py",
        "array._ref = None",
        "array.kept = None",
        (
            "tests/backend/field/test_render_warp.py::test_a_launch_made_again_keeps_no_tensor_and_takes_no_gaps",
        ),
    ),
    Fault(
        "errors-in-other-threads-unheard",
        f"{FIELD}/warp_launch.py",
        "ended.put(error)",
        "ended.put(None)",
        (
            "tests/backend/field/test_render_warp.py::test_what_goes_wrong_in_a_thread_is_raised_when_all_have_ended",
        ),
    ),
    Fault(
        "lora-weight-forgotten",
        f"{MODELS}/lora.py",
        "module.fuse_lora(lora_scale=weight)",
        "module.fuse_lora()",
        ("tests/backend/models/test_lora.py::test_weight_0_is_no_lora_exactly",),
    ),
    Fault(
        "lora-laid-over-in-part",
        f"{MODELS}/lora.py",
        "    if placed != sum(",
        "    if placed > sum(",
        ("tests/backend/models/test_lora.py::test_what_diffusers_would_take_in_part_is_refused",),
    ),
    Fault(
        "negatives-drawn-near",
        f"{GUIDANCE}/perp_neg.py",
        "direction.index_add(0, images, parts, alpha=-1)",
        "direction.index_add(0, images, parts)",
        ("tests/backend/guidance/test_perp_neg.py::test_what_is_added_in_closed_form",),
    ),
    Fault(
        "negatives-not-perpendicular",
        f"{GUIDANCE}/perp_neg.py",
        "parts = weights * perpendicular(negative, direction[images])",
        "parts = weights * negative",
        ("tests/backend/guidance/test_perp_neg.py::test_a_parallel_one_vanishes",),
    ),
    Fault(
        "removed-outside-of-the-cache",
        f"{SJC}/models/model_removal.py",
        "        if inside not in (path.parent.resolve() / path.name).parents:",
        "        if not inside.exists():",
        ("tests/backend/models/test_model_removal.py::test_links_that_lead_out_of_the_cache",),
    ),
    Fault(
        "removed-without-asking",
        f"{SJC}/models/model_removal.py",
        "        if not sys.stdin.isatty():",
        "        if False:",
        ("tests/backend/models/test_model_removal.py::test_without_a_terminal_nothing_goes",),
    ),
    Fault(
        "a-thread's-gradient-counted-again",
        f"{FIELD}/warp_source.py",
        "from[i] = 0.0f;",
        "",
        ("tests/backend/field/test_render_warp.py::test_threads_share_the_rays_and_lose_nothing",),
    ),
    Fault(
        "a-gradient-lent-while-somebody-has-it",
        f"{FIELD}/gradient_memory.py",
        " or _owners(last.memory) != last.owners:",
        ":",
        ("tests/backend/field/test_gradient_memory.py::test_a_gradient_that_somebody_has_is_left_alone",),
    ),
    Fault(
        "a-change-in-place-left-in-the-gradient",
        f"{FIELD}/gradient_memory.py",
        "_version(memory) == last.version",
        "True",
        ("tests/backend/field/test_gradient_memory.py::test_a_gradient_begins_at_zero",),
    ),
    Fault(
        "the-gradient-zeroed-where-it-will-be-written",
        f"{FIELD}/gradient_memory.py",
        "last.clear if untouched and last.clear.numel() else None",
        "clear if untouched and clear.numel() else None",
        ("tests/backend/field/test_gradient_memory.py::test_a_gradient_begins_at_zero",),
    ),
    Fault(
        "samples-behind-the-last-one-seen",
        f"{FIELD}/warp_march.py",
        "for (int m = used; m < whole; ++m) w[m] = 0.0f;",
        "for (int m = used; m < whole; ++m) w[m] = T;",
        ("tests/backend/field/test_render_warp.py::test_axis_aligned_rays_and_misses",),
    ),
    Fault(
        "the-upper-voxel's-channels-shifted",
        f"{FIELD}/warp_source.py",
        "min(lanes - k + c, lanes - 1)",
        "min(lanes - k + c + 1, lanes - 1)",
        ("tests/backend/field/test_render_warp.py::test_very_opaque_field",),
    ),
]
