"""Many jobs: one after the other here, or on the slots of a Ray cluster, with the same job folders."""

from .making import Result, run
from .ray_cluster import ClusterOptions

__all__ = ["ClusterOptions", "Result", "run"]
