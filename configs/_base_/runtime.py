# What every run has. Flags of tools/train.py change shots, seed and precision.
default_scope = "plp"
randomness = dict(seed=1)
save_seconds = 10.0  # shortest time between two states that --resume can continue from
report = True  # leave report.html, for people to read
selection = "last"  # "val": test the epoch with the best accuracy on validation images
