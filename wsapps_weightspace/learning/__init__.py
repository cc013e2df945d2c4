"""Training models whose inputs are the weights of fields: batches, objectives, files, pictures."""
