"""Keeping this device's threads equal to what relays and other devices hold."""
