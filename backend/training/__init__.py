"""How the embedded model was made: scenes with exact geometry, pictures, training, truth."""
