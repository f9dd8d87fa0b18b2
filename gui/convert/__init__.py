"""Convert: files in, the same playing on another instrument out, and both heard and seen beside each other."""
