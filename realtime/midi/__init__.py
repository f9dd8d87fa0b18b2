"""Notes and controllers: ports, files, what they turn, and the sources that they play."""
