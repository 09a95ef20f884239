"""Data: loading, splitting, scaling, batching."""

from .datasets import NAMES, Dataset, load
from .loader import DataLoader
from .scaling import MinMaxScaler, StandardScaler
from .split import train_test_split

__all__ = ["NAMES", "DataLoader", "Dataset", "MinMaxScaler", "StandardScaler", "load", "train_test_split"]
