"""The problem language: whitelisted expressions, read from text and evaluated over any numbers."""
