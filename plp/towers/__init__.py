"""What transformer and convolutional towers are made of, read once from each library's modules.

`ImageTower` describes an image tower: how pixels become tokens, its blocks, how tokens become the
pooled feature, and how one patch goes the same way. Dense streams are computed from that
description (`plp.towers.streams`): a family of towers is one reader, a stream is one formula.
"""
