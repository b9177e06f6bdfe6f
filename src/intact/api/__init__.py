"""The public functions: capture, quantize, save, run, export and verify in one call each."""
