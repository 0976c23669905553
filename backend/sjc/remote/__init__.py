"""Jobs on another computer, reached by the system's own ssh: both ends of the line, and its check."""
