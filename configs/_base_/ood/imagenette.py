# For Imagenette: dogs are near, textures and flowers are far (docs/results/ood.md).
#
#   python tools/protocol.py ood --methods sotglp --datasets imagenette=DATA/imagenette \
#       --data-root DATA --ood configs/_base_/ood/imagenette.py
ood = dict(
    near=dict(imagewoof="imagewoof"),
    far=dict(dtd="dtd", flowers="oxford_flowers"),
)
