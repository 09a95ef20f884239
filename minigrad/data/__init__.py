"""Data: loading, generating, splitting, scaling, weighing, batching; surfaces for optimizers."""

from .datasets import NAMES, Dataset, load
from .generators import blobs, linear, moons, spirals
from .inputs import read_inputs
from .loader import DataLoader
from .scaling import SCALERS, MinMaxScaler, StandardScaler
from .split import train_test_split
from .surfaces import SURFACES, Surface
from .weights import class_weights, sample_weights

__all__ = [
    "NAMES",
    "SCALERS",
    "SURFACES",
    "DataLoader",
    "Dataset",
    "MinMaxScaler",
    "StandardScaler",
    "Surface",
    "blobs",
    "class_weights",
    "linear",
    "load",
    "moons",
    "read_inputs",
    "sample_weights",
    "spirals",
    "train_test_split",
]
