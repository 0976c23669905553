"""Translations of the interface, and of messages from rooms that know no Blender."""
