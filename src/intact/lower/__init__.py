"""QuantizedModel → Program: every real scale becomes integers here."""
