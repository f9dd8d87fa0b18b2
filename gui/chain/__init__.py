"""The signal path as the player sees it: the strip, the plugins around the model, and what each is set to."""
