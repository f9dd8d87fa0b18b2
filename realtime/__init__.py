"""The live engine: from a sound card's block, or a file, through a model package, to sound. No torch and no Qt here."""
