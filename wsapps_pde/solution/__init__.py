"""The unknowns as a module: networks, and conditions that hold by construction."""
