"""Captures of Neural Amp Modeler become model packages."""
