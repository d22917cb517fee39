"""Bearing faults: a small network hears in a motor's vibration which part of a bearing is worn."""
