"""The embedded samples, one for each kind, procedural."""
