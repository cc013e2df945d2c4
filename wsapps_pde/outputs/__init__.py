"""What a solved problem leaves: figures, pictures, and the solution as a function."""
