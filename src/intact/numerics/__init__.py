"""Number formats, granularity and the normative integer arithmetic; NumPy only."""
