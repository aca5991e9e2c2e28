# Default data: three kinds of textile image, shipped in a pip package. --dataset takes any other.
dataset = dict(type="Textile")
data = dict(
    shots=16,
    sampler="exact",
    batch_size=32,
    eval_batch_size=64,
    num_workers=2,
    train_transform=dict(type="FewShotTrain"),
    eval_transform=dict(type="BackboneEval"),
)
