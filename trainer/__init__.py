"""Everything that runs in Keras."""
