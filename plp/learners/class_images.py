"""The images of a learner: encoded for its branches and references, or as far as can be kept."""

from torch import Tensor

from plp.learners.encoding import encoded
from plp.learners.fitted_parts import FittedParts
from plp.learners.images import Images, Pixels, normalised
from plp.learners.started import finish, kept
from plp.structures import ImageFeatures, KeptImages, StartedImages


class ClassImages(FittedParts):
    """A learner that encodes images; what acts inside the tower acts on those of branches."""

    def encode_image(
        self, images: Images, references: bool = False, frozen: bool = False
    ) -> ImageFeatures:
        """Encode images once for all branches; features pass through.

        There is a graph only where a tuner acts on images and gradients are on.

        Args:
            images: As in `PromptLearner.forward`.
            references: Also for references: with their streams, and with the features of the frozen
                tower (`ImageFeatures.untuned`).
            frozen: With the features of the frozen tower.
        """
        if isinstance(images, ImageFeatures):
            return self.tuners.on_features(images) if images.frozen is None else images
        own, others = self.branches.streams, self.references.streams if references else ()
        with self._autocast():
            if isinstance(images, StartedImages):
                if isinstance(images.start, Tensor):
                    images = images._replace(start=normalised(images.start, self.backbone))
                features = finish(self.backbone, self.tuners, images, own)
            else:
                pixels, frozen = normalised(images, self.backbone), frozen or references
                features = encoded(self.backbone, self.tuners, pixels, own, others, frozen)
        return self.tuners.on_features(features)

    def keep_image(self, images: Pixels, references: bool = False) -> KeptImages:
        """Encode images as far as nothing that is learned reaches; `encode_image` goes on there.

        Args:
            images: Pixels.
            references: Also for references, as in `encode_image`.
        """
        pixels = normalised(images, self.backbone)
        own, others = self.branches.streams, self.references.streams if references else ()
        with self._autocast():
            return kept(self.backbone, self.tuners, pixels, own, others)
