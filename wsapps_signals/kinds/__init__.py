"""The kinds of signals: reading, scores and pictures of each."""
