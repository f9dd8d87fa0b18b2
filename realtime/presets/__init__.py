"""Sounds by name, and the order of an evening: files that people read and write."""
