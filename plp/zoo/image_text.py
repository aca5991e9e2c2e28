"""Image-text models of open_clip's own table.

The tags are open_clip's. Licences are those of the repositories that the weights come from, as
their cards, or timm's table of the same weights, state them.
"""

from plp.zoo.entry import Entry

MIT, APACHE, NON_COMMERCIAL = "MIT", "Apache-2.0", "CC-BY-NC-4.0, non-commercial"
APPLE_SAMPLE = "Apple Sample Code License"
APPLE_RESEARCH = "Apple ML Research licence, research only"

_CLIP, _LAION, _DATACOMP = "CLIP, OpenAI", "CLIP, LAION-2B", "CLIP, DataComp-1B"
_METACLIP, _METACLIP2, _DFN = "MetaCLIP", "MetaCLIP 2, multilingual", "CLIP, DFN"
_SIGLIP, _SIGLIP2, _PE = "SigLIP, WebLI", "SigLIP 2, WebLI, multilingual", "Perception Encoder"
_EVA, _MOBILE, _MOBILE2 = "EVA-02-CLIP", "MobileCLIP, DataCompDR", "MobileCLIP2, DFNDR-2B"
_CLIPA, _COCA = "CLIPA, DataComp-1B", "CoCa, LAION-2B"
_CONVNEXT, _VITAMIN = "CLIP-ConvNeXt, LAION-2B", "ViTamin, DataComp-1B"
_NLLB, _XLM = "NLLB-CLIP, multilingual", "CLIP, LAION-5B, multilingual"
_RESNET, _CNN = "resnet", "convolutional"

