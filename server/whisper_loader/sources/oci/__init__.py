"""Artifacts and images in OCI registries: `source.resolve` is the door.

https://github.com/opencontainers/distribution-spec and https://github.com/opencontainers/image-spec; two ways to log
in that registries have: Basic, and https://distribution.github.io/distribution/spec/auth/token/.
"""
