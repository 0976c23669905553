"""The backend's process as the extension sees it: start, talk, stop.  No bpy."""