TRANSFORMERS = [
    Entry("vit-b32", _CLIP, "ViT-B-32", "openai", 224, MIT),
    Entry("vit-b16", _CLIP, "ViT-B-16", "openai", 224, MIT),
    Entry("vit-l14", _CLIP, "ViT-L-14", "openai", 224, MIT),
    Entry("vit-l14-336", _CLIP, "ViT-L-14-336", "openai", 336, MIT),
    Entry("vit-b32-laion2b", _LAION, "ViT-B-32", "laion2b_s34b_b79k", 224, MIT),
    Entry("vit-b16-laion2b", _LAION, "ViT-B-16", "laion2b_s34b_b88k", 224, MIT),
    Entry("vit-l14-laion2b", _LAION, "ViT-L-14", "laion2b_s32b_b82k", 224, MIT),
    Entry("vit-h14-laion2b", _LAION, "ViT-H-14", "laion2b_s32b_b79k", 224, MIT),
    Entry("vit-g14-laion2b", _LAION, "ViT-g-14", "laion2b_s34b_b88k", 224, MIT),
    Entry("vit-bigg14-laion2b", _LAION, "ViT-bigG-14", "laion2b_s39b_b160k", 224, MIT),
    Entry("vit-b32-datacomp", _DATACOMP, "ViT-B-32", "datacomp_xl_s13b_b90k", 224, MIT),
    Entry("vit-b32-256-datacomp", _DATACOMP, "ViT-B-32-256", "datacomp_s34b_b86k", 256, MIT),
    Entry("vit-b16-datacomp", _DATACOMP, "ViT-B-16", "datacomp_xl_s13b_b90k", 224, MIT),
    Entry("vit-l14-datacomp", _DATACOMP, "ViT-L-14", "datacomp_xl_s13b_b90k", 224, MIT),
    Entry("metaclip-b32", _METACLIP, "ViT-B-32", "metaclip_fullcc", 224, NON_COMMERCIAL),
    Entry("metaclip-b16", _METACLIP, "ViT-B-16", "metaclip_fullcc", 224, NON_COMMERCIAL),
    Entry("metaclip-l14", _METACLIP, "ViT-L-14", "metaclip_fullcc", 224, NON_COMMERCIAL),
    Entry("metaclip-h14", _METACLIP, "ViT-H-14", "metaclip_fullcc", 224, NON_COMMERCIAL),
    Entry("metaclip2-h14", _METACLIP2, "ViT-H-14-worldwide", "metaclip2_worldwide", 224,
          NON_COMMERCIAL),
    Entry("metaclip2-h14-378", _METACLIP2, "ViT-H-14-worldwide-378", "metaclip2_worldwide", 378,
          NON_COMMERCIAL),
    Entry("dfn-b16", _DFN, "ViT-B-16", "dfn2b", 224, APPLE_SAMPLE),
    Entry("dfn-l14", _DFN, "ViT-L-14", "dfn2b", 224, APPLE_SAMPLE),
    Entry("dfn-h14", _DFN, "ViT-H-14", "dfn5b", 224, APPLE_SAMPLE),
    Entry("dfn-h14-378", _DFN, "ViT-H-14-378", "dfn5b", 378, APPLE_SAMPLE),
    Entry("siglip-b16", _SIGLIP, "ViT-B-16-SigLIP", "webli", 224, APACHE),
    Entry("siglip-b16-256", _SIGLIP, "ViT-B-16-SigLIP-256", "webli", 256, APACHE),
    Entry("siglip-b16-384", _SIGLIP, "ViT-B-16-SigLIP-384", "webli", 384, APACHE),
    Entry("siglip-b16-512", _SIGLIP, "ViT-B-16-SigLIP-512", "webli", 512, APACHE),
    Entry("siglip-b16-i18n", "SigLIP, WebLI, multilingual", "ViT-B-16-SigLIP-i18n-256", "webli",
          256, APACHE),
    Entry("siglip-l16-256", _SIGLIP, "ViT-L-16-SigLIP-256", "webli", 256, APACHE),
    Entry("siglip-l16-384", _SIGLIP, "ViT-L-16-SigLIP-384", "webli", 384, APACHE),
    Entry("siglip-so400m-14", _SIGLIP, "ViT-SO400M-14-SigLIP", "webli", 224, APACHE),
    Entry("siglip-so400m-14-384", _SIGLIP, "ViT-SO400M-14-SigLIP-384", "webli", 384, APACHE),
    Entry("siglip2-b32-256", _SIGLIP2, "ViT-B-32-SigLIP2-256", "webli", 256, APACHE),
    Entry("siglip2-b16", _SIGLIP2, "ViT-B-16-SigLIP2", "webli", 224, APACHE),
    Entry("siglip2-b16-256", _SIGLIP2, "ViT-B-16-SigLIP2-256", "webli", 256, APACHE),
    Entry("siglip2-b16-384", _SIGLIP2, "ViT-B-16-SigLIP2-384", "webli", 384, APACHE),
    Entry("siglip2-b16-512", _SIGLIP2, "ViT-B-16-SigLIP2-512", "webli", 512, APACHE),
    Entry("siglip2-l16-256", _SIGLIP2, "ViT-L-16-SigLIP2-256", "webli", 256, APACHE),
    Entry("siglip2-l16-384", _SIGLIP2, "ViT-L-16-SigLIP2-384", "webli", 384, APACHE),
    Entry("siglip2-l16-512", _SIGLIP2, "ViT-L-16-SigLIP2-512", "webli", 512, APACHE),
    Entry("siglip2-so400m-14", _SIGLIP2, "ViT-SO400M-14-SigLIP2", "webli", 224, APACHE),
    Entry("siglip2-so400m-14-378", _SIGLIP2, "ViT-SO400M-14-SigLIP2-378", "webli", 378, APACHE),
    Entry("siglip2-so400m-16-256", _SIGLIP2, "ViT-SO400M-16-SigLIP2-256", "webli", 256, APACHE),
    Entry("siglip2-so400m-16-384", _SIGLIP2, "ViT-SO400M-16-SigLIP2-384", "webli", 384, APACHE),
    Entry("siglip2-so400m-16-512", _SIGLIP2, "ViT-SO400M-16-SigLIP2-512", "webli", 512, APACHE),
    Entry("siglip2-gopt-16-256", _SIGLIP2, "ViT-gopt-16-SigLIP2-256", "webli", 256, APACHE),
    Entry("siglip2-gopt-16-384", _SIGLIP2, "ViT-gopt-16-SigLIP2-384", "webli", 384, APACHE),
    Entry("pe-core-t16", _PE, "PE-Core-T-16-384", "meta", 384, APACHE),
    Entry("pe-core-s16", _PE, "PE-Core-S-16-384", "meta", 384, APACHE),
    Entry("pe-core-b16", _PE, "PE-Core-B-16", "meta", 224, APACHE),
    Entry("pe-core-l14", _PE, "PE-Core-L-14-336", "meta", 336, APACHE),
    Entry("pe-core-g14", _PE, "PE-Core-bigG-14-448", "meta", 448, APACHE),
    Entry("eva02-b16", _EVA, "EVA02-B-16", "merged2b_s8b_b131k", 224, MIT),
    Entry("eva02-l14", _EVA, "EVA02-L-14", "merged2b_s4b_b131k", 224, MIT),
    Entry("eva02-l14-336", _EVA, "EVA02-L-14-336", "merged2b_s6b_b61k", 336, MIT),
    Entry("mobileclip-b", _MOBILE, "MobileCLIP-B", "datacompdr", 224, APPLE_RESEARCH),
    Entry("mobileclip2-b", _MOBILE2, "MobileCLIP2-B", "dfndr2b", 224, APPLE_RESEARCH),
    Entry("mobileclip2-l14", _MOBILE2, "MobileCLIP2-L-14", "dfndr2b", 224, APPLE_RESEARCH),
    Entry("clipa-l14", _CLIPA, "ViT-L-14-CLIPA", "datacomp1b", 224, APACHE),
    Entry("clipa-l14-336", _CLIPA, "ViT-L-14-CLIPA-336", "datacomp1b", 336, APACHE),
    Entry("clipa-h14", _CLIPA, "ViT-H-14-CLIPA", "datacomp1b", 224, APACHE),
    Entry("clipa-h14-336", _CLIPA, "ViT-H-14-CLIPA-336", "datacomp1b", 336, APACHE),
    Entry("coca-b32", _COCA, "coca_ViT-B-32", "laion2b_s13b_b90k", 224, MIT),
    Entry("coca-l14", _COCA, "coca_ViT-L-14", "laion2b_s13b_b90k", 224, MIT),
    Entry("vitamin-s", _VITAMIN, "ViTamin-S", "datacomp1b", 224, MIT),
    Entry("vitamin-b", _VITAMIN, "ViTamin-B", "datacomp1b", 224, MIT),
    Entry("vitamin-l", _VITAMIN, "ViTamin-L", "datacomp1b", 224, MIT),
    Entry("vitamin-l-336", _VITAMIN, "ViTamin-L-336", "datacomp1b", 336, MIT),
    Entry("vitamin-xl-256", _VITAMIN, "ViTamin-XL-256", "datacomp1b", 256, MIT),
    Entry("nllb-clip-b", _NLLB, "nllb-clip-base", "v1", 224, NON_COMMERCIAL),
    Entry("nllb-siglip-b", _NLLB, "nllb-clip-base-siglip", "v1", 384, NON_COMMERCIAL),
    Entry("xlm-roberta-b32", _XLM, "xlm-roberta-base-ViT-B-32", "laion5b_s13b_b90k", 224, MIT),
]  # fmt: skip

