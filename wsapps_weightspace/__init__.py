"""Datasets of fitted fields, and learning on their weights."""
