"""The filter rules: `model` says what they are, `matcher` finds the first that matches."""
