"""Layers on the weights of fields: equivariant to their symmetries, or invariant."""
