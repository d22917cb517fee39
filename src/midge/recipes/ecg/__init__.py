"""Heart rhythm: a small network on the wrist flags, a large one in the cloud confirms."""
