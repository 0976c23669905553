"""A layout that draws nothing and checks everything: run inside Blender, it knows what the real one would refuse."""

import bpy

FUNCTIONS = bpy.types.UILayout.bl_rna.functions
ICONS = set(FUNCTIONS["label"].parameters["icon"].enum_items.keys())
PLAIN = {"label", "prop", "operator", "box", "row", "column", "progress", "template_icon", "template_list", "separator",
         "popover", "prop_search", "panel", "menu", "split", "template_ID", "grid_flow"}  # fmt: skip
FREE = {"alignment", "scale_y", "scale_x", "enabled", "active", "alert", "emboss", "use_property_split",
        "use_property_decorate", "operator_context"}  # fmt: skip


class Button:
    """What `layout.operator` gives: takes the operator's properties and no others."""

    def __init__(self, name):
        room, _, word = name.partition(".")
        object.__setattr__(self, "rna", getattr(getattr(bpy.ops, room), word).get_rna_type())

    def __setattr__(self, name, value):
        prop = self.rna.properties[name]
        kinds = {"STRING": str, "INT": int, "BOOLEAN": bool, "ENUM": str, "FLOAT": (int, float)}
        assert isinstance(value, kinds[prop.type]), (name, value)


class Layout:
    """calls: [(function, its arguments)], shared by all parts of one layout. folded: panels within are closed."""

    def __init__(self, calls=None, folded=False):
        object.__setattr__(self, "calls", [] if calls is None else calls)
        object.__setattr__(self, "folded", folded)

    def __setattr__(self, name, value):
        assert name in FREE, f"a layout has no {name}"

    def __getattr__(self, name):
        assert name in PLAIN, f"{name} is not known to this recorder"

        def call(*given, **named):
            self._check(name, given, named)
            self.calls.append((name, given, named))
            if name == "operator":
                return Button(given[0])
            if name == "panel":
                return self._part(), None if self.folded else self._part()
            return self._part()

        return call

    def _part(self):
        return Layout(self.calls, self.folded)

    def _check(self, name, given, named):
        known = FUNCTIONS[name].parameters.keys()
        assert set(named) <= set(known), f"{name} takes no {set(named) - set(known)} in {bpy.app.version_string}"
        assert named.get("icon", "NONE") in ICONS, named
        if name == "prop":
            data, attribute = given
            assert attribute in data.bl_rna.properties, f"{data} has no {attribute}"
        if name == "operator":
            room, _, word = given[0].partition(".")
            assert word in dir(getattr(bpy.ops, room)), given[0]
        if name == "template_list":
            assert hasattr(bpy.types, given[0]), given[0]
            assert given[3] in given[2].bl_rna.properties
            assert given[5] in given[4].bl_rna.properties
        if name == "popover":
            assert hasattr(bpy.types, named["panel"])
        if name == "progress":
            assert 0 <= named["factor"] <= 1, named
        for text in (named.get("text"), named.get("placeholder")):
            assert text is None or isinstance(text, str), text

    def texts(self):
        """All that can be read, in order."""
        return [named["text"] for _, _, named in self.calls if named.get("text")]

    def operators(self):
        """All buttons, in order."""
        return [given[0] for name, given, _ in self.calls if name == "operator"]


def draw(cls, context, folded=False, **more):
    """Draw a panel into a fresh recorder and give it."""
    layout = Layout(folded=folded)
    # The class's own functions, on something that is no registered panel: that one's layout is Blender's.
    own = {name: value for name, value in vars(cls).items() if callable(value)}
    panel = type(cls.__name__, (), {**own, "layout": layout})()
    for function in ("draw_header_preset", "draw"):
        if function in own:
            getattr(panel, function)(context, **more)
    return layout
