"""Asking servers over HTTP: one client for all sources, and what its answers mean."""
