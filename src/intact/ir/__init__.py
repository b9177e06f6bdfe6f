"""The graph container and its two vocabularies; NumPy only."""
