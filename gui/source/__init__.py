"""The Source panel: what is played into the model — a microphone or interface, MIDI, or an audio file."""
