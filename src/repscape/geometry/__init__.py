"""What shape is one representation? One module per family of descriptors."""
