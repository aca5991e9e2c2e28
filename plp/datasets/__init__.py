"""Data: sources of labelled image files, few-shot draws, decoding, loading."""

from plp.datasets.aircraft import FGVCAircraft
from plp.datasets.base import DataSource, Item, Splits, check_splits
from plp.datasets.benchmarks import BENCHMARKS, Benchmark
from plp.datasets.build import build_source, source_config, source_names
from plp.datasets.coop import Coop
from plp.datasets.decoded import DecodedImages, decode_images
from plp.datasets.epoch_sampler import EpochSampler
from plp.datasets.feature_store import FeatureStore, StoredRows
from plp.datasets.features import FeatureDataset, FrozenBeside, MemoryRows
from plp.datasets.folder import Folder
from plp.datasets.imagenet import ImageNet
from plp.datasets.imagenet_shift import ImageNetShift
from plp.datasets.images import ImageDataset, View, read_image
from plp.datasets.loading import Loading, build_loader
from plp.datasets.names import normalise_dataset_name
from plp.datasets.ood_benchmarks import OOD_BENCHMARKS, find_ood_folder
from plp.datasets.published_split import PublishedSplit
from plp.datasets.readable import find_unreadable, verify_images
from plp.datasets.sampling import FewShot, sample, sample_exact, sample_stratified
from plp.datasets.textile import Textile

__all__ = [
    "BENCHMARKS",
    "OOD_BENCHMARKS",
    "Benchmark",
    "Coop",
    "DataSource",
    "DecodedImages",
    "EpochSampler",
    "FGVCAircraft",
    "FeatureDataset",
    "FeatureStore",
    "FewShot",
    "Folder",
    "FrozenBeside",
    "ImageDataset",
    "ImageNet",
    "ImageNetShift",
    "Item",
    "Loading",
    "MemoryRows",
    "PublishedSplit",
    "Splits",
    "StoredRows",
    "Textile",
    "View",
    "build_loader",
    "build_source",
    "check_splits",
    "decode_images",
    "find_ood_folder",
    "find_unreadable",
    "normalise_dataset_name",
    "read_image",
    "sample",
    "sample_exact",
    "sample_stratified",
    "source_config",
    "source_names",
    "verify_images",
]
