"""Thousands of bad files and lines through every door (`python3 build.py fuzz`), each in a process of its own."""
