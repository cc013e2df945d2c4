"""Methods x signals x seeds: cells, tables, curves, a page."""
