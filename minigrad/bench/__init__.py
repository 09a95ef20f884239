"""Batch size against throughput: what a training step costs, what binds it, and where the knee is."""
