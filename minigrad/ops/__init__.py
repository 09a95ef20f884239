"""Every differentiable operation, grouped by kind; forward and gradient rule stand side by side."""
