"""An evening's presets in their order: the view for a dark stage, and the desk at which the list is made."""
