"""Post-training quantization: calibration and weight methods."""
