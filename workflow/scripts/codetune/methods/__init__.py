"""How a model is tuned."""
