"""Readers of labelled data, one format a file: each gives ``wsapps_weightspace.samples.LabelledSamples``."""
