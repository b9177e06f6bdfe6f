"""What tools/fuzz_native.py is made of."""
