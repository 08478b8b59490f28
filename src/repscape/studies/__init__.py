"""Studies: a question, the models and data that answer it, the measures, the report."""
