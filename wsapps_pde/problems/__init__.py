"""What is to be solved: a problem, read from YAML and checked."""
