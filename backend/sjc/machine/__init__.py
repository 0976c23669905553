"""What the computer offers: devices, threads, memory, a folder for caches."""
