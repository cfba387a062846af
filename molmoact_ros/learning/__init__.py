"""Learning: scripted demonstrations, the action-reasoning dataset, training."""
