"""What plays a game: data, batches, isolation of torch's state, training, scoring."""
