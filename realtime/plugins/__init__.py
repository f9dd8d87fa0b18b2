"""Plugins around the model: hosted in a process of their own, by LV2, VST3 or Audio Units."""
