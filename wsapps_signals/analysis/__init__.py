"""The parts of ``python -m wsapps_signals.analyze``: a figure each, and what it says in words."""
