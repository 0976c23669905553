"""Deliberate mistakes about batches: who makes what on a cluster, leases, grids, and what the lists say."""

from tests.faults import SJC, Fault

DISPATCH = "tests/backend/batch/test_dispatch.py"
ADDRESS = "tests/backend/batch/test_address.py"
PLAN = "tests/backend/batch/test_plan.py"

FAULTS = [
    Fault(
        "a-job-of-a-lost-slot-is-forgotten",
        f"{SJC}/batch/dispatch.py",
        "                self.waiting.appendleft(task)\n",
        "                pass\n",
        (f"{DISPATCH}::test_a_lost_slot_is_replaced_and_its_job_made",),
    ),
    Fault(
        "a-failed-job-goes-back-to-the-same-slot",
        f"{SJC}/batch/dispatch.py",
        "            task.avoids.add(worker.number)\n",
        "",
        (f"{DISPATCH}::test_a_failing_job_is_tried_on_other_slots_and_then_recorded",),
    ),
    Fault(
        "a-lease-is-never-renewed",
        f"{SJC}/job/locks.py",
        "        os.utime(self.path)\n        self._renewed = began\n",
        "",
        ("tests/backend/job/test_locks.py::test_a_lease_is_renewed_while_it_is_held_and_lost_where_it_could_not_be",),
    ),
    Fault(
        "whoever-lost-its-lease-writes-on",
        f"{SJC}/output/files.py",
        "        _check_conditions(path)\n",
        "",
        ("tests/backend/job/test_locks.py::test_whoever_lost_a_lease_writes_nothing_more",),
    ),
    Fault(
        "the-lock-of-a-quicker-taker-is-put-aside",
        f"{SJC}/job/locks.py",
        "if _content(aside) != content:",
        "if False:",
        ("tests/backend/job/test_locks.py::test_a_quicker_taker_keeps_what_it_took",),
    ),
    Fault(
        "a-grid-leaves-out-combinations",
        f"{SJC}/batch/plan.py",
        "itertools.product(*grid.values())",
        "zip(*grid.values())",
        (f"{PLAN}::test_a_grid_makes_every_combination_in_order",),
    ),
    Fault(
        "a-model-that-failed-its-check-passes-in-the-next-line",
        f"{SJC}/batch/plan.py",
        "            run.check_early(chosen)\n            passed.add(rest)\n",
        "            passed.add(rest)\n            run.check_early(chosen)\n",
        (f"{PLAN}::test_a_model_is_checked_once_for_all_lines_that_name_it_and_each_bad_line_is_named",),
    ),
    Fault(
        "a-prompt-runs-in-the-page-of-a-batch",
        f"{SJC}/batch/summary.py",
        'html.escape(row["prompt"])',
        'row["prompt"]',
        ("tests/backend/batch/test_records.py::test_sheet_and_page_show_what_is_there_and_run_nothing",),
    ),
    Fault(
        "a-local-cluster-listens-to-the-network",
        f"{SJC}/batch/ray_cluster.py",
        '        os.environ[LOOPBACK_ALONE] = "0"\n',
        "        pass\n",
        ("tests/cluster/test_cluster.py::test_a_cluster_of_this_computer_listens_on_loopback_alone",),
    ),
    Fault(
        "run-json-is-sent-to-an-address-before-the-rest",
        f"{SJC}/batch/borrowing.py",
        "self._send_changed(lambda name: name != job_folder.RUN)",
        "self._send_changed(lambda name: True)",
        (f"{ADDRESS}::test_what_was_half_done_is_sent_with_its_checkpoint_and_run_json_comes_last",),
    ),
    Fault(
        "a-mistyped-bucket-is-made",
        f"{SJC}/batch/address.py",
        "        if parent not in self._made and not has_buckets:\n",
        "        if parent not in self._made:\n",
        (f"{ADDRESS}::test_no_bucket_is_made_and_one_that_is_not_there_is_told_before_anything_starts",),
    ),
    Fault(
        "a-lease-at-an-address-is-not-read-back",
        f"{SJC}/batch/borrowing.py",
        'if (now := self._read()).get("mark") != self._mark:',
        "if (now := {}):",
        (f"{ADDRESS}::test_of_two_that_take_it_at_once_one_holds_it",),
    ),
    Fault(
        "whoever-lost-a-lease-at-an-address-sends-on",
        f"{SJC}/batch/borrowing.py",
        "        self.lease.confirm()\n        self.address.send(path, name)",
        "        self.address.send(path, name)",
        (f"{ADDRESS}::test_whoever_lost_a_lease_at_an_address_writes_nothing_more",),
    ),
    Fault(
        "ray-comes-into-every-environment",
        "tools/extras.py",
        "if environment.differences(lock):",
        "if True:",
        ("tests/house/test_environment.py::test_ray_is_added_once_beside_the_pins_of_the_lock",),
    ),
]
