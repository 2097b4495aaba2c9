"""What cannot be meant so in a ruleset."""
