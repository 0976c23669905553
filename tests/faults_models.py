"""Deliberate mistakes in what loads and runs models; see tests/faults.py."""

from tests.faults import LOOP, MODELS, SJC, Fault

SINGLE = "tests/backend/models/test_single_file.py"
STEP = "tests/backend/test_step.py"
TUNING = "tests/backend/models/test_tuning.py"
DISTILLED = "tests/backend/models/test_distilled.py"
BENCHMARKS = "tests/backend/benchmarks/test_benchmarks.py"

HOSTILE = "tests/backend/models/test_hostile_models.py"

FAULTS = [
    Fault(
        "a-colour-taken-for-what-it-is-spelled-like",
        "backend/sjc/models/near_words.py",
        "_by_look(lower, groups) or _by_spelling(lower, groups)",
        "_by_spelling(lower, groups)",
        ("tests/backend/models/test_near_words.py::test_each_kind_has_its_own_nearness",),
    ),
    # --------------------------------------------------------------------------------------------- files of a stranger
    Fault(
        "a-models-program-may-be-asked-for",
        f"{MODELS}/known_classes.py",
        '_OWN_PROGRAMS = ("auto_map", ',
        '_OWN_PROGRAMS = ("automap", ',
        (f"{HOSTILE}::test_no_loader_runs_a_folders_program_whatever_stands_on_standard_input",),
    ),
    Fault(
        "a-tokenizer-of-any-class",
        f"{MODELS}/model_files.py",
        "index[name][1], TOKENIZERS)\n        path",
        "index[name][1], [index[name][1]])\n        path",
        (f"{HOSTILE}::test_only_known_classes_are_loaded",),
    ),
    Fault(
        "a-lora-names-a-module-to-import",
        f"{MODELS}/lora.py",
        'if key.rpartition(".")[2] in LORA_METADATA}',
        "if key}",
        (f"{HOSTILE}::test_a_lora_imports_no_module_that_its_description_names",),
    ),
    Fault(
        "a-library-may-ask-on-standard-input",
        f"{SJC}/machine/standard_input.py",
        "    own = os.dup(0)\n    _point_at_nothing()",
        "    own = os.dup(0)",
        (f"{HOSTILE}::test_standard_input_is_ours_alone",),
    ),
    Fault(
        "a-device-is-opened",
        f"{SJC}/foreign.py",
        "    if not stat.S_ISREG(status.st_mode):",
        "    if stat.S_ISBLK(status.st_mode):",
        ("tests/backend/test_foreign.py::test_what_is_no_file_is_refused_at_once",),
    ),
    Fault(
        "a-link-out-of-the-folder-is-followed",
        f"{SJC}/foreign.py",
        "if within is not None and not _lies_in(path, within):",
        "if within is not None and not _lies_in(within, within):",
        ("tests/backend/test_foreign.py::test_links_out_of_a_folder_are_not_followed",),
    ),
    # ------------------------------------------------------------------------------- memory, downloads, latent colours
    Fault(
        "a-network-without-room-taken-whole",
        f"{MODELS}/memory_plan.py",
        "Plan(*whole, True, True), Plan(*whole, True, True, True)]",
        "Plan(*whole, True, True), Plan(*whole, True, True, False)]",
        ("tests/backend/models/test_memory_plan.py::test_the_first_way_that_fits_is_taken",),
    ),
    Fault(
        "fewer-pictures-at-once-only-the-first-time",
        f"{MODELS}/text_denoiser.py",
        "            self.max_rows = rows // 2\n",
        "            self.max_rows = rows - 1\n",
        ("tests/backend/models/test_memory_plan.py::test_a_step_that_finds_no_room_goes_in_smaller_parts",),
    ),
    Fault(
        "a-graph's-answer-written-over",
        f"{MODELS}/graphs.py",
        "return self.graph.output.clone()",
        "return self.graph.output",
        ("tests/backend/models/test_graphs.py::test_it_says_what_the_network_says",),
    ),
    Fault(
        "a-graph-reads-the-first-inputs-for-ever",
        f"{MODELS}/graphs.py",
        "            own.copy_(given)",
        "            own.copy_(own)",
        ("tests/backend/models/test_graphs.py::test_it_says_what_the_network_says",),
    ),
    Fault(
        "offline-asks-all-the-same",
        f"{MODELS}/hub.py",
        "    if offline():\n",
        "    if False:\n",
        ("tests/backend/models/test_hub.py::test_offline_counts_after_the_library_was_imported_too",),
    ),
    Fault(
        "a-gated-model-is-no-model",
        f"{MODELS}/hub.py",
        "isinstance(cause, errors.GatedRepoError)",
        "isinstance(cause, errors.DisabledRepoError)",
        ("tests/backend/models/test_hub.py::test_gated_weights_are_explained_step_by_step",),
    ),
    Fault(
        "exact-shapes-not-fitted",
        "benchmarks/colour_path.py",
        "        optimizer.step()\n",
        "",
        (
            "tests/backend/benchmarks/test_bench_colour.py::test_latents_are_fitted_to_encoded_pictures_and_the_shape_stays",
        ),
    ),
    # ----------------------------------------------------------------------------------- cards, memory, other advice
    Fault(
        "a-full-memory-in-a-librarys-words-is-a-bug",
        f"{SJC}/causes.py",
        r'r"(CUBLAS|CUDNN|CUSOLVER|CUSPARSE)_STATUS_ALLOC_FAILED|',
        r'r"CUBLAS_ALLOC|',
        ("tests/backend/test_causes.py::test_a_part_that_finds_no_room_is_no_broken_device",),
    ),
    Fault(
        "a-persons-words-decide-what-went-wrong",
        f"{SJC}/causes.py",
        "cause = BY_CODE.get(link.code)",
        "cause = BY_CODE.get(link.code) or of_text(str(link))",
        ("tests/backend/test_causes.py::test_errors_are_known_by_type_number_and_words",),
    ),
    Fault(
        "kernels-for-a-larger-card-will-do",
        f"{SJC}/machine/cards.py",
        "of_major == major and of_minor <= minor",
        "of_major == major and of_minor >= minor",
        ("tests/backend/machine/test_cards.py::test_kernels_fit",),
    ),
    Fault(
        "an-old-driver-is-called-a-cpu-build",
        f"{SJC}/machine/cards.py",
        "if name and torch.version.cuda is None:",
        "if name:",
        ("tests/backend/machine/test_cards.py::test_a_driver_that_is_too_old_is_no_cpu_build",),
    ),
    Fault(
        "a-launch-is-counted-in-the-driver-again",
        "benchmarks/activity.py",
        "number(_outermost([e for e in host if LAUNCH.match(e.name)]))",
        "number([e for e in host if LAUNCH.match(e.name)])",
        ("tests/backend/benchmarks/test_activity.py::test_events_of_two_steps",),
    ),
    Fault(
        "a-card-takes-the-place-of-the-processor's-result",
        "benchmarks/__main__.py",
        'name += f"-{card[0]}"',
        "pass",
        (f"{BENCHMARKS}::test_quick_and_tuning_results_do_not_take_the_place_of_the_whole_one",),
    ),
    Fault(
        "saved-before-anybody-looked",
        f"{SJC}/optimize.py",
        "        self._look(self.step)\n",
        "",
        (f"{LOOP}::test_a_device_that_runs_ahead_still_names_the_step",),
    ),
    # -------------------------------------------------------------------------------------------- a step as one graph
    Fault(
        "a-weight-frozen-at-the-capture",
        f"{SJC}/step.py",
        "loss = loss + emptiness * emptiness_factor",
        'loss = loss + emptiness * float(drawn.tensors["weights"][0])',
        (f"{STEP}::test_a_captured_step_is_a_plain_one",),
    ),
    Fault(
        "a-learning-rate-frozen-at-the-capture",
        f"{SJC}/optimize.py",
        'rates = given["rates"].unbind() if self.graphs else learning_rates(self.settings, self.step)',
        "rates = learning_rates(self.settings, self.step)",
        (f"{STEP}::test_a_captured_step_is_a_plain_one",),
    ),
    Fault(
        "random-numbers-in-another-order",
        f"{SJC}/step.py",
        "background = self._background(views)\n        sigma = self.law(step / s.steps, views, self.generator)",
        "sigma = self.law(step / s.steps, views, self.generator)\n        background = self._background(views)",
        (f"{STEP}::test_a_seed_means_the_same_numbers_everywhere",),
    ),
    Fault(
        "a-number-of-the-host's-in-a-step",
        f"{SJC}/step.py",
        'noise=given["noise"],',
        'noise=drawn.tensors["noise"].to(y.device),',
        (f"{STEP}::test_a_step_reads_nothing_on_the_host",),
    ),
    Fault(
        "a-graph-of-another-grid",
        f"{SJC}/optimize.py",
        "            self.graphs.forget()\n",
        "            pass\n",
        (f"{STEP}::test_a_captured_step_is_a_plain_one",),
    ),
    Fault(
        "a-compiler-that-failed-is-asked-again",
        f"{MODELS}/tuning.py",
        "            block._compiled_call_impl = None",
        "            block.training = False",
        (f"{TUNING}::test_where_the_compiler_fails_the_network_works_as_it_is",),
    ),
    Fault(
        "projections-kept-twice",
        f"{MODELS}/tuning.py",
        "            delattr(attention, name)",
        "            getattr(attention, name)",
        (f"{TUNING}::test_fused_projections_change_no_number",),
    ),
    # --------------------------------------------------------------------------------- guidance built in by an adapter
    Fault(
        "an-adapter-and-both-calls",
        f"{MODELS}/text_denoiser.py",
        "if self.distilled or self.built_in is not None or (guidance == 1 and push is None):",
        "if self.distilled or (guidance == 1 and push is None):",
        (f"{DISTILLED}::test_the_network_sees_every_view_once",),
    ),
    Fault(
        "one-graph-for-two-networks",
        f"{MODELS}/onnx_unet.py",
        "[*own, adapter] if adapter else own",
        "own",
        (f"{DISTILLED}::test_each_has_a_graph_of_its_own",),
    ),
    Fault(
        "an-adapter-for-every-scale",
        f"{MODELS}/distilled.py",
        "return s.guidance if scale(model_files.locate(s.model)) == s.guidance else None",
        "return scale(model_files.locate(s.model))",
        (f"{DISTILLED}::test_when_a_run_takes_it",),
    ),
    Fault(
        "taught-without-guidance",
        "backend/training/distil.py",
        "return unconditioned + scale * (conditioned - unconditioned)",
        "return conditioned",
        ("tests/backend/training/test_distil.py::test_a_teacher_says_what_the_loop_hears_under_guidance",),
    ),
    Fault(
        "the-model-before-for-another-guidance",
        f"{SJC}/job/run.py",
        "chosen.lora, self.built_in, *how",
        "chosen.lora, *how",
        (f"{DISTILLED}::test_a_job_takes_it_and_the_next_takes_over_what_is_the_same",),
    ),
    # ------------------------------------------------------------------------------------------ checkpoints in one file
    Fault(
        "stable-diffusion-2-read-to-its-last-layer",
        f"{MODELS}/single_file_config.py",
        'layers - 1 if file.version == "2" else layers,',
        "layers,",
        (f"{SINGLE}::test_the_real_sizes",),
    ),
    Fault(
        "a-checkpoint-of-noise-taken-for-v",
        f"{MODELS}/single_file_conversion.py",
        "if float((answer - noise).mean()) < _V_BELOW else",
        "if float((answer - noise).mean()) > _V_BELOW else",
        (f"{SINGLE}::test_stable_diffusion_2_that_says_nothing_is_measured",),
    ),
    Fault(
        "an-inpainter-taken-for-a-text-model",
        f"{MODELS}/single_file.py",
        "    if first[1] != 4:\n",
        "    if first[1] not in (4, 9):\n",
        (f"{SINGLE}::test_what_cannot_be_taken_is_named",),
    ),
    Fault(
        "a-checkpoint-made-a-folder-at-every-start",
        f"{MODELS}/single_file_conversion.py",
        '    if not (folder / "model_index.json").is_file():\n        try:',
        "    if True:\n        try:",
        (f"{SINGLE}::test_made_once",),
    ),
    Fault(
        "an-exclamation-mark-counted-as-unknown",
        f"{MODELS}/prompt_encoder.py",
        "            markers.discard(self.tokenizer.pad_token_id)\n",
        "            pass\n",
        (f"{SINGLE}::test_a_small_one_computes_what_its_modules_do",),
    ),
    Fault(
        "a-long-prompt-read-without-its-end",
        f"{MODELS}/text_encoders.py",
        "range(max(1, -(-tokens // room)))",
        "range(max(1, tokens // room))",
        (f"{SINGLE}::test_a_long_prompt_is_read_in_pieces",),
    ),
    # --------------------------------------------------------------------------------------- what people's disks hold
    Fault(
        "a-device-of-windows-taken-for-a-file",
        f"{SJC}/paths.py",
        "    if device is not None:\n",
        "    if device is None:\n",
        ("tests/backend/test_paths.py::test_names_of_devices_are_refused_on_windows",),
    ),
    Fault(
        "quotes-around-a-path-kept",
        f"{SJC}/paths.py",
        "        text = text[1:-1].strip()\n",
        "        break\n",
        ("tests/backend/test_paths.py::test_every_door_reads_paths_alike",),
    ),
    Fault(
        "bundled-embeddings-make-a-lora-unreadable",
        f"{MODELS}/lora.py",
        "if not name.startswith(BUNDLED)}\n",
        "}\n",
        ("tests/backend/models/test_lora_files.py::test_embeddings_that_came_along_are_left_out_with_a_warning",),
    ),
    Fault(
        "every-lycoris-taken-for-a-lora",
        f"{MODELS}/lora.py",
        "    if lycoris:\n",
        "    if False:\n",
        ("tests/backend/models/test_lora_files.py::test_other_kinds_are_named",),
    ),
    Fault(
        "pickles-downloaded-and-then-refused",
        f"{MODELS}/layout.py",
        "        if pickled and not weights:\n",
        "        if False:\n",
        ("tests/backend/models/test_folders_of_others.py::test_pickles_alone_are_refused_before_anything_is_fetched",),
    ),
    Fault(
        "a-mark-of-byte-order-left-to-the-libraries",
        f"{MODELS}/pretrained.py",
        "    if not marked:\n",
        "    if True:\n",
        ("tests/backend/models/test_folders_of_others.py::test_json_with_a_mark_of_byte_order",),
    ),
]
