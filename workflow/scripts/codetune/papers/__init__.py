"""What papers declare and claim, held against a study."""
