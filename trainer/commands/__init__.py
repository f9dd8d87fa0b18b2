"""One module per subcommand of `retimbre` that prepares, trains or judges; each exposes `register(app)` and imports late."""
