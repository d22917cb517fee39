"""The learner in integers: the same algorithm as its float32 twin, in formats that are stated."""
