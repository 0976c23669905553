"""The buttons of the queue: each calls one function of `api` and shows what it raises as one line.

No `from __future__ import annotations` here: Blender reads the annotations themselves.
"""

import random
from typing import Any

import bpy

from ... import api, user_preferences
from ...backend.sjc.errors import SjcError
from ...backend.sjc.settings import SPECS
from .. import model_picker, prompts, properties, reference_pictures, ui_state
from .common import (
    Button,
    JobButton,
    backend_is_there,
    can_generate,
    job_property,
    selected_meshes,
    start_from_selection,
)

RUNNING = ("starting", "running")
ENDED = ("finished", "stopped", "failed")


class SJC_OT_generate(Button, bpy.types.Operator):
    """Generate an object from the prompt at the 3D cursor, or add it to the queue while another job runs"""

    bl_idname, bl_label = "sjc.generate", "Generate"

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Needs a prompt and a backend."""
        return can_generate(cls, context)

    def act(self, context: Any) -> None:
        """As `api.generate` with what the panel says."""
        given = {**properties.settings_from(context.scene), **model_picker.taken_over(context)}
        api.generate(**given, pictures=reference_pictures.chosen(context.scene))
        prompts.remember(context.scene.sjc.prompt)
        ui_state.refresh()


class SJC_OT_generate_from_selection(Button, bpy.types.Operator):
    """Generate an object from the prompt that starts from the selected meshes, where they stand and at their size"""

    bl_idname, bl_label = "sjc.generate_from_selection", "Generate from Selection"

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Needs a prompt, a mesh and a backend."""
        if not selected_meshes(context):
            cls.poll_message_set("Select one or more mesh objects to start from")
            return False
        return can_generate(cls, context)

    def act(self, context: Any) -> None:
        """As `api.generate` with the selected objects as the start."""
        given = {**properties.settings_from(context.scene), **model_picker.taken_over(context)}
        shown = reference_pictures.chosen(context.scene)
        api.generate(**{**given, **start_from_selection(context)}, pictures=shown)
        prompts.remember(context.scene.sjc.prompt)
        ui_state.refresh()


class SJC_OT_add(Button, bpy.types.Operator):
    """Type a prompt and generate an object from it at the 3D cursor"""

    bl_idname, bl_label = "sjc.add", "Text to 3D (SJC)"
    prompt: bpy.props.StringProperty(name="Prompt", description="What to make, as a sentence")

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Needs a backend."""
        return backend_is_there(cls, context)

    def invoke(self, context: Any, _event: Any) -> set[str]:
        """Ask for the prompt."""
        self.prompt = context.scene.sjc.prompt
        return context.window_manager.invoke_props_dialog(self, width=400, confirm_text="Generate")

    def draw(self, _context: Any) -> None:
        """The prompt alone."""
        self.layout.prop(self, "prompt", text="", placeholder=properties.PLACEHOLDER)

    def act(self, context: Any) -> None:
        """As `api.generate` with the panel's settings."""
        api.generate(
            **{**properties.settings_from(context.scene), **model_picker.taken_over(context), "prompt": self.prompt}
        )
        prompts.remember(self.prompt)
        ui_state.refresh()


class SJC_OT_pause(JobButton, bpy.types.Operator):
    """Pause the job after the current step; it keeps its memory"""

    bl_idname, bl_label = "sjc.pause", "Pause"
    states, reason = RUNNING, "No job is running"
    job: job_property()

    def act(self, context: Any) -> None:
        """As `Job.pause`."""
        api.pause(self.chosen(context))


class SJC_OT_resume(JobButton, bpy.types.Operator):
    """Continue the paused job"""

    bl_idname, bl_label = "sjc.resume", "Resume"
    states, reason = ("paused", "stopped", "failed"), "No job is paused"
    job: job_property()

    def act(self, context: Any) -> None:
        """As `Job.resume`."""
        api.resume(self.chosen(context))


class SJC_OT_cancel(JobButton, bpy.types.Operator):
    """Stop the job; its progress stays in its folder, and Retry continues from there"""

    bl_idname, bl_label = "sjc.cancel", "Cancel"
    states, reason = ("waiting", *RUNNING, "paused"), "No job is running or waiting"
    job: job_property()

    def act(self, context: Any) -> None:
        """As `Job.cancel`."""
        api.cancel(self.chosen(context))


class SJC_OT_retry(JobButton, bpy.types.Operator):
    """Continue the stopped or failed job from its last checkpoint"""

    bl_idname, bl_label = "sjc.retry", "Retry"
    states, reason = ("stopped", "failed"), "No job has stopped or failed"
    job: job_property()

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Also where a result could not be brought in."""
        return bool(context.window_manager.sjc.failed) or super().poll(context)

    def act(self, context: Any) -> None:
        """As `api.retry`."""
        api.retry(self.chosen(context))


class SJC_OT_remove(JobButton, bpy.types.Operator):
    """Remove the job from the list; its folder stays on disk"""

    bl_idname, bl_label = "sjc.remove", "Remove"
    states, reason = ("waiting", *RUNNING, "paused", *ENDED), "The queue is empty"
    job: job_property()

    def act(self, context: Any) -> None:
        """As `api.remove`."""
        api.remove(self.chosen(context))


class SJC_OT_edit_settings(JobButton, bpy.types.Operator):
    """Copy this job's prompt and settings to the panel, to change them and generate again"""

    bl_idname, bl_label = "sjc.edit_settings", "Edit Settings"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012
    states, reason = ENDED, "No job has ended"
    job: job_property()

    def act(self, context: Any) -> None:
        """As `api.settings_of`; one that has made nothing leaves the list."""
        failed = self.chosen(context)
        properties.apply(context.scene.sjc, api.settings_of(failed))
        if failed.record.step == 0:
            api.remove(failed)


