"""The report: one self-contained HTML file with interactive figures and a summary in words."""
