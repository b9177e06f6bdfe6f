"""What quantization costs a network, layer by layer, why, and what cures it."""
