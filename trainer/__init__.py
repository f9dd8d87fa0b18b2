"""Training: from recordings and notes to an exported model package. Needs the `train` extra (torch)."""
