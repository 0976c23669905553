"""Buttons of the backend: install, check, choose a Python of one's own, choose a model's folder.

No `from __future__ import annotations` here: Blender reads the annotations themselves.
"""

from typing import Any

import bpy
from bpy.app.translations import pgettext_iface as iface_

from ... import places
from ...backend.sjc.errors import SjcError
from ...install import installer
from ...models import lookup
from .. import backend_task, model_picker, paragraph
from ..links import draw_link
from .common import Button

DIALOG_WIDTH = 420  # pixels at scale 1
ASK = (
    "This downloads PyTorch and its libraries (1 to 6 GB) to a folder of their own. You can keep using Blender "
    "meanwhile."
)
ABOUT_SIGNING_IN = (
    "Accept the model's terms on its page on the hub, make a token that may read, and paste it here. The hub's own "
    "program keeps it in its file, for other programs, too; it is not stored in Blender."
)
BUILDS = {
    "auto": ("Automatic", "Choose the build that fits the graphics card and its driver"),
    "cpu": ("CPU", "Works on any computer, but slowly"),
    "rocm6.4": ("AMD (ROCm 6.4)", "For AMD graphics cards on Linux"),
}


def _builds() -> list[tuple[str, str, str]]:
    names = {build: BUILDS.get(build, (f"NVIDIA ({build.upper()})", "")) for build in installer.TORCH_BUILDS}
    return [(build, label, tooltip) for build, (label, tooltip) in names.items()]


class _BackendButton(Button):
    """Not while a task is at work. In background Blender the task is waited for."""

    @classmethod
    def poll(cls, _context: Any) -> bool:
        """Whether no task is at work."""
        if backend_task.running():
            cls.poll_message_set("The backend is busy with another task")  # type: ignore[attr-defined]
            return False
        return True

    def execute(self, context: Any) -> set[str]:
        """Called by Blender."""
        done = super().execute(context)
        if done == {"FINISHED"} and bpy.app.background and (problem := backend_task.wait()):
            self.report({"ERROR"}, problem)  # type: ignore[attr-defined]
            return {"CANCELLED"}
        return done


class SJC_OT_install_backend(_BackendButton, bpy.types.Operator):
    """Download PyTorch and its libraries to the add-on's own folder; the current backend keeps working until then"""

    bl_idname, bl_label = "sjc.install_backend", "Install Backend"
    python: bpy.props.StringProperty(
        name="Python", description="Python 3.11 or newer to make the environment with. Empty: find one automatically",
        subtype="FILE_PATH",
    )  # fmt: skip
    build: bpy.props.EnumProperty(name="PyTorch for", description="Which build of PyTorch to download", items=_builds())

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Needs leave to go online."""
        if not bpy.app.online_access:
            cls.poll_message_set("Allow Online Access in Preferences > System > Network first")
            return False
        return super().poll(context)

    def invoke(self, context: Any, _event: Any) -> set[str]:
        """Ask first: it is a large download."""
        return context.window_manager.invoke_props_dialog(self, width=DIALOG_WIDTH, confirm_text="Install")

    def draw(self, context: Any) -> None:
        """What will happen, and the two choices."""
        layout = self.layout
        paragraph.paragraph(layout, context, ASK, icon="IMPORT", dialog_width=DIALOG_WIDTH)
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.prop(self, "build")
        layout.prop(self, "python")

    def act(self, _context: Any) -> None:
        """As `backend_task.install`."""
        backend_task.install(self.python, self.build)


class SJC_OT_cancel_install(Button, bpy.types.Operator):
    """Stop the current task; finished downloads are kept for next time, and a working backend stays as it is"""

    bl_idname, bl_label = "sjc.cancel_install", "Cancel"

    @classmethod
    def poll(cls, _context: Any) -> bool:
        """Needs a task."""
        if backend_task.running():
            return True
        cls.poll_message_set("No installation or download is running")
        return False

    def act(self, _context: Any) -> None:
        """As `backend_task.cancel`."""
        backend_task.cancel()


class SJC_OT_check_backend(_BackendButton, bpy.types.Operator):
    """Check the backend's libraries, device, memory and disk space"""

    bl_idname, bl_label = "sjc.check_backend", "Check"

    def act(self, _context: Any) -> None:
        """As `backend_task.check`."""
        backend_task.check(places.backend().python)


