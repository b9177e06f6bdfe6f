"""Statistics of activations, streaming and mergeable, and the parameters they choose."""
