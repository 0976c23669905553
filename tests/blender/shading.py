"""Lines for Blender: which normals it shades an object with, by its own baking, and how far they are from a ball's."""

OFF_A_BALL = """
def off_a_ball(made, middle, size):
    '''Degrees between the normals of shading and those of a ball about `middle`, for each texel that is covered.'''
    scene, tree = bpy.context.scene, made.data.materials[0].node_tree
    scene.render.engine, scene.cycles.samples = "CYCLES", 1
    for item in bpy.context.selected_objects:
        item.select_set(False)
    bpy.context.view_layer.objects.active = made
    made.select_set(True)

    def baked(kind, **more):
        node = tree.nodes.new("ShaderNodeTexImage")
        node.image = bpy.data.images.new("probe", size, size, float_buffer=True)
        node.image.colorspace_settings.name = "Non-Color"
        tree.nodes.active = node
        bpy.ops.object.bake(type=kind, margin=0, **more)
        values = np.empty(4 * size * size, np.float32)
        node.image.pixels.foreach_get(values)
        tree.nodes.remove(node)
        return values.reshape(-1, 4)

    normals = baked("NORMAL", normal_space="OBJECT")[:, :3] * 2 - 1
    output = next(node for node in tree.nodes if node.type == "OUTPUT_MATERIAL")
    shader = output.inputs["Surface"].links[0].from_socket
    emission, place = tree.nodes.new("ShaderNodeEmission"), tree.nodes.new("ShaderNodeNewGeometry")
    tree.links.new(place.outputs["Position"], emission.inputs["Color"])
    tree.links.new(emission.outputs[0], output.inputs["Surface"])
    places = baked("EMIT")[:, :3]
    tree.links.new(shader, output.inputs["Surface"])
    covered = np.abs(places).max(1) > 1e-3
    outward, bent = places[covered] - middle, normals[covered]
    cosine = (outward * bent).sum(1) / np.linalg.norm(outward, axis=1) / np.maximum(np.linalg.norm(bent, axis=1), 1e-6)
    return np.degrees(np.arccos(cosine.clip(-1, 1)))
"""
