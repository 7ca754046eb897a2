"""The contracts between stages. Imports neither Beam nor TensorFlow at module level."""
