"""What was learned, on disk: reading, trusting and writing `model.safetensors`."""
