"""Blender's operators: each calls one function of `api`."""
