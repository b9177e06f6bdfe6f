"""The native engine on an emulated 64-bit ARM CPU."""
