"""The panel and its buttons.  Needs bpy; every button calls one function of `api`, `backend_task` or the scene room.

properties     settings from the one schema, output, and the copy of the queue that is drawn | words  labels and
tooltips mirror         fills that copy when something has changed; `draw` reads it and nothing else  | past   finished
jobs on disk panels*        drawing | operators* the buttons | presets  Blender's own preset system | preferences |
translations said           what went wrong in the language of the interface backend_task   installs and checks the
backend beside everything else
"""
