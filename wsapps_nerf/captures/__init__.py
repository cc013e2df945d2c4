"""Captures: posed photographs by any camera, from the files that other tools write."""
