"""What all buttons have in common: each does one thing, and shows an error as one line.

No `from __future__ import annotations` here: Blender reads the annotations themselves.
"""

from typing import Any

import bpy

from ... import user_preferences
from ...backend.sjc.errors import SjcError
from ...job import Job
from .. import ui_state
from ..languages.messages import translated


class Button:
    """`act` does the work; SjcError is shown in one line, and the panel follows."""

    bl_options = {"REGISTER"}  # noqa: RUF012 (Blender's name)

    def act(self, context: Any) -> None:
        """What the button does. Raises SjcError."""
        raise NotImplementedError

    def execute(self, context: Any) -> set[str]:
        """Called by Blender."""
        try:
            self.act(context)
        except SjcError as error:
            self.report({"ERROR"}, translated(str(error)))  # type: ignore[attr-defined]
            return {"CANCELLED"}
        return {"FINISHED"}


class JobButton(Button):
    """A button of one job.  job: its id, empty for the one at work or else the one chosen in the list."""

    states: tuple[str, ...] = ()
    reason = ""

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Whether any job is in one of `states`; which one a button means, only the button knows."""
        if set(cls.states) & set(context.window_manager.sjc.states.split()):
            return True
        cls.poll_message_set(cls.reason)  # type: ignore[attr-defined]
        return False

    def chosen(self, context: Any) -> Job:
        """The job that is meant."""
        runtime = context.window_manager.sjc
        listed = [entry.name for entry in runtime.jobs]
        active = listed[runtime.active_job] if 0 <= runtime.active_job < len(listed) else ""
        return ui_state.job_with(self.job or runtime.current or active)  # type: ignore[attr-defined]

    def execute(self, context: Any) -> set[str]:
        """Called by Blender."""
        done = super().execute(context)
        ui_state.refresh()
        return done


def job_property() -> Any:
    """The property `job` of a button."""
    return bpy.props.StringProperty(
        name="Job", description="Its id; empty for the job at work", options={"HIDDEN", "SKIP_SAVE"}
    )


def can_generate(cls: Any, context: Any) -> bool:
    """Poll: there is a prompt and a backend; says what is missing."""
    if not context.scene.sjc.prompt.strip():
        cls.poll_message_set("Type a prompt first")
        return False
    return backend_is_there(cls, context)


def backend_is_there(cls: Any, context: Any) -> bool:
    """Poll: what is known of the backend allows a start; says why not."""
    if user_preferences.other_is_used():
        return True
    state = context.window_manager.sjc.backend_state
    if state == "missing":
        cls.poll_message_set("Install the backend first")
    elif state == "broken":
        cls.poll_message_set("The backend does not work: see Backend below")
    elif state == "installing":
        cls.poll_message_set("Wait until the backend is installed")
    return state not in {"missing", "broken", "installing"}


def selected_meshes(context: Any) -> bool:
    """Whether a mesh is selected, to start from."""
    return any(item.type == "MESH" for item in context.selected_objects)


def start_from_selection(context: Any) -> dict[str, Any]:
    """What `api.generate` and `api.variants` take of the selected objects and of the panel's Change Only Inside."""
    keep = context.scene.sjc_start.keep
    return {"start": [item for item in context.selected_objects if item != keep], "keep": keep or ""}
