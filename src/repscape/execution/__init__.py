"""Executors: what runs tasks. In this process for now."""