class SJC_OT_check_other(_BackendButton, bpy.types.Operator):
    """Connect to the other computer, and show its version of sjc, its device and its free disk space"""

    bl_idname, bl_label = "sjc.check_other", "Check Other Computer"

    def act(self, _context: Any) -> None:
        """As `backend_task.check_other`."""
        backend_task.check_other()

    def execute(self, context: Any) -> set[str]:
        """Called by Blender."""
        done = super().execute(context)
        runtime = context.window_manager.sjc
        if done == {"FINISHED"} and bpy.app.background and not runtime.other_ok:
            self.report({"ERROR"}, runtime.other_text)  # type: ignore[attr-defined]
            return {"CANCELLED"}
        return done


class SJC_OT_use_python(_BackendButton, bpy.types.Operator):
    """Use a Python environment of your own: choose its Python program or its folder"""

    bl_idname, bl_label = "sjc.use_python", "Use Existing Python"
    filepath: bpy.props.StringProperty(name="Python", subtype="FILE_PATH", options={"SKIP_SAVE"})

    def invoke(self, context: Any, _event: Any) -> set[str]:
        """Choose it."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def act(self, _context: Any) -> None:
        """Check it; the preferences remember it."""
        backend_task.check(self.filepath)
        chosen = places.preferences()
        if chosen:
            chosen.backend_python = self.filepath


class SJC_OT_choose_model(Button, bpy.types.Operator):
    """Choose a text-to-image model: a diffusers folder, or a Stable Diffusion checkpoint (.safetensors)"""

    bl_idname, bl_label = "sjc.choose_model", "Choose Model"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012
    directory: bpy.props.StringProperty(name="Folder", subtype="DIR_PATH", options={"SKIP_SAVE"})
    filename: bpy.props.StringProperty(name="File", subtype="FILE_NAME", options={"SKIP_SAVE"})
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN"})
    filter_glob: bpy.props.StringProperty(default="*.safetensors;*.ckpt;*.gguf", options={"HIDDEN"})

    def invoke(self, context: Any, _event: Any) -> set[str]:
        """Choose it."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def act(self, context: Any) -> None:
        """Check that it is a model, then take it."""
        from ...backend.sjc.models import model_files

        if not self.directory:
            raise SjcError("No folder is chosen.")
        folder = places.named_path(self.directory)
        chosen = folder / self.filename if self.filename and (folder / self.filename).is_file() else folder
        model_files.check_there(str(chosen))
        context.scene.sjc.model = str(chosen)


class SJC_OT_pick_model(Button, bpy.types.Operator):
    """Use this model"""

    bl_idname, bl_label = "sjc.pick_model", "Use Model"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012
    model: bpy.props.StringProperty(name="Model", options={"HIDDEN", "SKIP_SAVE"})

    def act(self, context: Any) -> None:
        """Into the field."""
        if not self.model:
            raise SjcError("No model is chosen.")
        context.scene.sjc.model = self.model


class _HubButton(_BackendButton):
    """Talks to the hub."""

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Needs leave to go online, and a backend."""
        if not bpy.app.online_access:
            cls.poll_message_set("Allow Online Access in Preferences > System > Network first")
            return False
        if context.window_manager.sjc.backend_state == "missing":
            cls.poll_message_set("Install the backend first")
            return False
        return super().poll(context)


class SJC_OT_ask_size(_HubButton, bpy.types.Operator):
    """Look up the chosen model's size and license on the Hugging Face hub, without downloading it"""

    bl_idname, bl_label = "sjc.ask_size", "Check Size"
    model: bpy.props.StringProperty(name="Model", options={"HIDDEN", "SKIP_SAVE"})

    def act(self, context: Any) -> None:
        """As `backend_task.ask_size`."""
        backend_task.ask_size(self.model or context.scene.sjc.model)


