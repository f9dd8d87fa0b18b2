"""One module per subcommand of `retimbre` that plays or converts; each exposes `register(app)` and imports late."""
