"""The desktop app: a face on `realtime.host`."""