class SJC_OT_move(JobButton, bpy.types.Operator):
    """Move the job up or down in the queue"""

    bl_idname, bl_label = "sjc.move", "Move"
    states, reason = ("waiting",), "No job is waiting"
    job: job_property()
    delta: bpy.props.IntProperty(
        name="Offset",
        description="Number of positions to move the job by; negative moves it up",
        default=-1,
        options={"SKIP_SAVE"},
    )

    def act(self, context: Any) -> None:
        """As `api.move`; the choice in the list moves along."""
        moved = self.chosen(context)
        api.move(moved, self.delta)
        ui_state.refresh()
        runtime = context.window_manager.sjc
        runtime.active_job = max(0, runtime.jobs.find(moved.record.id))


class SJC_OT_clear_finished(JobButton, bpy.types.Operator):
    """Remove all finished, stopped and failed jobs from the list; their folders and objects stay"""

    bl_idname, bl_label = "sjc.clear_finished", "Clear Ended Jobs"
    states, reason = ENDED, "No job has ended"

    def act(self, _context: Any) -> None:
        """As `api.clear_finished`."""
        api.clear_finished()


class SJC_OT_free_memory(JobButton, bpy.types.Operator):
    """End the worker process to free its graphics memory, once the running job has ended; a paused job is stopped"""

    bl_idname, bl_label = "sjc.free_memory", "Free GPU Memory"

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Needs a worker."""
        if context.window_manager.sjc.worker_alive:
            return True
        cls.poll_message_set("No worker is running, so there is no memory to free")
        return False

    def act(self, _context: Any) -> None:
        """As `api.free_memory`."""
        api.free_memory()
        if not bpy.app.background and not bpy.app.timers.is_registered(ui_state.follow_worker):
            bpy.app.timers.register(ui_state.follow_worker, persistent=True)


class FromText(Button):
    """A button that makes a batch of a text's lines."""

    text: bpy.props.StringProperty(name="Text", description="Name of the text data-block", options={"HIDDEN"})

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Needs a text and a backend."""
        if not bpy.data.texts:
            cls.poll_message_set("Write prompts in the Text Editor first, one per line")
            return False
        return backend_is_there(cls, context)

    def invoke(self, context: Any, _event: Any) -> set[str]:
        """Ask which text."""
        self.text = self.text if self.text in bpy.data.texts else bpy.data.texts[0].name
        return context.window_manager.invoke_props_dialog(self, confirm_text="Queue")

    def draw(self, _context: Any) -> None:
        """The text alone."""
        self.layout.prop_search(self, "text", bpy.data, "texts")

    def act(self, context: Any) -> None:
        """As `api.batch` with the panel's settings."""
        if self.text not in bpy.data.texts:
            raise SjcError(f'There is no text "{self.text}" in this file.')
        common = {**properties.settings_from(context.scene), **model_picker.taken_over(context)}
        common.pop("prompt", None)
        made = api.batch(bpy.data.texts[self.text], cluster=self.cluster(), **common)
        ui_state.refresh()
        self.report({"INFO"}, bpy.app.translations.pgettext_rpt("{} jobs queued").format(len(made)))

    def cluster(self) -> str:
        """Where the jobs are made: here."""
        return ""


class SJC_OT_queue_from_text(FromText, bpy.types.Operator):
    """Queue a job for each line of a text: a prompt, or settings as JSON; lines that begin with # are skipped"""

    bl_idname, bl_label = "sjc.queue_from_text", "Queue from Text"


class SJC_OT_batch_on_cluster(FromText, bpy.types.Operator):
    """Make the jobs of a text's lines at once on the Ray cluster that the preferences name; they appear in the queue"""

    bl_idname, bl_label = "sjc.batch_on_cluster", "Batch on Cluster"

    def cluster(self) -> str:
        """The preferences' address."""
        return user_preferences.cluster_address()


class SJC_OT_dice(Button, bpy.types.Operator):
    """Choose a random seed, for another result from the same prompt"""

    bl_idname, bl_label = "sjc.dice", "Randomize Seed"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    def act(self, context: Any) -> None:
        """Roll."""
        context.scene.sjc.seed = random.randint(0, int(SPECS["seed"].high or 0))


CLASSES = (
    SJC_OT_generate, SJC_OT_generate_from_selection,
    SJC_OT_add, SJC_OT_pause, SJC_OT_resume, SJC_OT_cancel, SJC_OT_retry, SJC_OT_remove,
    SJC_OT_edit_settings, SJC_OT_move,
    SJC_OT_clear_finished, SJC_OT_free_memory, SJC_OT_queue_from_text, SJC_OT_batch_on_cluster,
    SJC_OT_dice,
)  # fmt: skip
