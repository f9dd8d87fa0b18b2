"""One module per subcommand of `retimbre` that prepares, trains or judges: `register(app)`, late imports."""
