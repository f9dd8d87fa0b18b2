"""The app's own widgets: each paints itself from `gui.theme`, works by keyboard and tells screen readers what it is."""
