"""Where models come from: one module for each source, registered where it is defined."""
