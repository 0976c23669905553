"""Buttons that go on from a finished result: refine it, change its words, sharpen its colors.

No `from __future__ import annotations` here: Blender reads the annotations themselves.
"""

from pathlib import Path
from typing import Any

import bpy

from ... import api
from ...backend.sjc.errors import SjcError
from ...backend.sjc.job import refine, sharpen
from ...backend.sjc.job.folder import read_settings
from ...backend.sjc.settings import SPECS
from .. import ui_state
from .common import Button, backend_is_there
from .output import is_result


class GoOn(Button):
    """A button for a finished result.  folder: its job folder, empty for that of the selected mesh."""

    folder: bpy.props.StringProperty(
        name="Folder", description="A job folder", subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"}
    )
    steps: bpy.props.IntProperty(
        name="Steps", description="Number of optimization steps", default=100, min=1, max=int(SPECS["steps"].high or 1)
    )

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Needs a backend."""
        return backend_is_there(cls, context)

    def parent(self, context: Any) -> Path:
        """The job folder of the result. Raises SjcError where there is none."""
        if self.folder:
            return Path(self.folder)
        if not is_result(context.active_object):
            raise SjcError("Select a mesh made by this add-on, or choose a result in History.")
        return Path(str(context.active_object.get("folder", "")))

    def invoke(self, context: Any, _event: Any) -> set[str]:
        """Ask for what can be chosen, beginning with what follows from the result."""
        try:
            self.begin(self.parent(context))
        except SjcError:
            return self.execute(context)  # which says so
        return context.window_manager.invoke_props_dialog(self, width=400, confirm_text=self.bl_label)

    def begin(self, parent: Path) -> None:
        """Fill in what the dialog shows. Raises SjcError for a result that cannot be gone on from."""
        raise NotImplementedError


class SJC_OT_refine_result(GoOn, bpy.types.Operator):
    """Refine this result in a new job: more steps at low noise, on a finer grid if you like"""

    bl_idname, bl_label = "sjc.refine_result", "Refine"
    grid: bpy.props.IntProperty(
        name="Grid", description="Number of voxels along each edge of the volume; 0 keeps the result's", default=0,
        min=0, max=int(SPECS["grid"].high or 1),
    )  # fmt: skip

    def begin(self, parent: Path) -> None:
        """The result's own grid, and a share of its steps."""
        chosen = refine.settings_of(parent)
        self.steps, self.grid = chosen.steps, chosen.grid

    def draw(self, context: Any) -> None:
        """Steps, grid, and the part that may change."""
        self.layout.use_property_split = True
        self.layout.prop(self, "steps")
        self.layout.prop(self, "grid")
        self.layout.prop(context.scene.sjc_start, "keep")

    def act(self, context: Any) -> None:
        """As `api.refine`."""
        grid = {"grid": self.grid} if self.grid else {}
        api.refine(self.parent(context), steps=self.steps, keep=context.scene.sjc_start.keep or "", **grid)
        ui_state.refresh()


class SJC_OT_change_words(GoOn, bpy.types.Operator):
    """Give this result other words in a new job: its colors follow them, and its shape is held"""

    bl_idname, bl_label = "sjc.change_words", "Change Words"
    prompt: bpy.props.StringProperty(name="Prompt", description="What to make, as a sentence")
    density_rate: bpy.props.FloatProperty(
        name="Shape Change", description="How much the shape may change: 0 fixes it, 1 lets it change as in a new job",
        default=refine.DENSITY_RATE, min=0.0, max=1.0, subtype="FACTOR", precision=3,
    )  # fmt: skip
    start_noise: bpy.props.FloatProperty(
        name="Start Noise", description="How far up from the lowest noise level to begin; more changes more",
        default=1.0, min=0.01, max=1.0, subtype="FACTOR",
    )  # fmt: skip

    def begin(self, parent: Path) -> None:
        """The result's own words, to be changed."""
        self.prompt = read_settings(parent).prompt
        self.steps = refine.settings_of(parent, refine.OTHER).steps

    def draw(self, context: Any) -> None:
        """Words, and how much may change."""
        self.layout.use_property_split = True
        for name in ("prompt", "steps", "density_rate", "start_noise"):
            self.layout.prop(self, name)
        self.layout.prop(context.scene.sjc_start, "keep")

    def act(self, context: Any) -> None:
        """As `api.refine` with a prompt."""
        if not self.prompt.strip():
            raise SjcError("Type the new words first.")
        if self.prompt.strip() == read_settings(self.parent(context)).prompt:
            raise SjcError("These are the result's own words; change them, or use Refine.")
        api.refine(
            self.parent(context),
            self.prompt,
            steps=self.steps,
            density_rate=self.density_rate,
            start_noise=self.start_noise,
            keep=context.scene.sjc_start.keep or "",
        )
        ui_state.refresh()


class SJC_OT_sharpen_colors(GoOn, bpy.types.Operator):
    """Paint this result's mesh again in a new job, beginning with its colors; latent models' colors get truer"""

    bl_idname, bl_label = "sjc.sharpen_colors", "Sharpen Colors"
    strength: bpy.props.FloatProperty(
        name="Strength",
        description="How freely the pictures are made that correct the colors: more corrects more, less stays nearer "
        "to the present colors",
        default=sharpen.STRENGTH, min=0.0, max=1.0, subtype="FACTOR",
    )  # fmt: skip

    def begin(self, parent: Path) -> None:
        """Only whether there is a mesh."""
        sharpen.settings_of(parent)

    def draw(self, _context: Any) -> None:
        """How much changes."""
        self.layout.use_property_split = True
        self.layout.prop(self, "strength")

    def act(self, context: Any) -> None:
        """As `api.sharpen`."""
        api.sharpen(self.parent(context), strength=self.strength)
        ui_state.refresh()


GO_ON = (
    (SJC_OT_refine_result, "MOD_SUBSURF"),
    (SJC_OT_change_words, "GREASEPENCIL"),
    (SJC_OT_sharpen_colors, "BRUSHES_ALL"),
)


def draw_go_on(layout: Any, folder: str = "") -> None:
    """The buttons for a result; no folder: for the selected mesh."""
    for operator, icon in GO_ON:
        button = layout.operator(operator.bl_idname, icon=icon)
        if folder:
            button.folder = folder


def draw_context_menu(self: Any, context: Any) -> None:
    """The right-click menu of a result's mesh."""
    if is_result(context.active_object):
        self.layout.separator()
        self.layout.operator_context = "INVOKE_DEFAULT"
        draw_go_on(self.layout)


MENUS = (("VIEW3D_MT_object_context_menu", draw_context_menu),)
CLASSES = tuple(operator for operator, _icon in GO_ON)
