# What every run has. Flags of tools/train.py change shots, seed and precision.
default_scope = "plp"
randomness = dict(seed=1)
selection = "last"  # "val": test the epoch with the best accuracy on validation images