class SJC_OT_fetch_model(_HubButton, bpy.types.Operator):
    """Download the chosen model from the Hugging Face hub to the hub's cache, which other programs use too"""

    bl_idname, bl_label = "sjc.fetch_model", "Download Model"
    model: bpy.props.StringProperty(name="Model", options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: Any, _event: Any) -> set[str]:
        """Ask first: it is a large download."""
        self.model = self.model or context.scene.sjc.model
        return context.window_manager.invoke_props_dialog(self, width=DIALOG_WIDTH, confirm_text="Download Model")

    def draw(self, context: Any) -> None:
        """What will happen."""
        if size := model_picker.size_text(self.model):
            template = iface_("This downloads {}, {}, to {}. The model's page on the hub states its license.")
            text = template.format(self.model, size, lookup.hub_folder())
        else:
            template = iface_(
                "This downloads {}, up to several GB, to {}. The model's page on the hub states its license."
            )
            text = template.format(self.model, lookup.hub_folder())
        paragraph.paragraph(self.layout, context, text, icon="IMPORT", dialog_width=DIALOG_WIDTH)

    def act(self, context: Any) -> None:
        """As `backend_task.fetch`."""
        backend_task.fetch(self.model or context.scene.sjc.model)


class SJC_OT_sign_in(_HubButton, bpy.types.Operator):
    """Give a token of your Hugging Face account, for models that only such accounts may download"""

    bl_idname, bl_label = "sjc.sign_in", "Sign In"
    bl_options = {"INTERNAL"}  # noqa: RUF012 (the token must not be in the log of Blender's commands)
    token: bpy.props.StringProperty(
        name="Token", description="A token that may read. The hub's own program keeps it in its file; Blender does not",
        subtype="PASSWORD", options={"SKIP_SAVE"},
    )  # fmt: skip

    def invoke(self, context: Any, _event: Any) -> set[str]:
        """Ask for it."""
        self.token = ""
        return context.window_manager.invoke_props_dialog(self, width=DIALOG_WIDTH, confirm_text="Sign In")

    def draw(self, context: Any) -> None:
        """Where it comes from and where it goes."""
        paragraph.paragraph(self.layout, context, ABOUT_SIGNING_IN, icon="LOCKED", dialog_width=DIALOG_WIDTH)
        draw_link(self.layout, "token")
        self.layout.prop(self, "token")

    def act(self, _context: Any) -> None:
        """As `backend_task.sign_in`."""
        token, self.token = self.token, ""
        backend_task.sign_in(token)


class SJC_OT_remove_model(_BackendButton, bpy.types.Operator):
    """Delete this model from the Hugging Face hub's cache on this computer; other programs lose it too"""

    bl_idname, bl_label = "sjc.remove_model", "Remove Model"
    model: bpy.props.StringProperty(name="Model", options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: Any, event: Any) -> set[str]:
        """Ask first."""
        return context.window_manager.invoke_confirm(
            self, event, title=iface_("Remove Model"), message=self.model, confirm_text=iface_("Remove Model")
        )

    def act(self, _context: Any) -> None:
        """As `backend_task.remove`."""
        backend_task.remove(self.model)


class SJC_OT_check_model(_BackendButton, bpy.types.Operator):
    """Measure whether this model works and how long jobs take, and write a report to the output folder"""

    bl_idname, bl_label = "sjc.check_model", "Check Model"
    model: bpy.props.StringProperty(name="Model", options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Needs a backend, and no job: two models may not fit into memory."""
        if context.window_manager.sjc.backend_state == "missing":
            cls.poll_message_set("Install the backend first")
            return False
        if context.window_manager.sjc.current:
            cls.poll_message_set("Wait until the running job has ended")
            return False
        return super().poll(context)

    def act(self, context: Any) -> None:
        """As `backend_task.check_model`."""
        backend_task.check_model(self.model or context.scene.sjc.model)


CLASSES = (
    SJC_OT_check_model,
    SJC_OT_remove_model,
    SJC_OT_install_backend,
    SJC_OT_cancel_install,
    SJC_OT_check_backend,
    SJC_OT_check_other,
    SJC_OT_use_python,
    SJC_OT_choose_model,
    SJC_OT_pick_model,
    SJC_OT_ask_size,
    SJC_OT_fetch_model,
    SJC_OT_sign_in,
)
