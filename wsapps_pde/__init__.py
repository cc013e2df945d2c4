"""Solving partial differential equations that are written as YAML."""
