"""The panel and its buttons.  Needs bpy; every button calls one function of `api`, `backend_task` or the scene room.

properties    settings from the one schema, output, and the copy of the queue that is drawn
ui_state      fills that copy when something has changed; `draw` reads it and nothing else
panels        drawing: labels, paragraph (text on several lines), model_picker, loras
operators     the buttons
preferences   the add-on's preferences; presets: settings saved under a name
job_history   finished jobs on disk
backend_task  installs and checks the backend beside everything else
languages     translations, and messages of errors in the language of the interface
"""
