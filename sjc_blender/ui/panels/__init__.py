"""The panels of the sidebar's tab SJC."""
