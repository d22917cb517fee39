"""What several rooms' tests share: the outside oracle and the data on disk."""
