"""Variants: several short runs of one prompt, side by side, of which one is taken to full length.

plan.py says what they are, short.py makes one, side_by_side.py has several share the calls of a network, and making.py
makes all and keeps the list in variants.json.
"""
