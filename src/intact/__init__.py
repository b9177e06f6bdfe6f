"""Small, fast, integer neural networks: the integers you evaluated are the integers that run."""
