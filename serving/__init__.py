"""Serves a model over HTTP: a REST interface, and a page that asks it. Imports schemas and pipeline."""
