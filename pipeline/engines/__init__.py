"""What each engine needs to be told, one module an engine; `pipeline/runners.py` asks the one that is meant."""
