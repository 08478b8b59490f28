"""What measures and descriptors are held to; `repscape.testing` is the way in."""
