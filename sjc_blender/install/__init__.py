"""The backend's environment: found, asked, installed.  No bpy."""
