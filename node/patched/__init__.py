"""A client that doesn't keep to the rules, for the demonstration: real keys, no checks of its own."""
