"""Is a cell what it claims to be? Six checks of a reader's LSTM, and the stub to fill in."""
