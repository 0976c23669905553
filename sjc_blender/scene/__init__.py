"""The scene room: files in, datablocks out. Needs bpy; knows nothing of jobs, workers and panels.

compat     every difference between Blender versions | collect  names, collection, custom properties
materials  the two shared materials                  | volumes  the live volume and its history on the timeline
meshes     the result, iso mesh, modifiers           | assets   Asset Browser | preview  the newest picture as an icon
glb, vdb, history                                    plain Python and NumPy, without bpy: they may run in a thread
"""
