"""The list of jobs: its states, its file, its locks.  No bpy."""
