"""Trained networks → Graph, and Graph → nn.Module."""