OTHERS = [
    Entry("rn50", _CLIP, "RN50", "openai", 224, MIT, _RESNET),
    Entry("rn101", _CLIP, "RN101", "openai", 224, MIT, _RESNET),
    Entry("rn50x4", _CLIP, "RN50x4", "openai", 288, MIT, _RESNET),
    Entry("rn50x16", _CLIP, "RN50x16", "openai", 384, MIT, _RESNET),
    Entry("rn50x64", _CLIP, "RN50x64", "openai", 448, MIT, _RESNET),
    Entry("convnext-b", _CONVNEXT, "convnext_base_w", "laion2b_s13b_b82k_augreg", 256, MIT, _CNN),
    Entry("convnext-l", _CONVNEXT, "convnext_large_d", "laion2b_s26b_b102k_augreg", 256, MIT, _CNN),
    Entry("convnext-l-320", _CONVNEXT, "convnext_large_d_320", "laion2b_s29b_b131k_ft_soup", 320,
          MIT, _CNN),
    Entry("convnext-xxl", _CONVNEXT, "convnext_xxlarge", "laion2b_s34b_b82k_augreg_soup", 256, MIT,
          _CNN),
    Entry("mobileclip-s1", _MOBILE, "MobileCLIP-S1", "datacompdr", 256, APPLE_RESEARCH, _CNN),
    Entry("mobileclip-s2", _MOBILE, "MobileCLIP-S2", "datacompdr", 256, APPLE_RESEARCH, _CNN),
    Entry("mobileclip2-s0", _MOBILE2, "MobileCLIP2-S0", "dfndr2b", 256, APPLE_RESEARCH, _CNN),
    Entry("mobileclip2-s2", _MOBILE2, "MobileCLIP2-S2", "dfndr2b", 256, APPLE_RESEARCH, _CNN),
    Entry("mobileclip2-s3", _MOBILE2, "MobileCLIP2-S3", "dfndr2b", 256, APPLE_RESEARCH, _CNN),
    Entry("mobileclip2-s4", _MOBILE2, "MobileCLIP2-S4", "dfndr2b", 256, APPLE_RESEARCH, _CNN),
]  # fmt: skip
