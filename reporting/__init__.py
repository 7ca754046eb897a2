"""Tells people what the stages have published: one HTML page with pictures. Imports schemas alone."""
