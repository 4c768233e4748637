"""The one error of the harness: a sentence for the person who started it, and what to do next where we know it."""


class ClusterError(Exception):
    """The cluster, or something that it needs, could not be had."""
