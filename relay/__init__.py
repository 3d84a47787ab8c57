"""The relay: blind store-and-forward. It sees rooms, sizes and times, and can read and forge nothing."""
