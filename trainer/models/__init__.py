"""One file per system; importing this package registers none of them: see `trainer.recipe.load_models`."""
