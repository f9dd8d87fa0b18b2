"""What stands before and behind the model: filter, gate, compressor, leveller, limiter, tuner. Pure signal code."""
