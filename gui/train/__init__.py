"""The Train panel: check recordings, choose a recipe, watch a training that runs on its own, keep what it made."""
