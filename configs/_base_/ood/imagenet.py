# ImageNet's usual four (Huang & Li, CVPR 2021), all of them far.
#
#   python tools/ood.py CONFIG CHECKPOINT --dataset imagenet --data-root DATA \
#       --ood configs/_base_/ood/imagenet.py
ood = dict(far=dict(inaturalist=None, sun=None, places=None, textures=None))
