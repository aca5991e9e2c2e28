"""The engine: config, data, training, testing, checkpoints, results."""
