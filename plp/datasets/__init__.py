"""Data: sources of labelled image files, few-shot draws, decoding, loading."""

from plp.datasets.base import DataSource, Item, Splits, check_splits
from plp.datasets.build import build_source, source_names
from plp.datasets.coop import Coop
from plp.datasets.epoch_sampler import EpochSampler
from plp.datasets.feature_store import FeatureStore, StoredRows
from plp.datasets.features import FeatureDataset, MemoryRows
from plp.datasets.folder import Folder
from plp.datasets.images import ImageDataset, View, read_image, verify_images
from plp.datasets.loading import Loading, build_loader
from plp.datasets.names import normalise_dataset_name
from plp.datasets.sampling import FewShot, sample, sample_exact, sample_stratified
from plp.datasets.textile import Textile

__all__ = [
    "Coop",
    "DataSource",
    "EpochSampler",
    "FeatureDataset",
    "FeatureStore",
    "FewShot",
    "Folder",
    "ImageDataset",
    "Item",
    "Loading",
    "MemoryRows",
    "Splits",
    "StoredRows",
    "Textile",
    "View",
    "build_loader",
    "build_source",
    "check_splits",
    "normalise_dataset_name",
    "read_image",
    "sample",
    "sample_exact",
    "sample_stratified",
    "source_names",
    "verify_images",
]
