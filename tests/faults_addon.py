"""Deliberate mistakes in the worker and the add-on; what they are for stands in faults.py."""

from tests.faults import SJC, Fault

MESHES, VOLUMES, LIVE, MATERIALS = (
    f"tests/blender/test_{name}.py" for name in ("meshes", "volumes", "live", "materials")
)
JOBS, JOB_LIST, PROCESS, WORKER = (f"tests/addon/test_{name}.py" for name in ("queue", "job_list", "process", "worker"))

FAULTS = [
    # ------------------------------------------------------------------------------------ worker, supervisor, queue
    Fault(
        "snapshot-announced-before-it-is-whole",
        f"{SJC}/worker/fake.py",
        """        write_npz(path, density, color, meta=meta, half=True, compress=False)
        if self.fault""",
        """        threading.Timer(0.5, write_npz, (path, density, color), {"meta": meta}).start()
        if self.fault""",
        (f"{JOBS}::test_a_job_from_beginning_to_end",),
    ),
    Fault(
        "cancel-not-heard",
        f"{SJC}/worker/serve.py",
        """        elif kind == "cancel":
            self.cancelled.set()""",
        """        elif kind == "cancel":
            self.paused.clear()""",
        (f"{JOBS}::test_cancel_keeps_the_work_and_retry_goes_on",),
    ),
    Fault(
        "cancel-kept-for-the-next-job",
        f"{SJC}/worker/serve.py",
        "            self.cancelled.clear()\n",
        "",
        (f"{WORKER}::test_a_cancel_of_the_last_job_is_not_the_next_ones",),
    ),
    Fault(
        "end-of-input-not-noticed",
        f"{SJC}/worker/serve.py",
        "        finally:  # whatever",
        "        except EOFError:  # whatever",
        (f"{WORKER}::test_the_end_of_the_input_ends_it_whatever_it_does[asleep]",),
    ),
    Fault(
        "end-of-input-needs-the-interpreter",
        f"{SJC}/worker/serve.py",
        "faulthandler.dump_traceback_later(GRACE_SECONDS + 1, exit=True)",
        "faulthandler.dump_traceback_later(GRACE_SECONDS + 1, exit=False)",
        (f"{WORKER}::test_the_end_of_the_input_ends_it_whatever_it_does[holding-the-interpreter]",),
    ),
    Fault(
        "start-lost-behind-free",
        f"{SJC}/worker/serve.py",
        'if kind == "start" and self.busy:',
        'if kind == "start" and (self.busy or not self.accepted.empty()):',
        (f"{WORKER}::test_free_and_start_at_once",),
    ),
    Fault(
        "full-disk-taken-for-bad-input",
        f"{SJC}/worker/serve.py",
        "        error = error.__cause__\n",
        "        break\n",
        (f"{WORKER}::test_errors_are_explained",),
    ),
    Fault(
        "message-lost-for-a-nan",
        f"{SJC}/worker/protocol.py",
        "return value if math.isfinite(value) else None",
        "return value",
        ("tests/addon/test_protocol.py::test_numbers_that_json_lacks_do_not_lose_the_message",),
    ),
    Fault(
        "other-sources-accepted",
        f"{SJC}/worker/protocol.py",
        'if message["hash"] != source_hash(package):',
        'if not message["hash"]:',
        (f"{PROCESS}::test_one_that_is_not_ours",),
    ),
    Fault(
        "sleep-of-the-computer-taken-for-a-hang",
        "sjc_blender/worker/process.py",
        "self._waited += min(now - self._polled, self.times.gap)",
        "self._waited += now - self._polled",
        (f"{PROCESS}::test_time_in_which_nobody_polled_is_no_silence",),
    ),
    Fault(
        "children-of-the-worker-left-behind",
        "sjc_blender/worker/process.py",
        "os.killpg(self._process.pid, signal.SIGKILL)",
        "os.kill(self._process.pid, signal.SIGKILL)",
        (f"{PROCESS}::test_children_of_the_worker_go_with_it",),
    ),
    Fault(
        "messages-pile-up",
        "sjc_blender/worker/pipes.py",
        "elif len(self._messages) >= self.LIMIT:",
        "elif len(self._messages) >= 100 * self.LIMIT:",
        (f"{PROCESS}::test_the_inbox_merges_progress_and_keeps_what_matters",),
    ),
    Fault(
        "lock-of-the-dead-honoured",
        f"{SJC}/job/locks.py",
        "(now == born or",
        "(now or",
        ("tests/backend/job/test_locks.py::test_a_later_process_with_the_same_number_holds_nothing",),
    ),
    Fault(
        "lock-of-the-living-taken",
        f"{SJC}/job/locks.py",
        "other = pid != str(os.getpid()) and",
        "other = pid == str(os.getpid()) and",
        ("tests/backend/job/test_locks.py::test_a_lock_counts_as_long_as_the_worker_lives",),
    ),
    Fault(
        "retry-begins-anew",
        "sjc_blender/queue/queue.py",
        "job.resume = queue_file.resumable(job.folder) and not anew",
        "job.resume = False",
        (f"{JOBS}::test_cancel_keeps_the_work_and_retry_goes_on",),
    ),
    Fault(
        "failing-job-stops-the-next",
        "sjc_blender/queue/queue.py",
        "            self.process = self.hello = None\n",
        "            self.hello = None\n",
        (f"{JOBS}::test_a_fault_is_the_problem_of_its_job_only[crash:3-memory-The system ended]",),
    ),
    Fault(
        "list-written-in-place-of-another-blender's",
        "sjc_blender/queue/queue_file.py",
        "        if self._mine:\n            try:",
        "        if True:\n            try:",
        (f"{JOB_LIST}::test_two_blenders",),
    ),
    Fault(
        "hub-model-looked-up-as-a-whole-repository",
        "backend/sjc/models/model_files.py",
        '        index = try_to_load_from_cache(name, "model_index.json", revision=pinned or revision)\n',
        "        from huggingface_hub import snapshot_download\n\n"
        '        index = snapshot_download(name, local_files_only=True) + "/model_index.json"\n',
        ("tests/addon/test_fetching.py",),
    ),
    Fault(
        "half-finished-folder-begun-anew",
        "sjc_blender/queue/queue.py",
        "            job = read_folder(path)\n",
        "            job = JobRecord(settings=read_folder(path).settings, folder=path, state=State.STOPPED)\n"
        '            job.folder.joinpath("job.json").unlink()\n',
        (f"{JOB_LIST}::test_a_half_finished_folder_of_anybody_is_taken_up",),
    ),
    Fault(
        "paused-job-keeps-the-memory",
        "sjc_blender/queue/queue.py",
        "            if self.current.state is State.PAUSED:\n                self.cancel(self.current)\n",
        "",
        (f"{JOBS}::test_free_does_not_wait_for_a_paused_job",),
    ),
    Fault(
        "curves-of-a-long-run-forget-its-beginning",
        "sjc_blender/queue/curves.py",
        "points[:] = _thinned(points, 2 * _span(points) / MAX_POINTS)",
        "del points[: MAX_POINTS // 2]",
        ("tests/addon/test_curves.py::test_a_long_run_stays_small_and_whole",),
    ),
    Fault(
        "curves-upside-down",
        "sjc_blender/scene/plot.py",
        "share = (values - low) / (high - low)",
        "share = (high - values) / (high - low)",
        ("tests/addon/test_curves.py::test_a_falling_line_falls_from_edge_to_edge",),
    ),
    Fault(
        "list-not-written",
        "sjc_blender/queue/queue.py",
        "            self._list.save(self.jobs)\n",
        "            pass\n",
        (f"{JOB_LIST}::test_the_queue_file_and_its_folder_can_be_moved",),
    ),
    Fault(
        "lock-of-the-folder-ignored",
        "sjc_blender/queue/queue_file.py",
        "        folder.mkdir(parents=True, exist_ok=True)\n        lock.take()\n",
        "        folder.mkdir(parents=True, exist_ok=True)\n",
        (f"{JOBS}::test_two_queues_of_one_blender_on_one_folder",),
    ),
    # ----------------------------------------------------------------------------------------- models, in the panel
    Fault(
        "hub-model-of-another-revision",
        f"{SJC}/models/model_list.py",
        'folder = parent / "snapshots" / revision',
        'folder = next(iter(sorted((parent / "snapshots").iterdir())))',
        ("tests/addon/test_model_lookup.py::test_of_two_snapshots_the_one_that_counts",),
    ),
    Fault(
        "pinned-model-of-the-main-branch",
        f"{SJC}/models/model_list.py",
        'revision = _text(parent / "refs" / (pinned or "main")) or pinned',
        'revision = _text(parent / "refs" / "main") or pinned',
        ("tests/backend/models/test_model_removal.py::test_the_list_is_a_table",),
    ),
    Fault(
        "disk-asked-by-the-panel-itself",
        "sjc_blender/models/lookup.py",
        "        self._threads[model].start()\n",
        "        self._threads[model].run()\n",
        ("tests/addon/test_model_lookup.py::test_the_cache_looks_in_threads_and_only_when_something_changed",),
    ),
    Fault(
        "changes-on-the-disk-not-seen",
        "sjc_blender/models/lookup.py",
        "if before is None or before[1] != now:",
        "if before is None:",
        ("tests/addon/test_model_lookup.py::test_the_cache_looks_in_threads_and_only_when_something_changed",),
    ),
    # -------------------------------------------------------------------------------------------------------- the scene
    Fault(
        "mesh-lies-on-its-back",
        "sjc_blender/scene/glb.py",
        "[points[:, 0], -points[:, 2], points[:, 1]]",
        "[points[:, 0], points[:, 1], points[:, 2]]",
        (f"{MESHES}::test_it_stands_at_its_location_in_its_colours[5.0.1]",),
    ),
    Fault(
        "mesh-mirrored",
        "sjc_blender/scene/glb.py",
        "[points[:, 0], -points[:, 2], points[:, 1]]",
        "[points[:, 0], points[:, 2], points[:, 1]]",
        (f"{MESHES}::test_it_stands_at_its_location_in_its_colours[5.0.1]",),
    ),
    Fault(
        "mesh-half-in-the-ground",
        "sjc_blender/scene/meshes.py",
        "(low[1] + high[1]) / 2, low[2]]",
        "(low[1] + high[1]) / 2, (low[2] + high[2]) / 2]",
        (f"{MESHES}::test_it_stands_at_its_location_in_its_colours[5.0.1]",),
    ),
    Fault(
        "mesh-colours-taken-for-srgb",
        "sjc_blender/scene/meshes.py",
        'paint.data.foreach_set("color", triangles.colors.reshape(-1))',
        'paint.data.foreach_set("color_srgb", triangles.colors.reshape(-1))',
        (f"{MESHES}::test_it_stands_at_its_location_in_its_colours[5.0.1]",),
    ),
    Fault(
        "material-encodes-once-more",
        "sjc_blender/scene/materials.py",
        'tree.links.new(color.outputs["Color"], shader.inputs["Base Color"])',
        'gamma = tree.nodes.new("ShaderNodeGamma")\n'
        "    gamma.inputs[1].default_value = 1 / 2.2\n"
        '    tree.links.new(color.outputs["Color"], gamma.inputs[0])\n'
        '    tree.links.new(gamma.outputs[0], shader.inputs["Base Color"])',
        (f"{MATERIALS}::test_volume_and_mesh_show_their_colours_in_cycles[4.5.15]",),
    ),
    Fault(
        "half-a-voxel-before-blender-5",
        "sjc_blender/scene/compat.py",
        "VOLUME_OFFSET = 0.0 if VERSION >= (5, 0, 0) else 0.5",
        "VOLUME_OFFSET = 0.0",
        (f"{VOLUMES}::test_a_volume_stands_where_its_voxels_are[4.5.15]",),
    ),
    Fault(
        "half-a-voxel-from-blender-5-on",
        "sjc_blender/scene/compat.py",
        "VOLUME_OFFSET = 0.0 if VERSION >= (5, 0, 0) else 0.5",
        "VOLUME_OFFSET = 0.5",
        (f"{VOLUMES}::test_a_volume_stands_where_its_voxels_are[5.0.1]",),
    ),
    Fault(
        "old-snapshot-shown",
        "sjc_blender/live.py",
        "record.snapshots[-1].vdb",
        "record.snapshots[0].vdb",
        (f"{LIVE}::test_the_newest_snapshot_and_one_undo_step[5.0.1]",),
    ),
    Fault(
        "undo-step-for-every-preview",
        "sjc_blender/live.py",
        "    where.renewed, where.shown = False, True\n",
        '    import bpy\n\n    where.renewed, where.shown = False, True\n    bpy.ops.ed.undo_push(message="Preview")\n',
        (f"{LIVE}::test_the_newest_snapshot_and_one_undo_step[5.0.1]",),
    ),
    Fault(
        "volume-not-hidden-at-the-end",
        "sjc_blender/scene/volumes.py",
        "        target.hide_set(True)\n",
        "        target.hide_set(False)\n",
        (f"{LIVE}::test_the_newest_snapshot_and_one_undo_step[5.0.1]",),
    ),
    Fault(
        "deleted-volume-forced-back",
        "sjc_blender/live.py",
        "make_again=where.renewed or not where.shown",
        "make_again=True",
        (f"{LIVE}::test_a_deleted_volume_stays_away_and_one_that_undo_took_comes_back[5.0.1]",),
    ),
    Fault(
        "volume-lost-after-undo",
        "sjc_blender/live.py",
        "make_again=where.renewed or not where.shown",
        "make_again=not where.shown",
        (f"{LIVE}::test_a_deleted_volume_stays_away_and_one_that_undo_took_comes_back[5.0.1]",),
    ),
    Fault(
        "conversion-waited-for",
        "sjc_blender/incoming.py",
        "    if not bpy.app.background:\n        timer.follow",
        "    if bpy.app.background:\n        timer.follow",
        (f"{LIVE}::test_an_import_without_volumes_is_not_waited_for[5.0.1]",),
    ),
    Fault(
        "long-history-stays",
        "sjc_blender/live.py",
        "            _use_thinned(record.id, thinned[0])\n        return True",
        "            pass\n        return True",
        (f"{LIVE}::test_the_newest_snapshot_and_one_undo_step[5.0.1]",),
    ),
    Fault(
        "panel-breaks-without-blenders-gltf",
        "sjc_blender/ui/panels/settings.py",
        "if name in SWITCHABLE and not hasattr(bpy.types, SWITCHABLE[name]):",
        "if not name:",
        ("tests/blender/test_results_ui.py::test_a_result_can_be_refined_marked_and_exported",),
    ),
    Fault(
        "latent-colours-not-called-a-preview",
        f"{SJC}/job/run.py",
        """"colors": "exact" if self.appearance.autoencoder is None else "preview",""",
        """"colors": "exact",""",
        ("tests/backend/appearance/test_latent_job.py::test_a_job_ends_with_a_mesh_and_pictures[sd-eps]",),
    ),
    Fault(
        "size-of-all-files-of-a-hub-model",
        f"{SJC}/models/download_info.py",
        """    wanted = {*wanted_files(list(sizes)), "README.md"}  # as the download takes them""",
        """    wanted = set(sizes)""",
        ("tests/addon/test_fetching.py::test_a_hub_that_knows_nothing_says_so_in_one_line",),
    ),
    Fault(
        "picker-offers-language-models",
        f"{SJC}/models/model_list.py",
        """if folder and (folder / "model_index.json").is_file()]""",
        """if folder]""",
        ("tests/addon/test_model_lookup.py::test_the_picker_lists_what_can_be_chosen",),
    ),
    Fault(
        "paths-beside-the-blend-absolute",
        "sjc_blender/scene/volumes.py",
        "return bpy.path.relpath(str(path)) if near else str(path)",
        "return str(path)",
        (f"{VOLUMES}::test_paths_beside_the_blend[5.0.1]",),
    ),
]
