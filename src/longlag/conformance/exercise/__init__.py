"""The LSTM exercise: a stub to fill in, and six checks of the result."""
