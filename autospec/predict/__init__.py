"""What a user keeps: the model file, and predictions from it; nothing here is fitted."""
