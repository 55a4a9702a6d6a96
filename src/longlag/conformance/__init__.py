"""Is a cell what it claims to be? The conformance kit for any cell, and the six checks of the LSTM exercise."""
