"""The Play panel: power, signal path, model library, what is seen of the sound, recordings."""
