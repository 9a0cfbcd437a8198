"""From raw model outputs to a prediction, a file a task."""
