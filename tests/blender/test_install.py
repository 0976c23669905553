"""The built zip, installed and switched on as a person would, through Blender's own extension system."""

import pytest

SWITCH = """
import addon_utils, importlib, sys
from pathlib import Path

module = "bl_ext.user_default.sjc_blender"
bpy.ops.extensions.package_install_files(
    filepath=given["archive"], repo="user_default", enable_on_install=False, overwrite=True
)

def left():
    # Everything of ours that Blender knows.
    left_over = {name for name in dir(bpy.types) if name.startswith("SJC_")}
    for owner in (bpy.types.Scene, bpy.types.WindowManager):
        left_over |= {f"{owner.__name__}.{name}" for name in dir(owner) if name.startswith("sjc")}
    for name in dir(bpy.app.handlers):
        hooked = getattr(bpy.app.handlers, name)
        if isinstance(hooked, list):
            left_over |= {f"handler {name}" for f in hooked if "sjc_blender" in f.__module__}
    for menu in (bpy.types.TOPBAR_MT_file_import, bpy.types.VIEW3D_MT_mesh_add):
        drawn = getattr(menu.draw, "_draw_funcs", ())
        left_over |= {f"menu {f.__name__}" for f in drawn if "sjc_blender" in f.__module__}
    left_over |= {f"operator {name}" for name in dir(bpy.ops.sjc)}
    return sorted(left_over)

def timers():
    timer, registration, task = (
        sys.modules.get(f"{module}.{name}") for name in ("timer", "registration", "ui.backend_task")
    )
    known = [timer.tick, registration._begin, task.tick]
    return [f.__name__ for f in known if bpy.app.timers.is_registered(f)]

def warnings():
    addon_utils._is_first_reset()
    return addon_utils._extensions_warnings_get()
"""


@pytest.mark.parametrize("kind", ["archive", "source_zip"])
def test_installs_switches_on_and_off_twice_and_leaves_nothing(each_blender, request, kind):
    """The built zip, and the one that a code host makes of the source."""
    archive = request.getfixturevalue(kind)
    got = each_blender(
        SWITCH
        + """
result = {"before": left(), "on": [], "off": [], "warnings": []}
for turn in range(2):
    bpy.ops.preferences.addon_enable(module=module)
    result["on"].append(left())
    result["enabled"] = module in bpy.context.preferences.addons
    package = importlib.import_module(module)
    result["warnings"].append(warnings())
    api = importlib.import_module(module + ".api")
    places = importlib.import_module(module + ".places")
    result["backend"] = str(places.BACKEND)
    result["package"] = str(Path(package.__file__).parent)
    result["worker"] = (places.BACKEND / "sjc_worker.py").is_file()
    model = places.BACKEND / "sjc" / "embedded" / "model"
    result["model"] = (model / "unet" / "diffusion_pytorch_model.safetensors").is_file()
    result["user_folder"] = str(places.user_folder("environment"))
    result["preferences"] = places.preferences() is not None
    result["tops"] = sorted({name.split(".")[0] for name in sys.modules} & {"sjc", "sjc_blender", "training", "torch"})
    bpy.ops.preferences.addon_disable(module=module)
    result["off"].append(left())
result["timers"] = timers()
result["listeners"] = len(sys.modules[module + ".live"].listeners)
index = next(i for i, r in enumerate(bpy.context.preferences.extensions.repos) if r.module == "user_default")
bpy.ops.extensions.package_uninstall(repo_index=index, pkg_id="sjc_blender")
result["gone"] = not Path(result["package"]).exists()
""",
        archive=archive,
    )
    assert got["before"] == []
    assert got["on"][0] == got["on"][1]
    assert {"SJC_OT_generate", "SJC_PT_main", "SJC_UL_jobs", "SJC_FH_result", "Scene.sjc"} <= set(got["on"][0])
    assert {"handler load_post", "menu draw_import", "menu draw_add", "operator generate"} <= set(got["on"][0])
    assert got["off"] == [[], []]
    assert got["enabled"]
    assert got["warnings"] == [{}, {}]
    assert got["backend"] == got["package"] + "/backend"
    assert got["package"].endswith("/extensions/user_default/sjc_blender")
    assert got["worker"]
    assert got["model"]
    assert got["user_folder"].startswith(got["package"].partition("/extensions/")[0])
    assert not got["user_folder"].startswith(got["package"])
    assert got["preferences"]
    assert got["tops"] == []
    assert got["timers"] == []
    assert got["listeners"] == 0
    assert got["gone"]
