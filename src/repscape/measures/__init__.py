"""How alike are two representations? One module per family; each registers its measures."""
