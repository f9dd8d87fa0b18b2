"""A live session from afar, by Open Sound Control."""
