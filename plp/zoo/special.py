"""Models of a domain, towers without texts, and the backbone that pip packages bring."""

from plp.zoo.entry import Entry
from plp.zoo.image_text import APACHE, MIT

_HUB, _TRANSFORMERS, _IMAGES = "OpenCLIPBackbone", "TransformersBackbone", "ImageOnlyBackbone"
_DINOV3 = "DINOv3 License, Meta"
_DINOV2_FAMILY, _DINOV3_FAMILY = "DINOv2, images only", "DINOv3, images only"

LITE = [
    Entry("lite", "EfficientNet-Lite0 and MiniLM of pip packages", "", None, 224,
          "Apache-2.0 (texts), not stated (images)", "lite", "LiteBackbone"),
]  # fmt: skip

DOMAINS = [
    Entry("biomedclip", "medicine: BiomedCLIP, PMC-15M",
          "hf-hub:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224", None, 224, MIT),
    Entry("quiltnet-b32", "pathology: QuiltNet, Quilt-1M", "hf-hub:wisdomik/QuiltNet-B-32", None,
          224, MIT),
    Entry("quiltnet-b16", "pathology: QuiltNet, Quilt-1M", "hf-hub:wisdomik/QuiltNet-B-16", None,
          224, MIT),
    Entry("bioclip", "species: BioCLIP, TreeOfLife-10M", "hf-hub:imageomics/bioclip", None, 224,
          MIT),
    Entry("bioclip2", "species: BioCLIP 2, TreeOfLife-200M", "hf-hub:imageomics/bioclip-2", None,
          224, MIT),
    Entry("marqo-fashionclip", "fashion: ViT-B/16 of LAION-2B, tuned",
          "hf-hub:Marqo/marqo-fashionCLIP", None, 224, APACHE),
    Entry("marqo-fashionsiglip", "fashion: SigLIP-B/16, tuned",
          "hf-hub:Marqo/marqo-fashionSigLIP", None, 224, APACHE),
    Entry("fashionclip", "fashion: FashionCLIP 2.0", "transformers:patrickjohncyh/fashion-clip",
          None, 224, MIT, type=_TRANSFORMERS),
    Entry("git-rsclip", "remote sensing: Git-RSCLIP, Git-10M", "transformers:lcybuaa/Git-RSCLIP",
          None, None, APACHE, type=_TRANSFORMERS),
]  # fmt: skip

IMAGE_ONLY = [
    Entry("dinov2-s14", _DINOV2_FAMILY, "timm:vit_small_patch14_dinov2.lvd142m", None, 518, APACHE,
          type=_IMAGES),
    Entry("dinov2-b14", _DINOV2_FAMILY, "timm:vit_base_patch14_dinov2.lvd142m", None, 518, APACHE,
          type=_IMAGES),
    Entry("dinov2-l14", _DINOV2_FAMILY, "timm:vit_large_patch14_dinov2.lvd142m", None, 518, APACHE,
          type=_IMAGES),
    Entry("dinov2-g14", _DINOV2_FAMILY, "timm:vit_giant_patch14_dinov2.lvd142m", None, 518, APACHE,
          type=_IMAGES),
    Entry("dinov3-s16", _DINOV3_FAMILY, "timm:vit_small_patch16_dinov3.lvd1689m", None, 256,
          _DINOV3, type=_IMAGES),
    Entry("dinov3-b16", _DINOV3_FAMILY, "timm:vit_base_patch16_dinov3.lvd1689m", None, 256,
          _DINOV3, type=_IMAGES),
    Entry("dinov3-l16", _DINOV3_FAMILY, "timm:vit_large_patch16_dinov3.lvd1689m", None, 256,
          _DINOV3, type=_IMAGES),
    Entry("dinov3-convnext-t", _DINOV3_FAMILY, "timm:convnext_tiny.dinov3_lvd1689m", None, 224,
          _DINOV3, "convolutional", _IMAGES),
]  # fmt: skip
