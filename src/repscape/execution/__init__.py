"""Execution: what runs tasks, on which machine, and what it says about them."""
