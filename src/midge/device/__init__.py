"""C that goes to the device: kernels, and ports for cores; found through importlib.resources."""
