"""The tape: nodes, operations, the backward pass. Names no NumPy function; shape work goes through array methods."""
