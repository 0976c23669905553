"""Which models can be chosen, what is known of each, and their downloads.  No bpy."""
